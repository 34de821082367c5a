"""Moments of recorded play to begin dreams from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from worldsim.checkpoint import Start
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

MOST = 1024  # clips kept in memory


def load_starts(
    path: str | Path, spec: WorldSpec, place: str, size: int, frames: int, seed: int = 0
) -> list[Start]:
    """Cut clips out of a dataset, as many from each episode as from every other.

    Args:
        path: Dataset of the same world, in the size of the model's frames.
        spec: What the model knows of the world; the dataset must have the same actions and rate.
        place: Beginning of the names of the episodes' places; "" for all.
        size: Side of the frames.
        frames: Of each clip.
        seed: Which moments.

    Raises:
        WorldsimError: The dataset is of another world or size, or has no such episode.
    """
    dataset = Dataset(path)
    spec.check_same(dataset.spec, "the checkpoint", str(path), "collect the data anew")
    if dataset.image_size != size:
        raise WorldsimError(
            f"{path} has frames of {dataset.image_size} pixels, the model dreams {size}: "
            f"collect with image_size={size}"
        )
    # The last frame of an episode may be its end, from which nothing goes on.
    chosen = [e for e in dataset.episodes if e.source.startswith(place) and e.length > frames]
    if not chosen:
        raise WorldsimError(
            f"no episode of {path} is of '{place}' and longer than {frames} frames: collect some "
            f"with options.source={place or 'mixed'}"
        )
    each = max(1, MOST // len(chosen))
    starts, rng = list[Start](), np.random.default_rng(seed)
    for info in tqdm(chosen[:MOST], desc="starts", unit="episode", leave=False):
        episode = dataset.load(info.index)
        places = rng.permutation(info.length - frames)[:each].tolist()
        starts += [
            Start(
                name=f"{info.source}-{info.index}-{first}",
                world=spec.name,
                frames=episode.frames[first : first + frames].copy(),
                actions=[
                    spec.action_text(int(a)) for a in episode.actions[first : first + frames - 1]
                ],
            )
            for first in places
        ]
    return starts
