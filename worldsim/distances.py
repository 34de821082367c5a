"""How far pictures are from each other."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute error of pictures ``(n, v, H, W)`` at four sizes, as far as they go, (n,)."""
    total = (one - other).abs().mean(dim=(1, 2, 3))
    for _ in range(min(3, int(math.log2(one.shape[-1])))):
        one, other = F.avg_pool2d(one, 2), F.avg_pool2d(other, 2)
        total = total + (one - other).abs().mean(dim=(1, 2, 3))
    return total
