"""Convolutions beside a way that leaves things as they are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Two convolutions between which a mood scales and shifts (FiLM, 1709.07871).

    Args:
        width: Channels, a multiple of 8.
        mood: Width of what is said about the whole picture; 0: nothing is.
    """

    def __init__(self, width: int, mood: int = 0):
        """The way out starts at zero."""
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(mood, 2 * width) if mood else None
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, mood: Tensor | None = None) -> Tensor:
        """(n, C, y, x), (n, mood) -> (n, C, y, x)."""
        inside = self.first(F.silu(self.norm(x)))
        if self.film is not None:
            scale, shift = self.film(mood)[:, :, None, None].chunk(2, dim=1)
            inside = inside * (1 + scale) + shift
        return x + self.second(F.silu(inside))
