"""`worldsim imagine "you see a red box ahead"`: pictures of what only a sentence describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from PIL import Image

from worldsim.errors import WorldsimError

SCALE = 3  # pixels of the sheet for one of the model's


@dataclass
class ImagineConfig:
    """Options of `worldsim imagine`.

    Attributes:
        prompt: What is to be seen, such as "you see a red box ahead". Unknown words are no error:
            they are spelled out, and what is drawn may have nothing to do with them.
        out: PNG file to write; an existing one is replaced.
        num_pictures: How many different ones, side by side.
        seed: Of the first; the others follow.
        num_steps: Denoising passes; 0 takes the checkpoint's own number.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    prompt: str = MISSING
    out: str = "imagined.png"
    num_pictures: int = 4
    seed: int = 0
    num_steps: int = 0
    checkpoint: str = ""
    device: str = "cpu"


def imagine(cfg: ImagineConfig) -> None:
    """Draw what a sentence describes, some pictures side by side in a PNG.

    Raises:
        WorldsimError: The prompt is empty or too long, a number makes no sense, there is no such
            checkpoint, or the file cannot be written.
    """
    from worldsim.simulator import Simulator

    if cfg.num_pictures < 1 or cfg.num_steps < 0:
        raise WorldsimError("num_pictures= must be 1 or more and num_steps= 0 or more")
    simulator = Simulator.from_pretrained(
        cfg.checkpoint or None, cfg.num_pictures, cfg.num_steps or None, cfg.device
    )
    seeds = range(cfg.seed, cfg.seed + cfg.num_pictures)
    frames = simulator.imagine([cfg.prompt] * cfg.num_pictures, list(seeds)).numpy()
    try:
        _sheet(frames).save(Path(cfg.out), format="PNG")
    except OSError as error:
        raise WorldsimError(f"out={cfg.out} cannot be written ({error}): name another") from error
    print(f"{cfg.out}: {cfg.num_pictures} pictures of '{cfg.prompt}'")


def _sheet(frames: np.ndarray) -> Image.Image:
    """Lay uint8 frames ``(N, H, W, 3)`` side by side, enlarged."""
    row = np.concatenate(list(frames), axis=1)
    height, width = row.shape[:2]
    large = (width * SCALE, height * SCALE)
    return Image.fromarray(row).resize(large, Image.Resampling.NEAREST)
