"""Films of the best that agents did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from agents.play import Played, make_dream, play
from agents.policy import PolicyAgent
from agents.tasks import Task

REAL, DREAM = "best_real.mp4", "best_dream.mp4"  # in a run's folder
DREAMS = 3  # dreamed, of which the best is filmed


def film(path: Path, played: list[Played], world: Any) -> None:
    """Write the best episode as an mp4, each pixel as four by four.

    Args:
        path: Of the film; what was there before stays until it is complete.
        played: Of which the best has its frames, see `play`.
        world: With its `steps_per_second`: a `WorldSpec`.
    """
    best = max(played, key=lambda episode: episode.total)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.stack(best.frames).repeat(4, axis=1).repeat(4, axis=2)
    partial = path.with_suffix(f".tmp{path.suffix}")
    iio.imwrite(
        partial,
        frames,
        plugin="pyav",
        codec="libx264",
        fps=float(world.steps_per_second),
        out_pixel_format="yuv420p",
    )
    partial.replace(path)


def film_dream(
    path: Path, folder: Path, task: Task, checkpoint: str, data: str, horizon: int, seed: int
) -> None:
    """Let a trained agent dream a few times and film the best one.

    Args:
        path: Of the film.
        folder: Of the agent.
        task: What it plays.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        data: Dataset whose moments dreams begin in; empty: the checkpoint's clips.
        horizon: Steps after which a dream is cut off.
        seed: Of the first dream; the others follow.
    """
    env = make_dream(task, checkpoint, data, horizon)
    try:
        world: Any = env.unwrapped
        agent = PolicyAgent.load(folder, world.spec_world, seed=seed)
        seeds = range(seed, seed + DREAMS)
        film(path, play(env, agent, seeds, desc="agent, dream", keep=True), world.spec_world)
    finally:
        env.close()


@contextmanager
def or_say_why(path: Path) -> Iterator[None]:
    """Say in a line why there is no film where one fails: what was learnt is worth more."""
    try:
        yield
    except Exception as error:  # whatever a dream, an encoder or a full disk makes of it
        print(f"no film {path}: {' '.join(str(error).split())[:200]}")
