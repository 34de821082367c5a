"""How the eye moved between two frames, as text: `ahead +0.12 left -0.03 turn +5`."""

from __future__ import annotations

import math
import re

import numpy as np

PATTERN = re.compile(r"ahead ([+-]\d+\.\d\d) left ([+-]\d+\.\d\d) turn ([+-]\d+)")


def motion(before: np.ndarray, after: np.ndarray, metres: float = 1.0) -> tuple[float, ...]:
    """Return the motion from one pose to the next as seen by who moves.

    Args:
        before: x, y in units of the world, yaw in degrees, counter-clockwise.
        after: The same a step later.
        metres: Length of a unit.

    Returns:
        Metres ahead, metres to the left, degrees turned to the left, -180 to 180.
    """
    dx, dy = (after[:2] - before[:2]) * metres
    yaw = math.radians(before[2])
    ahead = dx * math.cos(yaw) + dy * math.sin(yaw)
    left = dy * math.cos(yaw) - dx * math.sin(yaw)
    return float(ahead), float(left), float((after[2] - before[2] + 180.0) % 360.0 - 180.0)


def write_motion(ahead: float, left: float, turn: float) -> str:
    """Say a motion: metres with two decimals, whole degrees."""
    # Adding zero turns what is rounded to minus nothing into plus nothing.
    return f"ahead {round(ahead, 2) + 0:+.2f} left {round(left, 2) + 0:+.2f} turn {round(turn):+d}"


def read_motion(text: str) -> tuple[float, ...] | None:
    """Read what `write_motion` wrote; None where it says something else."""
    match = PATTERN.fullmatch(" ".join(text.split()))
    return tuple(float(number) for number in match.groups()) if match else None
