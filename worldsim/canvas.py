"""Latents as pictures and back, by the two matrices of a linear codec."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        """(n, c, h, w) -> (n, v, H, W)."""
        cells = latents.movedim(1, -1) @ self.matrix + self.blank
        return F.pixel_shuffle(cells.movedim(-1, 1), self.cell)

    def read(self, picture: Tensor) -> Tensor:
        """(n, v, H, W) -> (n, c, h, w)."""
        cells = F.pixel_unshuffle(picture, self.cell).movedim(1, -1)
        return ((cells - self.blank) @ self.inverse).movedim(-1, 1)

    def clip(self, latents: Tensor) -> Tensor:
        """Bring pixels that are too bright or too dark back into [-1, 1], (n, c, h, w).

        A rollout shows its pictures to itself, and nothing else would ever bring them back.
        """
        return latents if self.cell == 1 else self.read(self.draw(latents).clamp(-1, 1))
