"""`worldsim ask picture.png question="what is ahead"`: the model's words about a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from omegaconf import MISSING
from PIL import Image, UnidentifiedImageError

from worldsim.errors import WorldsimError


@dataclass
class AskConfig:
    """Options of `worldsim ask`.

    Attributes:
        image: A picture of any size; its middle square is shown to the model.
        question: What to ask, such as "what is ahead"; empty: describe the picture.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    image: str = MISSING
    question: str = ""
    checkpoint: str = ""
    device: str = "cpu"


def ask(cfg: AskConfig) -> None:
    """Print the model's answer to a question about a picture, or its description.

    Raises:
        WorldsimError: There is no such picture or checkpoint, or nothing can be asked of it.
    """
    from worldsim.reader import Reader

    picture = _open(cfg.image)
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    frame = _square(picture, reader.size)
    said = reader.ask([frame], [cfg.question]) if cfg.question else reader.describe([frame])
    print(said[0])


def _open(path: str) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise WorldsimError(
            f"image={path} cannot be read ({error}): name a PNG or JPEG file"
        ) from error


def _square(picture: Image.Image, size: int) -> np.ndarray:
    """Return the middle square, made as large as the model's frames, uint8 ``(S, S, 3)``."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.BOX))
