"""Whether a dream goes where a sentence sends it: "walk to the red box", pairs known and new.

A pair is a kind of thing and its colour. New pairs stand in held-out places only; what a sentence
about one means has to be put together from what is known of the kind and of the colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.data import Dataset
from worldsim.data.episode import Facts
from worldsim.evaluate.clips import Clips, Dreamer, dream, resize
from worldsim.grammar import AHEAD_DEGREES, words
from worldsim.grammar_words import TO_THING
from worldsim.odometer import Odometer
from worldsim.watcher import AFTER, BEFORE
from worldsim.world import WorldSpec

NEAREST, FARTHEST = 1.5, 6.0  # metres: there is a way to go, and its kind can be told
SEEN, UNSEEN = "seen", "unseen"


@dataclass
class Walks:
    """Places and the thing that is to be walked to from each.

    Attributes:
        clips: Contexts, whose last frame shows the thing; nothing after it.
        things: `N` names, such as "red box".
        bearings: float `(N,)` degrees from straight on, left positive.
        distances: float `(N,)` metres.
    """

    clips: Clips
    things: list[str]
    bearings: np.ndarray
    distances: np.ndarray


def goals(facts: Facts, spec: WorldSpec, new: bool) -> list[Facts]:
    """Return the coloured things that may be walked to, of pairs that training has or has not."""
    things = facts.get("things", [])
    named = [words(thing) for thing in things]
    return [
        thing
        for thing, said in zip(things, named, strict=True)
        if thing["colour"]
        and named.count(said) == 1  # else it is not clear which is meant
        and NEAREST <= thing["distance"] <= FARTHEST
        and (said not in spec.things) == new
    ]


def load_walks(
    dataset: Dataset, count: int, context: int, size: int, seed: int
) -> dict[str, Walks | None]:
    """Draw places with a thing in sight, at most one an episode and kind of pair.

    Returns:
        ``seen`` and ``unseen`` pairs; None where there is no such place.
    """
    rng, spec = np.random.default_rng(seed), dataset.spec
    chosen: dict[str, list[tuple[int, int, Facts]]] = {SEEN: [], UNSEEN: []}
    for index in rng.permutation(len(dataset)).tolist() if spec.things else []:
        facts = dataset.load_steps(index).facts or []
        for kind, rows in chosen.items():
            shown = [goals(known, spec, kind == UNSEEN) for known in facts]
            places = [at for at in range(context - 1, len(facts)) if shown[at]]
            if places and len(rows) < count:
                at = places[int(rng.integers(len(places)))]
                rows.append((index, at, shown[at][int(rng.integers(len(shown[at])))]))
        if all(len(rows) == count for rows in chosen.values()):
            break
    return {
        kind: _load(dataset, rows, context, size) if rows else None for kind, rows in chosen.items()
    }


def measure_walks(
    simulator: Dreamer,
    odometer: Odometer | None,
    dataset: Dataset,
    count: int,
    context: int,
    num_steps: int = 12,
    seed: int = 0,
) -> dict[str, Any]:
    """Say to walk to a thing in sight, press nothing, and read off where the dream goes.

    It does not know whether the dream still shows the thing, nor walls in between.

    Returns:
        For ``seen`` and ``unseen`` pairs: ``said``, ``reworded`` (in a phrasing kept aside from
        training), ``silent`` (the same dreams with nothing said) and ``stay`` (with the key for
        it), each with ``metres`` nearer to the thing and ``degrees`` turned towards it (of things
        that are not straight ahead; None without any); ``nearer``: the share of
        dreams that get nearer than their silent twin, and ``closer_turn``, the same of turns;
        ``count``, ``aside``: things in all, not straight ahead; ``pairs``. Or ``why`` there is
        none, with a ``count`` of 0.
    """
    if odometer is None:
        return {
            kind: _none("the data has no poses to learn motion from") for kind in (SEEN, UNSEEN)
        }
    found = dict[str, Any]()
    for kind, walks in load_walks(dataset, count, context, simulator.image_size, seed).items():
        if walks is not None:
            found[kind] = _measure(simulator, odometer, walks, num_steps, seed)
        elif not dataset.spec.things:
            found[kind] = _none("this world names no things")
        else:
            which = "training knows" if kind == SEEN else "training does not know"
            found[kind] = _none(
                f"no held-out frame shows, at {NEAREST} to {FARTHEST} metres, a thing of a pair "
                f"of kind and colour that {which}"
            )
    return found


def approach(
    motions: np.ndarray, bearings: np.ndarray, distances: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follow motions a step `(N, steps, 3)` and look back at things seen from where they began.

    Args:
        motions: Metres ahead, metres to the left, degrees to the left.
        bearings: Of the things, degrees `(N,)`, left positive.
        distances: Metres `(N,)`.

    Returns:
        Metres nearer and degrees turned towards, `(N,)` each.
    """
    facing = np.zeros(len(motions))
    place = np.zeros((len(motions), 2))
    for ahead, left, turn in np.moveaxis(motions.astype(np.float64), 0, 2):
        yaw = np.radians(facing)
        place[:, 0] += ahead * np.cos(yaw) - left * np.sin(yaw)
        place[:, 1] += ahead * np.sin(yaw) + left * np.cos(yaw)
        facing += turn
    angle = np.radians(bearings)
    way = distances[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) - place
    # How far one has turned, whatever the thing's bearing becomes by walking past it.
    aside = np.abs((bearings - facing + 180.0) % 360.0 - 180.0)
    return distances - np.hypot(*way.T), np.abs(bearings) - aside


def _measure(
    simulator: Dreamer, odometer: Odometer, walks: Walks, num_steps: int, seed: int
) -> dict[str, Any]:
    """Dream every walk with the sentence, with nothing said and with the key for staying."""
    clips, rng = walks.clips, np.random.default_rng(seed)
    said, reworded = (
        [TO_THING.say(rng, unseen=unseen, thing=thing) for thing in walks.things]
        for unseen in (False, True)
    )
    stay = np.zeros((len(clips), num_steps), np.int64)  # action 0 is always to stay
    dreams = {
        "said": dream(simulator, clips, None, said, num_steps, seed, "walk to"),
        "reworded": dream(simulator, clips, None, reworded, num_steps, seed, "walk to, reworded"),
        "silent": dream(simulator, clips, None, [None] * len(said), num_steps, seed, "silent"),
        "stay": dream(simulator, clips, stay, seed=seed, desc="stay"),
    }
    before = clips.frames[:, clips.context - 1 - BEFORE :]
    steps = num_steps + 1 - AFTER
    aside = np.abs(walks.bearings) > AHEAD_DEGREES
    gains = {
        name: approach(
            odometer.read(np.concatenate([before, frames], axis=1)),
            walks.bearings,
            walks.distances,
        )
        for name, frames in dreams.items()
    }
    pairs = zip(gains["said"], gains["silent"], strict=True)
    closer, turned = (with_words > without for with_words, without in pairs)
    return {
        name: {"metres": float(near.mean()), "degrees": _mean(turn[aside])}
        for name, (near, turn) in gains.items()
    } | {
        "nearer": float(closer.mean()),
        "closer_turn": _mean(turned[aside]),
        "count": len(clips),
        "aside": int(aside.sum()),
        "steps": steps,
        "pairs": sorted(set(walks.things)),
    }


def _load(dataset: Dataset, rows: list[tuple[int, int, Facts]], context: int, size: int) -> Walks:
    """Load the contexts of chosen (episode, frame, thing)."""
    frames, actions = [], []
    for index, at, _ in rows:
        episode = dataset.load(index)
        frames.append(resize(episode.frames[at + 1 - context : at + 1], size))
        actions.append(episode.actions[at + 1 - context : at])
    things = [thing for *_, thing in rows]
    return Walks(
        Clips(dataset.spec, np.stack(frames), np.stack(actions), context),
        [words(thing) for thing in things],
        np.array([thing["bearing"] for thing in things], np.float64),
        np.array([thing["distance"] for thing in things], np.float64),
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _none(why: str) -> dict[str, Any]:
    return {"count": 0, "why": why}
