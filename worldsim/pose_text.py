"""How the eye moved between two frames, as text: `ahead +0.12 left -0.03 turn +5`, or in words."""

from __future__ import annotations

import math
import re

import numpy as np

PATTERN = re.compile(r"ahead ([+-]\d+\.\d\d) left ([+-]\d+\.\d\d) turn ([+-]\d+)")
STILL = "stood still"
LEAST_METRES, LEAST_DEGREES = 0.03, 1.0  # of a step; who moves less stands still
SLANTED = 0.41  # sideways to ahead, or ahead to sideways: less is straight (22.5 degrees)


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


def tell_motion(ahead: float, left: float, turn: float) -> str:
    """Say a motion as a person would, without numbers: "moved forward, turned left".

    Eight ways to move and two to turn, or "stood still". How far it went is not said.
    """
    longer = max(abs(ahead), abs(left))
    ways = [
        way[length < 0]
        for length, way in ((ahead, ("forward", "back")), (left, ("left", "right")))
        if longer >= LEAST_METRES and abs(length) >= SLANTED * longer
    ]
    said = [f"moved {' and '.join(ways)}"] if ways else []
    if abs(turn) >= LEAST_DEGREES:
        said.append("turned left" if turn > 0 else "turned right")
    return ", ".join(said) or STILL


def every_telling() -> list[str]:
    """Return all that `tell_motion` says."""
    steps = (-1.0, 0.0, 1.0)
    return [tell_motion(a, b, 9 * c) for a in steps for b in steps for c in steps]


def read_motion(text: str) -> tuple[float, ...] | None:
    """Read what `write_motion` wrote; None where it says something else."""
    match = PATTERN.fullmatch(" ".join(text.split()))
    return tuple(float(number) for number in match.groups()) if match else None
