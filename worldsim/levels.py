"""Levels of noise as numbers that a network can use; 0 is clean, 1 is pure noise."""

from __future__ import annotations

import torch
from torch import Tensor


def spread(levels: Tensor) -> Tensor:
    """(B, F) noise levels -> (B, F, 1, 1, 1) standard deviations of noisy frames."""
    return ((1 - levels) ** 2 + levels**2).sqrt()[:, :, None, None, None]


def waves(levels: Tensor) -> Tensor:
    """(B, F) noise levels -> (B, F, 64) sines and cosines, from slow to fast."""
    frequencies = torch.logspace(0, 2.5, 32, device=levels.device)
    angles = levels.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
