"""What callers of an environment give: numbers and arrays of any library, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from worldsim.errors import WorldsimError


def whole_number(value: Any, name: str = "action") -> int:
    """Return a number as an int; anything but one whole number is a WorldsimError."""
    array = as_array(value)
    if array.shape != () or not np.issubdtype(array.dtype, np.integer):
        raise WorldsimError(f"{name} {value!r} is not a whole number: give one, such as 0")
    return int(array)


def pictures(frames: Any) -> np.ndarray:
    """Return frames as a contiguous uint8 array; the simulator checks the shape."""
    array = as_array(frames)
    if array.dtype != np.uint8 or array.ndim != 4:
        raise WorldsimError(
            f"frames of shape {array.shape} ({array.dtype}) are no pictures: "
            "give uint8 (count, height, width, 3)"
        )
    return np.ascontiguousarray(array)


def sequence(actions: Any) -> list[Any]:
    """Return a list of one value a step; anything else is a WorldsimError."""
    array = as_array(actions)
    if array.ndim != 1:
        raise WorldsimError(f"actions {actions!r} are no list of numbers: give one a step")
    return list(array)


def as_array(value: Any) -> np.ndarray:
    """Return an array of whatever a caller gave; a ragged list is a WorldsimError."""
    try:
        return np.asarray(value.cpu() if isinstance(value, torch.Tensor) else value)
    except (ValueError, TypeError) as error:  # ragged lists
        raise WorldsimError(f"not an array: {error}") from error
