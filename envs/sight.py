"""What a frame shows, as facts that a dataset keeps: things in sight, coarse depth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from worldsim.data.episode import DEPTH_SIDE, Facts

SMALLEST = 1 / 700  # of the picture; smaller things are not recognisable
FARTHEST = 655.35  # metres that a depth picture can say


def things_in_sight(objects: list[dict[str, Any]], image_size: int, metres: float) -> list[Facts]:
    """Describe the things of an `info["objects"]` that are large enough to be recognised.

    Args:
        objects: With name, colour, bbox in pixels, and distance.
        image_size: Side of the picture, which shows 90 degrees.
        metres: Length of the unit of the distances.

    Returns:
        For each, the nearest first: ``name``, ``colour`` ("" for none), ``bearing`` in whole
        degrees from straight on, left positive, and ``distance`` in metres.
    """
    half, seen = image_size / 2, []
    for thing in objects:
        x0, y0, x1, y1 = thing["bbox"]
        if (x1 - x0) * (y1 - y0) < SMALLEST * image_size**2:
            continue
        seen.append(
            {
                "name": thing["name"],
                "colour": thing["colour"],
                "bearing": round(math.degrees(math.atan(1 - (x0 + x1) / 2 / half))),
                "distance": round(thing["distance"] * metres, 2),
            }
        )
    return seen


def coarse_depth(depth: np.ndarray, metres: float) -> np.ndarray:
    """Return a depth picture as datasets keep it.

    Args:
        depth: float `(S, S)` in the units of the world.
        metres: Length of such a unit.

    Returns:
        uint16 `(DEPTH_SIDE, DEPTH_SIDE)` centimetres, means over the part of the picture, from 1.
    """
    rows = np.linspace(0, len(depth), DEPTH_SIDE + 1).astype(int)[:-1]
    sizes = np.diff([*rows, len(depth)])
    sums = np.add.reduceat(np.add.reduceat(depth.astype(np.float64), rows, 0), rows, 1)
    mean = sums / np.outer(sizes, sizes)
    return np.clip(np.rint(100 * metres * mean), 1, 100 * FARTHEST).astype(np.uint16)
