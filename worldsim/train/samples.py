"""What people look at while a run goes on: dreamed frames below the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from worldsim.checkpoint import Checkpoint, Start
from worldsim.data import Collection, Dataset
from worldsim.simulator import Simulator

HORIZONS = (1, 2, 4, 8, 16, 32)
START_FRAMES = 12  # at most; all clips together travel with the weights


def pick_starts(collection: Collection, length: int, count: int) -> list[Start]:
    """Cut clips of `length` frames from episodes spread over each dataset.

    The choice depends on the data alone: clips are not picked by how well they dream. Of an episode
    it is the one that ends with most to see, by the contrast of its last frame: nobody wants to
    begin in front of a wall.

    Args:
        collection: Held-out data.
        length: Frames of a clip.
        count: Clips in all; every dataset gets as many.
    """
    each = -(-count // len(collection.datasets))
    return [start for data in collection.datasets for start in _clips(data, length, each)]


def _clips(dataset: Dataset, length: int, count: int) -> list[Start]:
    starts: list[Start] = []
    long = [i for i, info in enumerate(dataset.episodes) if info.length > 2 * length]
    for index in np.linspace(0, len(long) - 1, min(count, len(long))).round().astype(int):
        episode = dataset.load(long[index])
        first = _richest(episode.frames[length - 1 : -1])
        words = [dataset.spec.action_text(a) for a in episode.actions[first : first + length - 1]]
        name = f"{episode.source}-{episode.seed % 100_000}"
        if name in [start.name for start in starts]:
            name = f"{name}-{index}"
        frames = episode.frames[first : first + length]
        starts.append(Start(name, dataset.spec.name, frames, words))
    return starts


def _richest(frames: np.ndarray) -> int:
    """Return the number of the frame with most contrast, (N, H, W, 3)."""
    return int(frames.std(axis=(1, 2)).mean(axis=1).argmax())


def draw_sheet(checkpoint: Checkpoint, dataset: Collection, path: Path, rows: int = 6) -> None:
    """Write a PNG: a pair of rows a clip, real above dreamed, at several horizons."""
    window, last = checkpoint.rollout.window, HORIZONS[-1]
    fitting = [i for i, info in enumerate(dataset.episodes) if info.length >= window + last]
    chosen = np.linspace(0, len(fitting) - 1, min(rows, len(fitting))).round().astype(int)
    episodes = [dataset.load(fitting[i]) for i in chosen]
    if not episodes:
        return
    simulator = Simulator(checkpoint, num_envs=len(episodes), dtype=torch.float32,
                          device=checkpoint.network.device)  # fmt: skip
    specs = [dataset.spec(fitting[i]) for i in chosen]
    words = [
        [spec.action_text(a) for a in e.actions] for spec, e in zip(specs, episodes, strict=True)
    ]
    starts = [
        Start(e.source, spec.name, e.frames[:window], w[: window - 1])
        for spec, e, w in zip(specs, episodes, words, strict=True)
    ]
    simulator.reset(starts)
    columns = [[e.frames[window - 1] for e in episodes] * 2]
    for step in range(1, last + 1):
        dreamed = simulator.step([w[window - 2 + step] for w in words]).frames.numpy()
        if step in HORIZONS:
            columns.append([e.frames[window - 1 + step] for e in episodes] + list(dreamed))
    count = len(episodes)
    order = [row for i in range(count) for row in (i, count + i)]
    sheet = np.concatenate([np.concatenate([c[i] for i in order]) for c in columns], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    double = (sheet.shape[1] * 2, sheet.shape[0] * 2)
    Image.fromarray(sheet).resize(double, Image.Resampling.NEAREST).save(path)
