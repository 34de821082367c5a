"""The picture of the frame before, pushed about: most of what comes next has been seen already.

A learnt flow says for every spot of the next frame where it was in the last one, as the motion
compensation of video codecs does. Nothing here knows of cameras, of depth or of actions: the
flow is the network's to find, from pixels alone. Source: learnt advection of pixels, Finn et al.
2016 (1605.07157).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEGREE = 3  # of the polynomials in `Motion.sweep`
SPOT = 4  # pixels that move together, where a latent cell is drawn in pixels


class Motion(nn.Module):
    """Moves latents by way of pixels.

    A latent cell is drawn as ``cell`` × ``cell`` pixels by one matrix and read back by another
    (`PatchCodec.canvas`). Where a codec is not linear, cells themselves are moved (``cell=1``).

    Args:
        channels: c.
        size: h = w.
        cell: Pixels along each side of a latent cell; 1 moves the latents as they are.
    """

    draw: Tensor
    read: Tensor
    blank: Tensor
    fields: Tensor

    def __init__(self, channels: int, size: int, cell: int):
        super().__init__()
        self.cell = cell
        self.spots = max(1, cell // SPOT)
        values = 3 * cell**2 if cell > 1 else channels
        self.register_buffer("draw", torch.eye(channels, values))
        self.register_buffer("read", torch.eye(values, channels))
        self.register_buffer("blank", torch.zeros(values))
        self.side = size * cell
        middle = (torch.arange(size * self.spots) + 0.5) * 2 / (size * self.spots) - 1
        powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
        fields = torch.stack([middle[:, None] ** i * middle**j for i, j in powers])
        self.register_buffer("fields", fields, persistent=False)

    def sweep(self, weights: Tensor) -> Tensor:
        """Return a smooth flow, ``(B, F, 2 t)`` -> ``(B, F, 2, k h, k w)``: polynomials of place.

        A motion of the whole picture has few numbers, so all places vote on them: where texture
        repeats, a single spot cannot tell a large motion from none.
        """
        return torch.einsum("bfat,tyx->bfayx", weights.unflatten(-1, (2, -1)), self.fields)

    def fit(self, draw: Tensor, read: Tensor, blank: Tensor) -> None:
        """Take a codec's matrices, ``(c, v)`` and ``(v, c)``, and its mean ``(v,)``."""
        for mine, given in zip(
            (self.draw, self.read, self.blank), (draw, read, blank), strict=True
        ):
            mine.copy_(given)

    def forward(self, latents: Tensor, flow: Tensor) -> Tensor:
        """Return latents whose every spot shows what `flow` points at.

        Args:
            latents: ``(B, F, c, h, w)``.
            flow: ``(B, F, 2, k h, k w)``, right and down, in cells; k spots along a cell's side.
        """
        b, f = latents.shape[:2]
        # In float32 whatever the network's type: sixteen bits cannot tell neighbouring pixels.
        draw, read, blank = self.draw.float(), self.read.float(), self.blank.float()
        cells = latents.float().flatten(0, 1).movedim(1, -1)
        picture = F.pixel_shuffle((cells @ draw + blank).movedim(-1, 1), self.cell)
        shift = F.interpolate(flow.float().flatten(0, 1) * self.cell, size=picture.shape[-2:],
                              mode="bilinear", align_corners=False)  # fmt: skip
        middle = torch.arange(self.side, device=latents.device) + 0.5
        columns, rows = shift[:, 0] + middle, shift[:, 1] + middle[:, None]
        where = torch.stack([columns, rows], dim=-1) * (2 / self.side) - 1
        # Bicubic: a picture moved a hundred times over must not melt.
        moved = F.grid_sample(picture, where, "bicubic", "border", align_corners=False)
        values = F.pixel_unshuffle(moved, self.cell).movedim(1, -1)
        return ((values - blank) @ read).movedim(-1, 1).unflatten(0, (b, f))
