"""Looks at pictures before they become tokens: a few convolutions over two frames at once.

A linear embedding of patches cannot tell what moved by how much, nor read a small thing in any
corner of its patch; convolutions can, for a tenth of the cost of drawing. Source: Xiao et al. 2021
(2106.14881), early convolutions for vision transformers.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.canvas import Canvas


class Stem(nn.Module):
    """A frame and the one before it to tokens.

    Args:
        canvas: Draws latents as pictures.
        grid: Tokens along each side of a frame.
        first: Channels at the finest size; twice as many from the next one on.
        width: D, of a token.
    """

    def __init__(self, canvas: Canvas, grid: int, first: int, width: int):
        super().__init__()
        self.fold = canvas.fold
        halvings = round(math.log2(canvas.side // self.fold // grid))
        widths = [first] + [2 * first] * halvings
        values = 2 * canvas.values * self.fold**2
        self.look = nn.Conv2d(values, first, 5, padding=2)
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for width in widths)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.out = nn.Conv2d(widths[-1], width, 1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, 2, v, H, W) -> (n, N, D), row by row."""
        now, before = pictures.unbind(dim=1)
        both = torch.cat([now, now - before], dim=1)  # what changed matters more than what is there
        x = self.look(F.pixel_unshuffle(both, self.fold))
        for norm, down in zip(self.norms, self.down, strict=False):
            x = down(F.silu(norm(x)))
        return self.out(F.silu(self.norms[-1](x))).flatten(2).mT
