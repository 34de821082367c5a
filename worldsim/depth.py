"""`worldsim depth picture.png`: how far away the model takes things to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from PIL import Image

from worldsim.errors import WorldsimError
from worldsim.pictures import open_picture, square
from worldsim.text import DEPTHS

FAR = 24.0  # metres; what is farther is drawn as far
SCALE = 24  # pixels of the PNG for one part of the picture
SUFFIXES = (".png", ".npy")


@dataclass
class DepthConfig:
    """Options of `worldsim depth`.

    Attributes:
        image: A picture of any size; its middle square is shown to the model.
        out: File to write, an existing one is replaced: PNG for a drawing, the nearer the brighter,
            npy for metres as float32, one number for each part of the picture.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    image: str = MISSING
    out: str = "depth.png"
    checkpoint: str = ""
    device: str = "cpu"


def depth(cfg: DepthConfig) -> None:
    """Write how far away things in a picture are, and print the range in metres.

    Raises:
        WorldsimError: There is no such picture or checkpoint, the checkpoint never learnt to
            answer, or the file cannot be written.
    """
    out = Path(cfg.out)
    if out.suffix.lower() not in SUFFIXES:
        raise WorldsimError(f"out={cfg.out}: name a file that ends with .png or .npy")
    picture = open_picture(cfg.image)
    from worldsim.reader import Reader

    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    metres = reader.depth([square(picture, reader.size)])[0]
    try:
        if out.suffix.lower() == ".npy":
            np.save(out, metres)
        else:
            _drawing(metres).save(out, format="PNG")
    except OSError as error:
        raise WorldsimError(f"out={cfg.out} cannot be written ({error}): name another") from error
    rows, columns = metres.shape
    print(
        f"{cfg.out}: nearest {metres.min():.1f} m, median {np.median(metres):.1f} m, "
        f"farthest {metres.max():.1f} m, in {rows}×{columns} parts of the picture"
    )


def _drawing(metres: np.ndarray) -> Image.Image:
    """Draw distances in grey, equal ratios as equal steps: white is nearest, black is `FAR`."""
    nearest, farthest = np.log(DEPTHS[0]), np.log(FAR)
    grey = 255 * (farthest - np.log(metres)) / (farthest - nearest)
    parts = np.rint(grey).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.kron(parts, np.ones((SCALE, SCALE), np.uint8)))
