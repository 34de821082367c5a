"""Picture files of a user's own as frames that a model can look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from worldsim.errors import WorldsimError


def open_picture(path: str, key: str = "image") -> Image.Image:
    """Read a picture file; `key` is what the command line calls it.

    Raises:
        WorldsimError: There is none, or it is none.
    """
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise WorldsimError(
            f"{key}={path} cannot be read ({error}): name a PNG or JPEG file"
        ) from error


def open_sequence(paths: Sequence[str], least: int) -> list[Image.Image]:
    """Read frames that follow one another.

    Raises:
        WorldsimError: There are fewer than `least`, one cannot be read, or sizes differ: such
            pictures are not of one camera.
    """
    if len(paths) < least:
        needed = "one picture" if least == 1 else f"{least} pictures"
        raise WorldsimError(f"images={list(paths)}: name {needed} or more, in order")
    pictures = [open_picture(path, "images") for path in paths]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.size != pictures[0].size:
            (width, height), (first, second) = picture.size, pictures[0].size
            raise WorldsimError(
                f"images: {path} has {width}×{height} pixels, {paths[0]} has {first}×{second}: "
                "give frames of one size"
            )
    return pictures


def square(picture: Image.Image, size: int) -> np.ndarray:
    """Return the middle square, made as large as the model's frames, uint8 ``(S, S, 3)``."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    middle = picture.crop((left, top, left + side, top + side))
    return np.asarray(middle.resize((size, size), Image.Resampling.BOX))
