"""Pairs of held-out frames, with what the simulator knows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.data import Dataset
from worldsim.data.episode import Episode, Facts
from worldsim.deed import AFTER, BEFORE
from worldsim.evaluate.clips import resize
from worldsim.pose_text import motion
from worldsim.world import WorldSpec


@dataclass
class Sight:
    """Two frames, one after the other, and what is known of the first and between them.

    Attributes:
        earlier: Frames of the recording before these, `deed.BEFORE` where there are so many.
        later: Frames after these, `deed.AFTER`.
        depth: In centimetres.
    """

    before: np.ndarray
    after: np.ndarray
    action: str
    facts: Facts | None
    motion: tuple[float, ...] | None
    depth: np.ndarray | None
    earlier: list[np.ndarray]
    later: list[np.ndarray]


def load_sights(dataset: Dataset, count: int, size: int, seed: int) -> list[Sight]:
    """Draw pairs of frames from episodes spread over a dataset."""
    rng, sights = np.random.default_rng(seed), []
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int):
        episode = dataset.load(int(index))
        sights.append(sight_at(episode, int(rng.integers(len(episode))), dataset.spec, size))
    return sights


def sight_at(episode: Episode, at: int, spec: WorldSpec, size: int) -> Sight:
    """Cut frames `at` and the next one out of an episode, with what is known of them."""
    first = max(0, at - BEFORE)
    frames = list(resize(episode.frames[first : at + 2 + AFTER], size))
    before, after = frames[at - first : at - first + 2]
    pose, metres = episode.pose, spec.metres_per_unit
    return Sight(
        before,
        after,
        action=spec.action_text(int(episode.actions[at])),
        facts=episode.facts[at] if episode.facts else None,
        motion=None if pose is None else motion(pose[at], pose[at + 1], metres),
        depth=None if episode.depth is None else episode.depth[at],
        earlier=frames[: at - first],
        later=frames[at - first + 2 :],
    )
