"""What the data says of going away and coming back: how far a turn goes, where one may walk."""

from __future__ import annotations

import numpy as np

from worldsim.data import Dataset
from worldsim.evaluate.index import Window
from worldsim.pose_text import motion

LEFT, AHEAD = "turn left", "forward"
STEADY = 0.1  # turns or steps that differ by more than this share cannot be counted on
AHEAD_OF_ONE = (slice(6, 9), slice(6, 10))  # of a depth picture: the horizon's middle
ROOM = 1.2  # metres free for each that one is to walk
SPACING = 8  # frames between two places of an episode


def circle_steps(dataset: Dataset, episodes: int = 20) -> int | None:
    """Return how many steps of turning left make a circle; None where turns are not steady."""
    spec = dataset.spec
    if LEFT not in spec.actions:
        return None
    left, turns = spec.action_index(LEFT), list[float]()
    for index in np.linspace(0, len(dataset) - 1, min(episodes, len(dataset))).astype(int):
        steps = dataset.load_steps(int(index))
        if steps.pose is None:
            return None
        yaw = np.diff(steps.pose[:, 2])[np.asarray(steps.actions) == left]
        turns += ((yaw + 180.0) % 360.0 - 180.0).tolist()
    if not turns:
        return None
    low, middle, high = np.percentile(turns, (10, 50, 90))
    return round(360 / middle) if middle > 0 and high - low <= STEADY * middle else None


def step_length(dataset: Dataset, episodes: int = 20) -> float | None:
    """Return the metres of a step ahead; None where steps are not steady, as with momentum."""
    spec = dataset.spec
    if AHEAD not in spec.actions:
        return None
    ahead, lengths = spec.action_index(AHEAD), list[float]()
    for index in np.linspace(0, len(dataset) - 1, min(episodes, len(dataset))).astype(int):
        steps = dataset.load_steps(int(index))
        if steps.pose is None:
            return None
        lengths += [
            motion(steps.pose[k], steps.pose[k + 1], spec.metres_per_unit)[0]
            for k in np.flatnonzero(np.asarray(steps.actions) == ahead)
        ]
    if not lengths:
        return None
    # A quarter may end at walls.
    low, middle, high = np.percentile(lengths, (25, 50, 75))
    return float(middle) if middle > 0 and high - low <= STEADY * middle else None


def free_places(dataset: Dataset, metres: float, context: int, count: int) -> list[Window]:
    """Return up to `count` places, spread over the data, from which one may walk so far ahead."""
    found: list[list[Window]] = []
    for info in dataset.episodes:
        depth = dataset.load_steps(info.index).depth
        if depth is not None:
            free = depth[:, *AHEAD_OF_ONE].min(axis=(1, 2)) / 100 > ROOM * metres
            starts = range(context - 1, len(free), SPACING)
            found.append([Window(info.source, info.seed, k) for k in starts if free[k]])
    turns = max((len(row) for row in found), default=0)
    return [row[turn] for turn in range(turns) for row in found if turn < len(row)][:count]
