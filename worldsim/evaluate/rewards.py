"""Whether a dream pays and ends when the world does."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from worldsim.checkpoint import Start
from worldsim.data import Dataset
from worldsim.evaluate.clips import Dreamer, resize

AHEAD = 4  # dreamed steps, of which the last is the one that was chosen


def measure_rewards(
    simulator: Dreamer, dataset: Dataset, count: int, context: int, seed: int = 0
) -> dict[str, Any]:
    """Dream up to moments that ended, up to as many that paid, and up to as many others.

    Returns:
        ``correlation`` of dreamed and real rewards, step by step, None where one of them never
        changes; ``end``: F1 (``model``), ``precision`` (None where none is likely) and ``recall``
        of the dreams whose end within these steps is likelier than not, with ``always``, the F1 of
        who says that all do, and the mean ``chance`` of an end, where one came and (``otherwise``)
        where none did; None where the data has no end, and then ``why``; how many ``moments``,
        ``steps``, ``ends`` and likely ones (``said``) there were.
    """
    moments = choose_moments(dataset, count, seed)
    pays, ends, lanes = list[list[float]](), list[list[float]](), simulator.num_envs
    for first in tqdm(range(0, len(moments), lanes), desc="rewards", leave=False):
        part = moments[first : first + lanes]
        rows = part + [part[-1]] * (lanes - len(part))
        clips = [_clip(dataset, *row, context, simulator.image_size) for row in rows]
        simulator.reset([clip.start for clip in clips], None, range(first, first + lanes))
        outs = [simulator.step([clip.actions[k] for clip in clips]) for k in range(AHEAD)]
        for lane, clip in enumerate(clips[: len(part)]):
            for k, out in enumerate(outs):
                pays.append([float(out.rewards[lane]), clip.rewards[k]])
            lives = math.prod(1 - float(out.end_chances[lane]) for out in outs)
            ends.append([1 - lives, clip.ends])
    varied = (np.std(pays, axis=0) > 0).all()
    chances, true = np.array(ends)[:, 0], np.array(ends)[:, 1] > 0
    found: dict[str, Any] = {
        "correlation": float(np.corrcoef(np.array(pays).T)[0, 1]) if varied else None,
        "end": _score_ends(chances, true) if true.any() else None,
        "moments": len(moments),
        "steps": len(pays),
        "ends": int(true.sum()),
        "said": int((chances > 0.5).sum()),
    }
    if found["end"] is None:
        lengths = [info.length - 1 for info in dataset.episodes]
        found["why"] = (
            f"none of the {len(lengths)} held-out episodes ends in a way that could be dreamed: "
            f"they are cut off after at most {max(lengths)} steps"
        )
    return found


def choose_moments(dataset: Dataset, count: int, seed: int) -> list[tuple[int, int]]:
    """Return (episode, step) of up to `count` moments: a third end, a third pay, a third neither.

    Where there are fewer ends than that, all are taken and the others share their places. What
    the most frequent reward of the dataset is counts as no pay.
    """
    rng = np.random.default_rng(seed)
    ended, paid, usual = (list[tuple[int, int]]() for _ in range(3))
    steps = [dataset.load_steps(index) for index in range(len(dataset))]
    common = Counter(float(r) for s in steps for r in s.rewards).most_common(1)[0][0]
    for index, episode in enumerate(steps):
        last = len(episode.rewards) - 1
        for step in range(AHEAD - 1, last + 1):
            if episode.terminated and step == last:
                ended.append((index, step))
            else:
                (paid if float(episode.rewards[step]) != common else usual).append((index, step))
    chosen = list[tuple[int, int]]()
    for left, group in ((3, ended), (2, paid), (1, usual)):
        wanted = (count - len(chosen)) // left
        chosen += [group[k] for k in rng.permutation(len(group))[:wanted]]
    return chosen


@dataclass
class _Clip:
    start: Start
    actions: list[str]  # AHEAD of them, as the rewards
    rewards: list[float]
    ends: bool


def _clip(dataset: Dataset, index: int, step: int, context: int, size: int) -> _Clip:
    """Return what a dream is shown before `AHEAD` steps that end with `step`, and those steps."""
    episode, spec = dataset.load(index), dataset.spec
    at = step + 1 - AHEAD  # the last frame that is shown
    first = max(0, at + 1 - context)
    words = [spec.action_text(int(action)) for action in episode.actions]
    frames = resize(episode.frames[first : at + 1], size)
    return _Clip(
        start=Start(f"reward-{index}-{step}", spec.name, frames, words[first:at]),
        actions=words[at : step + 1],
        rewards=[float(reward) for reward in episode.rewards[at : step + 1]],
        ends=episode.terminated and step == len(words) - 1,
    )


def _score_ends(chances: np.ndarray, true: np.ndarray) -> dict[str, float | None]:
    said = chances > 0.5
    hits = int((said & true).sum())
    return {
        "model": _f1(said, true),
        "always": _f1(np.ones_like(true), true),
        "precision": hits / int(said.sum()) if said.any() else None,
        "recall": hits / int(true.sum()),
        "chance": float(chances[true].mean()),
        "otherwise": float(chances[~true].mean()) if not true.all() else None,
    }


def _f1(said: np.ndarray, true: np.ndarray) -> float:
    hits = int((said & true).sum())
    return 2 * hits / max(1, int(said.sum()) + int(true.sum()))
