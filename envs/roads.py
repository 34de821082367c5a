"""What is true of a road, whichever simulator it is in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

BEND_TILES = 10  # of 3.5 units each


def bend(route: np.ndarray, tile: int) -> int:
    """Return by how many degrees a road turns from a tile to ten tiles on, left positive.

    Args:
        route: Middle of the road, ``(N, 2)``; its end meets its start.
        tile: Index of the point to begin at.
    """
    at = route[(tile + np.array([0, 1, BEND_TILES, BEND_TILES + 1])) % len(route)]
    first, last = at[1] - at[0], at[3] - at[2]
    turn = math.degrees(math.atan2(last[1], last[0]) - math.atan2(first[1], first[0]))
    return round((turn + 180.0) % 360.0 - 180.0)


def evenly(points: np.ndarray, spacing: float) -> np.ndarray:
    """Return points ``(M, D)`` about `spacing` apart along a closed line of points ``(N, D)``."""
    closed = np.concatenate([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(4, round(along[-1] / spacing))
    at = np.linspace(0.0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, column) for column in closed.T], axis=1)


def course(info: dict[str, Any], route: np.ndarray, tiles: int) -> float:
    """Return the turn that points at the road some tiles on, in degrees, left positive.

    Args:
        info: With the ``pose`` of the car and its ``tile``, the nearest point of the route.
        route: Middle of the road, ``(N, 2)``; its end meets its start.
        tiles: Points of the route ahead.
    """
    x, y, heading = (float(value) for value in info["pose"])
    goal = route[(info["tile"] + tiles) % len(route)]
    bearing = math.degrees(math.atan2(goal[1] - y, goal[0] - x))
    return (bearing - heading + 180.0) % 360.0 - 180.0


def winding(info: dict[str, Any], route: np.ndarray, tiles: int) -> float:
    """Return by how many radians the road ahead turns, to and fro added up."""
    ahead = route[(info["tile"] + np.arange(tiles)) % len(route)]
    way = np.diff(ahead, axis=0)
    turns = np.diff(np.unwrap(np.arctan2(way[:, 1], way[:, 0])))
    return float(np.abs(turns).sum())
