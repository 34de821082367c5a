"""Sentences about what a frame shows, written from the facts that a dataset keeps of it.

Captions, and questions with their answers. Answers are short and always the same, so that they
can be compared; captions and questions have several phrasings, some never seen in training. It
knows neither frames nor tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.grammar_words import ABSENT, CAPTIONS, EMPTY, LASTING, NOTHING, QUESTIONS, WHERE
from worldsim.pose_text import every_telling, tell_motion

AHEAD_DEGREES = 14  # to both sides of straight on
BEND_DEGREES = 20  # a road that turns less goes straight on
TOP_SPEED = 90.0  # metres a second, of a car whose facts do not say
SPEEDS = ((0.055, "standing"), (0.28, "slow"), (0.5, "fast"))  # shares of it, below which
FASTEST = "very fast"
YES, NO = "yes", "no"
OTHER_SIDE = {"left": "right", "right": "left"}
MOST_NAMED = 3  # things in a caption

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Question:
    """What can be asked of a frame.

    Attributes:
        kind: Which of `QUESTIONS`.
        thing: What stands in the question's gap, such as "red box"; "" for no gap.
        answer: The right one.
    """

    kind: str
    thing: str
    answer: str

    def words(self, rng: np.random.Generator, unseen: bool = False) -> str:
        """Ask in one of the phrasings."""
        return QUESTIONS[self.kind].say(rng, unseen, thing=self.thing, name=self.thing)


def every_phrase() -> list[str]:
    """Return all that is said in training, gaps left out: what a tokenizer learns from."""
    phrases = [*QUESTIONS.values(), CAPTIONS, EMPTY, LASTING, *WHERE.values()]
    asked = [re.sub(r"\{\w+\}", "", text) for said in phrases for text in said.seen]
    return [*asked, ABSENT, *every_telling()]


def questions(facts: Facts, absent: Sequence[str]) -> list[Question]:
    """Return everything that can be asked of a frame.

    Args:
        facts: What is true of it: ``things`` as `envs.sight` describes them, or ``on_road``,
            ``speed``, ``bend`` and perhaps ``top_speed`` of a car; other keys are ignored.
        absent: Things that might be there, to ask after in vain. None of a pair that training
            is not to know.
    """
    found = []
    if "things" in facts:
        found += _about_things(facts["things"], absent)
    if "on_road" in facts:
        found += _about_road(facts)
    return found


def ask(
    facts: Facts, absent: Sequence[str], rng: np.random.Generator, unseen: bool = False
) -> tuple[str, str] | None:
    """Return a question and its answer, every kind as likely; None where nothing is known."""
    return _one_of(questions(facts, [absent[k] for k in rng.permutation(len(absent))]), rng, unseen)


def questions_in_vain(facts: Facts, absent: Sequence[str]) -> list[Question]:
    """Return where, how far and of which colour is what is not in sight: `ABSENT`, each of them.

    Args:
        facts: Of the frame; of one without ``things``, such as a road, nothing is asked.
        absent: Things that might be there; those in sight are left out.
    """
    if "things" not in facts:
        return []
    seen, names = ({of(t) for t in facts["things"]} for of in (words, lambda t: t["name"]))
    missing = [said for said in absent if said not in seen]
    found = [Question(kind, said, ABSENT) for kind in ("where", "how far") for said in missing]
    # Only of what has a colour; a red box in sight is also a box, and its colour can be told.
    coloured = dict.fromkeys(said.split(" ", 1)[1] for said in missing if " " in said)
    return found + [Question("colour", name, ABSENT) for name in coloured if name not in names]


def ask_in_vain(
    facts: Facts, absent: Sequence[str], rng: np.random.Generator, unseen: bool = False
) -> tuple[str, str] | None:
    """Return a question about what is not in sight, and `ABSENT`; None where there is none."""
    return _one_of(questions_in_vain(facts, absent), rng, unseen)


def mirrored(question: Question) -> Question:
    """Return the question that has this answer where a frame is seen as in a mirror."""
    kind, answer = (OTHER_SIDE.get(said, said) for said in (question.kind, question.answer))
    return Question(kind, question.thing, answer)


def ask_motion(
    motion: Sequence[float], rng: np.random.Generator, unseen: bool = False
) -> tuple[str, str]:
    """Ask what the eye just did, `pose_text.motion` being how it moved; return the answer, too."""
    question = Question("moved", "", tell_motion(*motion))
    return question.words(rng, unseen), question.answer


def lasting(what: str, steps: int, rng: np.random.Generator, unseen: bool = False) -> str:
    """Say for how many steps a sentence that steers holds: "turn left for 7 steps"."""
    return LASTING.say(rng, unseen, what=what, k=str(steps))


def describe(facts: Facts, rng: np.random.Generator, unseen: bool = False) -> str | None:
    """Return a caption of a frame; None where nothing is known of it."""
    if "on_road" in facts:
        return CAPTIONS.say(rng, unseen, what=drive(facts))
    if "things" not in facts:
        return None
    named = facts["things"][:MOST_NAMED]
    if not named:
        return EMPTY.say(rng, unseen)
    parts = [f"a {words(t)} {WHERE[side(t)].say(rng, unseen)}" for t in named]
    return CAPTIONS.say(rng, unseen, what=" and ".join(parts))


def drive(facts: Facts) -> str:
    """Return what a caption says of a car: how fast, whether on the road, where that goes."""
    place = "on the road" if facts["on_road"] else "off the road"
    what = f"a {_speed(facts)} car {place}"
    if facts["on_road"]:
        bend = road(facts)
        what += ", straight road" if bend == "straight on" else f", a bend to the {bend}"
    return what


def words(thing: Facts) -> str:
    """Return the words for a thing, colour first."""
    return f"{thing['colour']} {thing['name']}".strip()


def side(thing: Facts) -> str:
    """Return "left", "right" or "ahead"."""
    if abs(thing["bearing"]) <= AHEAD_DEGREES:
        return "ahead"
    return "left" if thing["bearing"] > 0 else "right"


def road(facts: Facts) -> str:
    """Return where the road goes: "left", "right" or "straight on"."""
    if abs(facts["bend"]) <= BEND_DEGREES:
        return "straight on"
    return "left" if facts["bend"] > 0 else "right"


def _one_of(
    possible: Sequence[Question], rng: np.random.Generator, unseen: bool
) -> tuple[str, str] | None:
    """Draw a kind of question, then one of that kind."""
    by_kind: dict[str, list[Question]] = {}
    for question in possible:
        by_kind.setdefault(question.kind, []).append(question)
    if not by_kind:
        return None
    kind = list(by_kind)[int(rng.integers(len(by_kind)))]
    question = by_kind[kind][int(rng.integers(len(by_kind[kind])))]
    return question.words(rng, unseen), question.answer


def _about_things(things: Sequence[Facts], absent: Sequence[str]) -> list[Question]:
    """Ask after what is in sight, the nearest first, and after what is not."""
    found = []
    for where in ("ahead", "left", "right"):
        nearest = next((words(t) for t in things if side(t) == where), NOTHING)
        found.append(Question(where, "", nearest))
    seen, names = [words(t) for t in things], [t["name"] for t in things]
    for thing, said in zip(things, seen, strict=True):
        found.append(Question("is there", said, YES))
        if seen.count(said) == 1:
            found.append(Question("where", said, side(thing)))
            found.append(Question("how far", said, _metres(thing["distance"])))
        if thing["colour"] and names.count(thing["name"]) == 1:
            found.append(Question("colour", thing["name"], thing["colour"]))
    # As many to say no to as to say yes to, so that neither is the better guess.
    missing = [said for said in absent if said not in seen][: max(1, len(seen))]
    found += [Question("is there", said, NO) for said in missing]
    return [*found, Question("how many", "", str(len(things)))]


def _about_road(facts: Facts) -> list[Question]:
    found = [
        Question("on road", "", YES if facts["on_road"] else NO),
        Question("how fast", "", _speed(facts)),
    ]
    return [*found, Question("road goes", "", road(facts))] if facts["on_road"] else found


def _metres(distance: float) -> str:
    """Say a distance as a person would: whole metres, at least one."""
    metres = max(1, round(distance))
    return "1 metre" if metres == 1 else f"{metres} metres"


def _speed(facts: Facts) -> str:
    share = facts["speed"] / facts.get("top_speed", TOP_SPEED)
    return next((said for limit, said in SPEEDS if share < limit), FASTEST)
