"""What the model says about real held-out frames, beside what the simulator knows.

Every number stands beside that of somebody who never looks: who always gives the most frequent
action or answer, the median depth of each part of the picture, or says that nothing moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from worldsim.evaluate.sights import Sight
from worldsim.grammar import (
    MOST_NAMED,
    Question,
    ask_motion,
    drive,
    questions,
    questions_in_vain,
    words,
)
from worldsim.grammar_words import ABSENT, EMPTY
from worldsim.odometer import errors
from worldsim.reader import Frames
from worldsim.world import WorldSpec

CLOSE = 1.25  # ratio within which a distance counts as right (the δ of depth estimation)


class Answers(Protocol):
    """The part of `worldsim.reader.Reader` that evaluation uses."""

    size: int

    def infer_action(
        self,
        befores: Frames,
        afters: Frames,
        world: str,
        earlier: Sequence[Frames] | None = None,
        later: Sequence[Frames] | None = None,
    ) -> list[str]:
        """Name the action between two frames, seen alone or with those before and after."""

    def describe(self, frames: Frames) -> list[str]:
        """Describe frames."""

    def ask(
        self, frames: Frames, questions: Sequence[str], befores: Frames | None = None
    ) -> list[str]:
        """Answer a question about each frame, or about the way to it from the one before."""

    def pose(self, befores: Frames, afters: Frames) -> list[tuple[float, ...] | None]:
        """Say how the eye moved."""

    def depth(self, frames: Frames) -> np.ndarray:
        """Say how far away everything is."""


def measure_reading(
    reader: Answers, spec: WorldSpec, sights: list[Sight], seed: int = 0
) -> dict[str, Any]:
    """Return how much of what the model says is true.

    Returns:
        ``infer`` (``pair``: of two frames alone), ``ask`` with seen and unseen phrasings,
        ``in_vain`` (about what is not there), ``describe``, ``depth``, ``pose`` and ``moved`` (the
        same in words), as far as the data knows the truth; a model's number, and the ``blind`` one.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {"infer": _infer(reader, spec, sights)}
    known = [sight for sight in sights if sight.facts is not None]
    if known:
        found["ask"] = _ask(reader, spec, known, rng)
        found |= _in_vain(reader, spec, known, rng)
        if all(sight.facts and ("things" in sight.facts or _drives(sight)) for sight in known):
            found["describe"] = _describe(reader, known)
    deep = [sight for sight in sights if sight.depth is not None]
    if deep:
        found["depth"] = _depth(reader, deep)
    moved = [sight for sight in sights if sight.motion is not None]
    if moved:
        found["pose"] = _pose(reader, moved)
        found["moved"] = _moved(reader, moved, rng)
    return found


def _infer(reader: Answers, spec: WorldSpec, sights: list[Sight]) -> dict[str, Any]:
    befores, afters = [s.before for s in sights], [s.after for s in sights]
    earlier, later = [s.earlier for s in sights], [s.later for s in sights]
    true = [sight.action for sight in sights]
    named = reader.infer_action(befores, afters, spec.name, earlier, later)
    alone = reader.infer_action(befores, afters, spec.name)
    return {
        "model": share(named, true),
        "pair": share(alone, true),
        "blind": majority(true),
        "count": len(true),
    }


def _ask(
    reader: Answers, spec: WorldSpec, sights: list[Sight], rng: np.random.Generator
) -> dict[str, Any]:
    """Ask one question of each kind that a frame allows, in words seen and unseen."""
    asked: list[tuple[str, str, np.ndarray]] = []  # kind, right answer, frame
    texts: dict[str, list[str]] = {"seen": [], "unseen": []}
    for sight in sights:
        absent = [spec.things[k] for k in rng.permutation(len(spec.things))]
        possible = questions(sight.facts or {}, absent)
        for kind in dict.fromkeys(question.kind for question in possible):
            same = [question for question in possible if question.kind == kind]
            question = same[int(rng.integers(len(same)))]
            asked.append((kind, question.answer, sight.before))
            for name, said in texts.items():
                said.append(question.words(rng, unseen=name == "unseen"))
    frames = [frame for *_, frame in asked]
    answers = {name: reader.ask(frames, said) for name, said in texts.items()}
    kinds = {}
    for kind in dict.fromkeys(kind for kind, *_ in asked):
        at = [k for k, (its, *_) in enumerate(asked) if its == kind]
        true = [asked[k][1] for k in at]
        shares = {name: share([said[k] for k in at], true) for name, said in answers.items()}
        kinds[kind] = {**shares, "blind": majority(true), "count": len(at)}
    means = {
        name: float(np.mean([row[name] for row in kinds.values()]))
        for name in ("seen", "unseen", "blind")
    }
    return {**means, "kinds": kinds}


def _in_vain(
    reader: Answers, spec: WorldSpec, sights: list[Sight], rng: np.random.Generator
) -> dict[str, Any]:
    """Ask where, how far and of which colour is what is not there, and as often what is.

    ``seen``, ``unseen``: how often the answer is `ABSENT` where nothing is there; ``mistaken``: how
    often it is where something is, in seen words. Who never looks has the two alike.
    """
    absent, there = list[tuple[Question, Sight]](), list[tuple[Question, Sight]]()
    for sight in sights:
        for possible, asked in (
            (questions_in_vain(sight.facts or {}, spec.things), absent),
            (questions(sight.facts or {}, []), there),
        ):
            same = [q for q in possible if q.kind in ("where", "how far", "colour")]
            if same:
                asked.append((same[int(rng.integers(len(same)))], sight))
    if not absent or not there:
        return {}
    groups = {"seen": (absent, False), "unseen": (absent, True), "mistaken": (there, False)}
    shares = dict[str, float]()
    for name, (asked, unseen) in groups.items():
        said = reader.ask([s.before for _, s in asked], [q.words(rng, unseen) for q, _ in asked])
        shares[name] = share(said, [ABSENT] * len(said))
    return {"in_vain": {**shares, "count": len(absent)}}


def _describe(reader: Answers, sights: list[Sight]) -> dict[str, Any]:
    """Compare what captions say with what is there, beside the caption that fits most often.

    ``exact``: all that is to be named and nothing else, wherever it stands; with things in sight
    also ``precision`` and ``recall`` of the things named.
    """
    true = [_to_name(sight) for sight in sights]
    common = Counter(true).most_common(1)[0][0]
    captions = reader.describe([sight.before for sight in sights])
    model = _compare_captions(captions, true, sights)
    always = (
        "there is " + " and ".join(f"a {thing}" for thing in common) if common else EMPTY.seen[0]
    )
    blind = _compare_captions([always] * len(sights), true, sights)
    return {**model, "blind": blind, "count": len(sights)}


def _drives(sight: Sight) -> bool:
    return "on_road" in (sight.facts or {})


def _to_name(sight: Sight) -> tuple[str, ...]:
    """Return what a caption is to name: how a car drives, or the nearest things, sorted."""
    facts = sight.facts or {}
    if _drives(sight):
        return (drive(facts).removeprefix("a "),)
    return tuple(sorted(words(thing) for thing in facts["things"][:MOST_NAMED]))


def _compare_captions(
    captions: list[str], true: list[tuple[str, ...]], sights: list[Sight]
) -> dict[str, float]:
    right = named = there = exact = 0
    for caption, wanted, sight in zip(captions, true, sights, strict=True):
        text = f" {caption} "
        if _drives(sight):
            exact += text.endswith(f" a {wanted[0]} ")
            continue
        said, counts = text.count(" a "), Counter(wanted)
        hits = sum(min(often, text.count(f" a {thing} ")) for thing, often in counts.items())
        right, named, there = right + hits, named + said, there + len(wanted)
        says_all = hits == said == len(wanted)
        exact += says_all and (bool(wanted) or caption in (*EMPTY.seen, *EMPTY.unseen))
    shares = {"exact": exact / len(captions)}
    if not all(map(_drives, sights)):
        shares |= {"precision": right / max(1, named), "recall": right / max(1, there)}
    return shares


def _depth(reader: Answers, sights: list[Sight]) -> dict[str, Any]:
    given = reader.depth([sight.before for sight in sights])
    depths = np.stack([sight.depth for sight in sights if sight.depth is not None])
    count, side = given.shape[:2]
    part = depths.shape[1] // side
    right = depths.reshape(count, side, part, side, part).mean((2, 4)) / 100
    blind = np.broadcast_to(np.median(right, axis=0), right.shape)
    return {
        "model": depth_errors(given, right),
        "blind": depth_errors(blind, right),
        "count": count,
    }


def depth_errors(given: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Return mean relative error and the share of distances that are close, both in metres."""
    ratio = np.maximum(given / right, right / given)
    return {
        "abs_rel": float((np.abs(given - right) / right).mean()),
        "delta_1.25": float((ratio < CLOSE).mean()),
    }


def _pose(reader: Answers, sights: list[Sight]) -> dict[str, Any]:
    """Compare motions; an answer that is none counts as standing still."""
    answers = reader.pose([s.before for s in sights], [s.after for s in sights])
    said = np.array([answer or (0.0, 0.0, 0.0) for answer in answers])
    true = np.array([sight.motion for sight in sights])
    return {
        "model": errors(said, true),
        "blind": errors(np.zeros_like(true), true),
        "count": len(true),
    }


def _moved(reader: Answers, sights: list[Sight], rng: np.random.Generator) -> dict[str, Any]:
    """Ask what the eye just did."""
    befores, afters = [s.before for s in sights], [s.after for s in sights]
    shares, true = dict[str, float](), list[str]()
    for name in ("seen", "unseen"):
        asked = [ask_motion(s.motion or (), rng, unseen=name == "unseen") for s in sights]
        true = [answer for _, answer in asked]
        shares[name] = share(reader.ask(afters, [text for text, _ in asked], befores), true)
    return {**shares, "blind": majority(true), "count": len(true)}


def share(said: list[str], true: list[str]) -> float:
    """Return how many answers are right."""
    return float(np.mean([a == b for a, b in zip(said, true, strict=True)]))


def majority(true: list[str]) -> float:
    """Return how many would be right for who always gives the most frequent answer."""
    return Counter(true).most_common(1)[0][1] / len(true)
