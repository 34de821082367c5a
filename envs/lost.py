"""Dreams that have got lost: their pictures look like none that dreams begin with."""

from __future__ import annotations

import numpy as np
import torch

from worldsim.metrics import as_images, statistics

SLACK = 0.25  # of the span of what is known, at both ends


class Known:
    """How real pictures look: sharpness, contrast, brightness, saturation and tints.

    A dream that ends up outside knows nothing more of the world, and what is learnt there is worth
    nothing. It does not know whether a place is still the same place, only whether it looks like
    one.

    Args:
        frames: Real ones, uint8 ``(N, H, W, 3)``.
    """

    def __init__(self, frames: np.ndarray) -> None:
        numbers = _numbers(frames)
        low, high = numbers.amin(dim=0), numbers.amax(dim=0)
        self._low, self._high = low - SLACK * (high - low), high + SLACK * (high - low)

    def lost(self, frames: np.ndarray) -> np.ndarray:
        """Tell of frames uint8 ``(B, H, W, 3)`` which are unlike all of them, bool ``(B,)``."""
        numbers = _numbers(frames)
        return ((numbers < self._low) | (numbers > self._high)).any(dim=1).numpy()


def _numbers(frames: np.ndarray) -> torch.Tensor:
    """Return the statistics of frames, ``(N, 6)``."""
    parts = [statistics(as_images(part)) for part in torch.from_numpy(frames).split(256)]
    return torch.cat([torch.stack(list(part.values()), dim=1) for part in parts])
