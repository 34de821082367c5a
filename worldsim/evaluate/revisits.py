"""How like itself the real world is: frames of one pose, seen again later in the same episode."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.data import Dataset
from worldsim.evaluate.clips import resize
from worldsim.evaluate.video import compare
from worldsim.metrics import LPIPS

NEAR_METRES, NEAR_DEGREES = 0.1, 2.0  # within which two poses are one
AWAY_METRES, AWAY_DEGREES = 0.5, 20.0  # beyond which one has been somewhere else in between
LATER = 1.0  # seconds
EACH = 4  # pairs an episode at most


def measure_real(dataset: Dataset, lpips: LPIPS, size: int, count: int = 64) -> dict[str, Any]:
    """Return the median LPIPS between real frames of one pose with something else seen between.

    It does not know why they differ: poses are equal within a small tolerance only, video has
    grain, and doors and lifts move.

    Returns:
        ``lpips``, None where nothing is seen again; ``why`` then says so; how many ``pairs``.
    """
    found = list[float]()
    for info in dataset.episodes:
        pose = dataset.load_steps(info.index).pose
        if pose is None:
            return {"lpips": None, "pairs": 0, "why": "poses are unknown"}
        pairs = find_revisits(pose, dataset.spec.metres_per_unit, dataset.spec.steps_per_second)
        if pairs:
            frames = resize(dataset.load(info.index).frames, size)
            found += [
                compare(frames[[one]], frames[[other]], lpips)["lpips"] for one, other in pairs
            ]
        if len(found) >= count:
            break
    if not found:
        why = f"no pose is seen again {LATER:g} s later after looking elsewhere"
        return {"lpips": None, "pairs": 0, "why": why}
    return {"lpips": float(np.median(found)), "pairs": len(found), "why": None}


def find_revisits(pose: np.ndarray, metres: float, rate: float) -> list[tuple[int, int]]:
    """Return up to `EACH` pairs of frame numbers of one pose, spread over an episode.

    Args:
        pose: ``(T + 1, 3)``: x and y in units, degrees.
        metres: Length of a unit.
        rate: Steps a second.
    """
    pairs, later, first = list[tuple[int, int]](), int(np.ceil(LATER * rate)), 0
    spacing = max(1, len(pose) // (2 * EACH))
    while first + later < len(pose) and len(pairs) < EACH:
        way = np.hypot(*(pose[first:, :2] - pose[first, :2]).T) * metres
        turn = np.abs((pose[first:, 2] - pose[first, 2] + 180.0) % 360.0 - 180.0)
        left = np.maximum.accumulate((way > AWAY_METRES) | (turn > AWAY_DEGREES))
        again = left & (way <= NEAR_METRES) & (turn <= NEAR_DEGREES)
        again[:later] = False
        if again.any():
            pairs.append((first, first + int(again.argmax())))
            first += spacing
        else:
            first += 1
    return pairs
