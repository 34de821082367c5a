"""Questions about things whose pair of kind and colour no training place has."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.data import Dataset
from worldsim.data.episode import Facts
from worldsim.evaluate.reading import Answers, majority, share
from worldsim.evaluate.sights import Sight, sight_at
from worldsim.grammar import NO, Question, questions, words
from worldsim.world import WorldSpec

NEAR = 4.0  # metres within which a thing is large enough to tell its kind


def new_pairs(facts: Facts, spec: WorldSpec) -> list[str]:
    """Return the coloured things near in a frame that training does not know, such as "red box"."""
    return [
        words(thing)
        for thing in facts.get("things", [])
        if thing["colour"] and thing["distance"] <= NEAR and words(thing) not in spec.things
    ]


def load_strange(dataset: Dataset, count: int, size: int, seed: int) -> list[Sight]:
    """Draw frames that show such things, at most one of an episode; none where there are none."""
    rng, spec, found = np.random.default_rng(seed), dataset.spec, list[Sight]()
    if not spec.things:
        return []
    for index in rng.permutation(len(dataset)).tolist():
        facts = dataset.load_steps(index).facts or []
        places = [at for at, known in enumerate(facts[:-1]) if new_pairs(known, spec)]
        if places:
            at = places[int(rng.integers(len(places)))]
            found.append(sight_at(dataset.load(index), at, spec, size))
        if len(found) == count:
            break
    return found


def measure_new_pairs(
    reader: Answers, spec: WorldSpec, strange: list[Sight], plain: list[Sight], seed: int = 0
) -> dict[str, Any]:
    """Ask in seen words whether, where, how far and in which colour such things are.

    Whether they are there is asked as often of frames without them.

    Returns:
        Right answers of the ``model`` and of who never looks (``blind``), means over the kinds of
        question; by ``kinds``.
    """
    rng = np.random.default_rng(seed)
    others = [sight for sight in plain if not new_pairs(sight.facts or {}, spec)]
    asked: list[tuple[Question, Sight]] = []
    for number, sight in enumerate(strange):
        pairs = new_pairs(sight.facts or {}, spec)
        for question in questions(sight.facts or {}, []):
            if question.thing in pairs or f"{question.answer} {question.thing}" in pairs:
                asked.append((question, sight))
        if others:
            asked.append((Question("is there", pairs[0], NO), others[number % len(others)]))
    said = reader.ask([sight.before for _, sight in asked], [q.words(rng) for q, _ in asked])
    kinds: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(question.kind for question, _ in asked):
        at = [k for k, (question, _) in enumerate(asked) if question.kind == kind]
        true = [asked[k][0].answer for k in at]
        right = share([said[k] for k in at], true)
        kinds[kind] = {"model": right, "blind": majority(true), "count": len(at)}
    means = {
        name: float(np.mean([row[name] for row in kinds.values()])) for name in ("model", "blind")
    }
    return {**means, "frames": len(strange), "kinds": kinds}
