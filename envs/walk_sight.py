"""What an explorer reads from a depth picture: room ahead, and the most promising direction."""

from __future__ import annotations

import math

import numpy as np

GRID = 96.0  # side in units of the squares whose visits are counted
BODY = 24.0  # half the width an explorer wants to be free, in units

Pose = tuple[float, float, float]  # x, y in units, yaw in degrees


def square(x: float, y: float) -> tuple[int, int]:
    """Return the square of the visit count a position lies in."""
    return int(x // GRID), int(y // GRID)


def wrap(degrees: float) -> float:
    """Return the same angle between -180 and 180 degrees."""
    return (degrees + 180.0) % 360.0 - 180.0


def room_ahead(depth: np.ndarray) -> float:
    """Return how far one can look straight on at eye height, in units."""
    size = len(depth)
    middle = depth[int(size * 0.45) : int(size * 0.6), int(size * 0.4) : int(size * 0.6)]
    return float(middle.min())


def best_bearing(
    depth: np.ndarray, pose: Pose, visits: dict[tuple[int, int], int], rng: np.random.Generator
) -> tuple[float, float]:
    """Choose a direction that is far, little visited and not too far to the side.

    Args:
        depth: `(S, S)` units, of a picture that shows 90 degrees.
        pose: Where the picture was taken.
        visits: How often each `square` was visited.
        rng: Adds some whim, so that not every walk is the same.

    Returns:
        Degrees from straight on, left positive, and how far one can walk there in units.
    """
    size = len(depth)
    # obstacles at body height show a little below the horizon
    row = depth[int(size * 0.47) : int(size * 0.6)].min(axis=0)
    best = (-math.inf, 0.0, 0.0)
    for column in range(2, size - 2, 3):
        tangent = 1 - 2 * (column + 0.5) / size
        bearing = math.degrees(math.atan(tangent))
        width = max(1, int(BODY / max(row[column], BODY) * size / 2))
        near = row[max(0, column - width) : column + width + 1].min()
        far = float(near) * math.hypot(1.0, tangent)
        angle = math.radians(pose[2] + bearing)
        seen = 0
        for part in (0.4, 0.8):
            reach = part * min(far, 500.0)
            place = square(pose[0] + reach * math.cos(angle), pose[1] + reach * math.sin(angle))
            seen += visits.get(place, 0)
        score = 1.5 * far - 12 * seen - abs(bearing) + rng.uniform(0, 150)
        best = max(best, (score, bearing, far))
    return best[1], best[2]
