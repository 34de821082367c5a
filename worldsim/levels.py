"""Levels of noise as numbers that a network can use; 0 is clean, 1 is pure noise.

And what is as good as noise: how far frames are from those before.
"""

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


def surprise(latents: Tensor) -> Tensor:
    """Return how far each channel is from its value in the frame before, at best linearly.

    Args:
        latents: ``(B, T, c, h, w)``, frames one after the other.

    Returns:
        Variances ``(c,)``.
    """
    before, after = latents[:, :-1], latents[:, 1:]
    variance = latents.square().mean(dim=(0, 1, 3, 4))
    carry = (before * after).mean(dim=(0, 1, 3, 4)) / variance.clamp(min=1e-9)
    return (variance * (1 - carry.square())).clamp(min=1e-3)
