"""Whether a long dream still looks like the real world, frame by frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from worldsim.data import Dataset
from worldsim.evaluate.clips import Clips, Dreamer, dream, resize
from worldsim.metrics import as_images, statistics

LOW, HIGH = 1, 99  # percentiles of the real world


def measure_drift(
    simulator: Dreamer,
    dataset: Dataset,
    clips: Clips,
    num_steps: int,
    num_starts: int,
    seed: int = 0,
) -> tuple[dict[str, Any], np.ndarray]:
    """Dream `num_steps` from several starts and look at every frame's statistics.

    The actions are those of real episodes, strung together: what somebody would press. It does
    not know whether the place stays the same place, only whether it looks like one.

    Returns:
        ``inside``: the share of dreamed frames with every statistic inside the real frames'
        1st to 99th percentile; ``inside_real``: the same share of the real frames themselves
        (several statistics, so less than .98); the share by statistic; ``over_time``: by tenth
        of the rollout. ``again``: the same where dreams begin again once too little is left of
        what they saw, as environments let them, and how often a dream does, ``begun``. And the
        dreamed frames, uint8 `(2 * starts, steps / 25, H, W, 3)`.
    """
    starts = clips.pick(np.arange(num_starts) % len(clips))
    actions = long_actions(dataset, num_starts, num_steps, seed)
    real = _statistics(real_frames(dataset, simulator.image_size, seed))
    bounds = {name: np.percentile(values, (LOW, HIGH)) for name, values in real.items()}
    begun = list[int]()
    plain = dream(simulator, starts, actions, seed=seed, desc="drift")
    again = dream(simulator, starts, actions, seed=seed, desc="again", begun=begun)
    result = {
        **_looks(plain, bounds),
        "again": {**_looks(again, bounds), "begun": len(begun) / num_starts},
        "inside_real": float(np.all(list(_inside(real, bounds).values()), 0).mean()),
        "real_range": {name: [float(low), float(high)] for name, (low, high) in bounds.items()},
        "steps": num_steps,
        "starts": num_starts,
    }
    return result, np.concatenate([plain, again])[:, :: max(1, num_steps // 40)]


def _looks(frames: np.ndarray, bounds: dict[str, np.ndarray]) -> dict[str, Any]:
    """Say which of dreamed frames `(starts, steps, H, W, 3)` look real."""
    inside = _inside(_statistics(frames.reshape(-1, *frames.shape[2:])), bounds)
    together = np.all(list(inside.values()), 0).reshape(frames.shape[:2])
    tenths = np.array_split(together, min(10, frames.shape[1]), axis=1)
    return {
        "inside": float(together.mean()),
        "statistics": {name: float(values.mean()) for name, values in inside.items()},
        "over_time": [float(part.mean()) for part in tenths],
    }


def long_actions(dataset: Dataset, rows: int, steps: int, seed: int) -> np.ndarray:
    """String together the actions of real episodes: int64 `(rows, steps)`."""
    order = np.random.default_rng(seed).permutation(len(dataset))
    joined: list[int] = []
    for index in order:
        joined += dataset.load(int(index)).actions.tolist()
        if len(joined) >= rows * steps:
            break
    return np.resize(np.asarray(joined, np.int64), (rows, steps))


def real_frames(dataset: Dataset, size: int, seed: int, limit: int = 4000) -> np.ndarray:
    """Return up to `limit` real frames spread over the dataset, uint8 `(N, H, W, 3)`."""
    order = np.random.default_rng(seed).permutation(len(dataset))[:200]
    each = max(1, limit // len(order))
    parts = []
    for index in order:
        frames = dataset.load(int(index)).frames
        parts.append(resize(frames[:: max(1, len(frames) // each)][:each], size))
    return np.concatenate(parts)


def _statistics(frames: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of uint8 frames `(N, H, W, 3)`, one number a frame."""
    rows = [statistics(as_images(part)) for part in torch.from_numpy(frames).split(256)]
    return {name: torch.cat([row[name] for row in rows]).numpy() for name in rows[0]}


def _inside(values: dict[str, np.ndarray], bounds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tell frame by frame whether each statistic lies within its bounds."""
    return {
        name: (found >= bounds[name][0]) & (found <= bounds[name][1])
        for name, found in values.items()
    }
