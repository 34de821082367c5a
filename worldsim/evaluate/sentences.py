"""Whether a sentence does what its key does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.evaluate.clips import Clips, Dreamer, dream
from worldsim.evaluate.control import name_future, read_future
from worldsim.grammar import lasting
from worldsim.judge import Judge
from worldsim.odometer import Odometer, errors
from worldsim.watcher import AFTER

KINDS = ("seen", "unseen")


def measure_sentences(
    simulator: Dreamer,
    judge: Judge,
    odometer: Odometer | None,
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
        action; None for a kind without phrases. ``trials``: how many there were, by kind.
        With an odometer, ``motion``: how far the motion is from the key's, a step, for ``seen``,
        ``unseen`` and ``still``, where nothing moves; ``metres`` and ``degrees``.
    """
    if not phrases:
        return {"by_action": {}, "trials": {}} | dict.fromkeys([*KINDS, "key"])
    starts = clips.pick(np.arange(num_starts) % len(clips))
    index = {text: clips.spec.action_index(text) for text in phrases}
    trials: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for action, kinds in phrases.items():
        for kind in KINDS:
            trials[kind] += [(action, phrase) for phrase in kinds.get(kind, [])[:num_phrases]]
    result: dict[str, Any] = {"by_action": {}, "trials": {}}
    pressed = _drive(simulator, starts, list(index.values()), None, num_steps, seed)
    _store(result, "key", list(index), pressed.agree(judge))
    if odometer is not None:
        key = dict(zip(index, pressed.motion(odometer), strict=True))
        still = errors(np.zeros(1, np.float32), np.stack([*key.values()]))
        result["motion"] = {"still": still}
    for kind in KINDS:
        actions = [action for action, _ in trials[kind]]
        if not actions:
            result[kind] = None
            continue
        texts = [phrase for _, phrase in trials[kind]]
        wanted = [index[action] for action in actions]
        told = _drive(simulator, starts, wanted, texts, num_steps, seed)
        _store(result, kind, actions, told.agree(judge))
        if odometer is not None:
            aim = np.stack([key[action] for action in actions])
            result["motion"][kind] = errors(told.motion(odometer), aim)
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


@dataclass
class _Drives:
    """What came of wanting each of some actions from each start, one trial after the other."""

    clips: Clips
    wanted: np.ndarray  # (trials * starts,)
    frames: np.ndarray  # uint8 (trials * starts, steps, H, W, 3)
    starts: int

    def agree(self, judge: Judge) -> np.ndarray:
        """Tell where the most frequent of the named actions is the wanted one, (trials, starts)."""
        named = name_future(judge, self.clips, self.frames, self.frames.shape[1] + 1 - AFTER)
        kinds = range(len(self.clips.spec.actions))
        counts = np.stack([(named == action).sum(1) for action in kinds], 1)
        return (counts.argmax(1) == self.wanted).reshape(-1, self.starts)

    def motion(self, odometer: Odometer) -> np.ndarray:
        """Read how the eye moved, (trials, starts, steps, 3)."""
        steps = self.frames.shape[1] + 1 - AFTER
        read = read_future(odometer, self.clips, self.frames, steps)
        return read.reshape(-1, self.starts, *read.shape[1:])


def _drive(
    simulator: Dreamer,
    starts: Clips,
    wanted: list[int],
    texts: list[str] | None,
    num_steps: int,
    seed: int,
) -> _Drives:
    """Say each of the texts from each start; without any, hold the keys of the wanted actions."""
    clips = starts.pick(np.tile(np.arange(len(starts)), len(wanted)))
    each = np.repeat(np.array(wanted, np.int64), len(starts))
    if texts is None:
        held = np.repeat(each[:, None], num_steps, 1)
        frames = dream(simulator, clips, held, seed=seed, desc="keys")
    else:
        said = [text for text in texts for _ in range(len(starts))]
        frames = dream(
            simulator, clips, sentences=said, num_steps=num_steps, seed=seed, desc="sentences"
        )
    return _Drives(clips, each, frames, len(starts))


def _store(result: dict[str, Any], kind: str, actions: list[str], right: np.ndarray) -> None:
    """Put the agreement of one kind into the result, overall and by action."""
    result[kind] = float(right.mean())
    result["trials"][kind] = right.size
    for action in dict.fromkeys(actions):
        rows = [row for row, name in enumerate(actions) if name == action]
        result["by_action"].setdefault(action, {})[kind] = float(right[rows].mean())
