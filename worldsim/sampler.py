"""From noise to a frame: Euler steps along the flow. Knows no network, only a velocity."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def noise_levels(num_steps: int, shift: float = 1.0) -> list[float]:
    """Return ``num_steps + 1`` levels from 1 (noise) to 0 (clean); `shift` > 1 stays noisy longer.

    Source: the resolution shift of Esser et al. 2024 (Stable Diffusion 3).
    """
    even = torch.linspace(1, 0, num_steps + 1, dtype=torch.float64)
    return (shift * even / (1 + (shift - 1) * even)).tolist()


def denoise(
    noise: Tensor, velocity: Callable[[Tensor, float], Tensor], levels: list[float]
) -> Tensor:
    """Follow the flow from the first level to the last.

    Args:
        noise: Latents at the first level.
        velocity: (latents, level) -> d latents / d level.
        levels: Falling, see `noise_levels`.
    """
    latents = noise
    for level, lower in zip(levels[:-1], levels[1:], strict=True):
        latents = latents + (lower - level) * velocity(latents, level)
    return latents
