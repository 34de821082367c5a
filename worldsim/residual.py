"""The layer that painter and mender are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

MOOD = 64  # width of what is said to every layer about the frame as a whole


class Residual(nn.Module):
    """Two convolutions between which the frame's mood scales and shifts (FiLM, 1709.07871)."""

    def __init__(self, width: int):
        """The way out starts at zero."""
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(MOOD, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, mood: Tensor) -> Tensor:
        """(n, C, y, x), (n, MOOD) -> (n, C, y, x)."""
        scale, shift = self.film(mood)[:, :, None, None].chunk(2, dim=1)
        inside = self.first(F.silu(self.norm(x))) * (1 + scale) + shift
        return x + self.second(F.silu(inside))
