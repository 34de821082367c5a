"""Arguments that real worlds check alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.errors import WorldsimError


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        named = ", ".join(str(choice) for choice in choices)
        raise WorldsimError(f"{name} '{value}' is unknown: use one of {named}")


def whole(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number of a range, both ends included, or refuse it."""
    whole_number = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole_number or not low <= value <= high:
        raise WorldsimError(f"{name} {value!r} is out of range: use {low} to {high}")
    return int(value)
