"""Whether a sentence does what its key does."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.evaluate.clips import Clips, Dreamer, dream
from worldsim.evaluate.control import name_future
from worldsim.grammar import lasting
from worldsim.judge import Judge
from worldsim.watcher import AFTER

KINDS = ("seen", "unseen")


def measure_sentences(
    simulator: Dreamer,
    judge: Judge,
    clips: Clips,
    phrases: dict[str, dict[str, list[str]]],
    num_starts: int,
    num_phrases: int,
    num_steps: int = 8,
    seed: int = 0,
) -> dict[str, Any]:
    """Say every phrase from several starts, press nothing, and let the judge name the motion.

    A trial agrees where the most frequent of the named actions is the phrase's. ``key`` is the
    same trial with the key held instead: what a phrase can reach at best here, as some starts
    face a wall.

    Returns:
        Agreement for phrases ``seen`` in training, ``unseen`` ones, and ``key``; the same by
        action; None for a kind without phrases.
    """
    starts = clips.pick(np.arange(num_starts) % len(clips))
    index = {text: clips.spec.action_index(text) for text in phrases}
    trials: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for action, kinds in phrases.items():
        for kind in KINDS:
            trials[kind] += [(action, phrase) for phrase in kinds.get(kind, [])[:num_phrases]]
    result: dict[str, Any] = {"by_action": {}}
    for kind in KINDS:
        wanted = np.array([index[action] for action, _ in trials[kind]], np.int64)
        texts = [phrase for _, phrase in trials[kind]]
        right = _say(simulator, judge, starts, wanted, texts, num_steps, seed)
        _store(result, kind, [action for action, _ in trials[kind]], right)
    wanted = np.array(list(index.values()), np.int64)
    right = _say(simulator, judge, starts, wanted, None, num_steps, seed)
    _store(result, "key", list(index), right)
    return result


def measure_lasting(
    simulator: Dreamer,
    judge: Judge,
    clips: Clips,
    phrases: dict[str, dict[str, list[str]]],
    num_starts: int,
    steps: int = 4,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Tell to do something for so many steps; let the judge name what is done then and after.

    Returns:
        ``counted`` and ``plain`` (the same sentences without a number), each with the share of
        steps that are named as the sentence's action, ``during`` the steps that it is said for
        and ``after``, as many again; ``steps``. None where no phrase is one action.
    """
    starts = clips.pick(np.arange(num_starts) % len(clips))
    said = [(action, kinds["seen"][0]) for action, kinds in phrases.items() if kinds.get("seen")]
    if not said:
        return None
    rng, found = np.random.default_rng(seed), dict[str, Any]()
    rows = starts.pick(np.tile(np.arange(num_starts), len(said)))
    wanted = np.repeat([clips.spec.action_index(action) for action, _ in said], num_starts)
    for name in ("counted", "plain"):
        texts = [
            lasting(text, steps, rng) if name == "counted" else text
            for _, text in said
            for _ in range(num_starts)
        ]
        total = 2 * steps + AFTER - 1
        frames = dream(
            simulator, rows, sentences=texts, num_steps=total, seed=seed, desc=f"{name} steps"
        )
        done = name_future(judge, rows, frames, 2 * steps) == wanted[:, None]
        found[name] = {
            "during": float(done[:, :steps].mean()),
            "after": float(done[:, steps:].mean()),
        }
    return {**found, "steps": steps}


def _say(
    simulator: Dreamer,
    judge: Judge,
    starts: Clips,
    wanted: np.ndarray,
    texts: list[str] | None,
    num_steps: int,
    seed: int,
) -> np.ndarray:
    """Try each wanted action from each start; return bool `(trials, starts)`."""
    if not len(wanted):
        return np.zeros((0, len(starts)), bool)
    clips = starts.pick(np.tile(np.arange(len(starts)), len(wanted)))
    each = np.repeat(wanted, len(starts))
    if texts is None:
        held = np.repeat(each[:, None], num_steps, 1)
        frames = dream(simulator, clips, held, seed=seed, desc="keys")
    else:
        said = [text for text in texts for _ in range(len(starts))]
        frames = dream(
            simulator, clips, sentences=said, num_steps=num_steps, seed=seed, desc="sentences"
        )
    named = name_future(judge, clips, frames, num_steps + 1 - AFTER)
    counts = np.stack([(named == action).sum(1) for action in range(len(clips.spec.actions))], 1)
    return (counts.argmax(1) == each).reshape(len(wanted), len(starts))


def _store(result: dict[str, Any], kind: str, actions: list[str], right: np.ndarray) -> None:
    """Put the agreement of one kind into the result, overall and by action."""
    result[kind] = float(right.mean()) if right.size else None
    for action in dict.fromkeys(actions):
        rows = [row for row, name in enumerate(actions) if name == action]
        result["by_action"].setdefault(action, {})[kind] = float(right[rows].mean())
