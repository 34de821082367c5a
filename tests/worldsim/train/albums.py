"""Albums of two tiny episodes."""

import numpy as np
import torch
import torch.nn.functional as F

from worldsim.train.album import Album
from worldsim.train.latents import Track

PIXELS = 3, 32, 32


def album_of(checkpoint, seed=0, colours=(-0.6, 0.6), **known):
    """Two episodes, each of one colour."""
    canvas, frames = checkpoint.network.canvas, 12
    rough = torch.rand(2 * frames, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 0.3
    pictures = F.interpolate(rough, (32, 32), mode="bicubic")
    pictures += torch.tensor(colours).repeat_interleave(frames)[:, None, None, None]
    latents = canvas.read(pictures).numpy().astype(np.float16)
    tracks = [
        Track(start=k * frames, actions=[[7]] * (frames - 1), sentences=[[]] * (frames - 1),
              stretch=[0] * (frames - 1), answers=[0] * frames, world=f"world {k}",
              prompt=[5, 6], **known)
        for k in range(2)
    ]  # fmt: skip
    return Album(latents, tracks, checkpoint.tokenizer, {}, PIXELS, seed=1)
