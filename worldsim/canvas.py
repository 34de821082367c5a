"""Latents as pictures and back, by the two matrices of a linear codec."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HOME = 0.01  # of the way that a dreamed frame's mean colour goes back to where it began


class Canvas(nn.Module):
    """Draws a latent cell as ``cell`` × ``cell`` pixels (`PatchCodec.canvas`).

    Where a codec is not linear (``cell=1``) the latents themselves pass for the picture.

    Args:
        channels: c.
        size: h = w.
        cell: Pixels along each side of a latent cell.
    """

    matrix: Tensor
    inverse: Tensor
    blank: Tensor

    def __init__(self, channels: int, size: int, cell: int):
        super().__init__()
        self.cell, self.side = cell, size * cell
        self.fold = 2 if cell > 1 else 1  # pixels folded into channels before any convolution
        self.values = 3 if cell > 1 else channels
        inside = self.values * cell**2
        self.register_buffer("matrix", torch.eye(channels, inside))
        self.register_buffer("inverse", torch.eye(inside, channels))
        self.register_buffer("blank", torch.zeros(inside))

    def fit(self, matrix: Tensor, inverse: Tensor, blank: Tensor) -> None:
        """Take a codec's matrices, ``(c, v)`` and ``(v, c)``, and its mean ``(v,)``."""
        for mine, given in zip(
            (self.matrix, self.inverse, self.blank), (matrix, inverse, blank), strict=True
        ):
            mine.copy_(given)

    def draw(self, latents: Tensor) -> Tensor:
        """(n, c, h, w) -> float32 (n, v, H, W)."""
        with torch.autocast(latents.device.type, enabled=False):
            cells = latents.float().movedim(1, -1) @ self.matrix.float() + self.blank.float()
        return F.pixel_shuffle(cells.movedim(-1, 1), self.cell)

    def read(self, picture: Tensor) -> Tensor:
        """(n, v, H, W) -> float32 (n, c, h, w)."""
        cells = F.pixel_unshuffle(picture.float(), self.cell).movedim(1, -1)
        with torch.autocast(picture.device.type, enabled=False):
            return ((cells - self.blank.float()) @ self.inverse.float()).movedim(-1, 1)

    def tint(self, latents: Tensor) -> Tensor:
        """Return the mean colour of frames, (n, c, h, w) -> (n, v)."""
        return self.draw(latents).mean(dim=(-2, -1))

    def settle(self, latents: Tensor, home: Tensor | None = None) -> Tensor:
        """Bring a dreamed frame back to what frames are like, (n, c, h, w).

        Pixels that are too bright or too dark go back into [-1, 1], the mean colour `HOME` of the
        way to `home`, ``(n, v)``, that of the frame which the dream began with. A rollout shows its
        pictures to itself: nothing else would ever bring them back, and an error of .003 a step is
        white after three hundred.
        """
        if self.cell == 1:
            return latents
        picture = self.draw(latents)
        if home is not None:
            away = picture.mean(dim=(-2, -1)) - home
            picture = picture - HOME * away[:, :, None, None]
        return self.read(picture.clamp(-1, 1))
