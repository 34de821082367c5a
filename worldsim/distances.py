"""How far pictures, or what is perceived of them, are from each other."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

STILL = 0.005  # mean change of pictures in [-1, 1] that is none
CREEP = 0.1  # pixels a step that are no motion


def off(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error of pictures ``(n, v, H, W)``, weighed by ``(n, 1, H, W)``, (n,)."""
    return ((one - other).abs() * weight).mean(dim=(1, 2, 3))


def apart(one: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Return what `off` does at four sizes, as far as they go, together, (n,)."""
    total = off(one, other, weight)
    for _ in range(min(3, int(math.log2(one.shape[-1])))):
        one, other, weight = (F.avg_pool2d(x, 2) for x in (one, other, weight))
        total = total + off(one, other, weight)
    return total


def emphasis(now: Tensor, before: Tensor, more: float) -> Tensor:
    """Return weights ``(n, 1, H, W)`` that are `more` where pictures change than 1 elsewhere.

    What is added is `more` on average, however little it is that changes; unless it is next to
    nothing, as where the picture before is not known and given as the same. It goes by the square
    of the change: a ball of fire before a wall counts, not every edge of a wall that slides by.
    """
    change = (now - before).square().mean(dim=1, keepdim=True)
    return 1 + more * change / change.mean(dim=(2, 3), keepdim=True).clamp(min=STILL**2)


def astray(flow: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Compare flow with how things really moved, see `hindsight`.

    Args:
        flow: ``(B, F, 2, y, x)`` in pixels right and down.
        motion: ``(B, F, 3, y, x)``, the true flow and how far it is to be trusted.

    Returns:
        ``(B, F)`` by how many pixels it is off, and ``(B, F)`` how much the whole row falls short
        of the true way or goes beyond it, as a share of it, squared. Who is not sure how far is off
        least if it goes too little; a dream that does so at each step soon stands still.
    """
    true, trust = motion.split([2, 1], dim=2)
    off = ((flow - true).abs().sum(dim=2, keepdim=True) * trust).mean(dim=(2, 3, 4))
    far = (true.square() * trust).sum(dim=2).mean(dim=(2, 3)).sqrt()  # (B, F)
    along = (flow * true * trust).sum(dim=2).mean(dim=(2, 3)) / far.clamp(min=CREEP)
    moving = far > CREEP
    whole = (far * moving).sum(dim=1, keepdim=True)
    share = (along * moving).sum(dim=1, keepdim=True) / whole.clamp(min=CREEP)
    short = torch.where(whole > 0, (1 - share).square(), 0.0)
    return off, short.expand_as(off)


def style(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """Return how differently features ``(n, C, y, x)`` are spread along each row, (n,).

    A dream that lost its place should still look like its world: the same walls, light and
    sharpness, floor below and ceiling above, no matter where along the horizon. Means and
    spreads of features as style: Huang & Belongie 2017 (1703.06868).
    """
    total = one[0].new_zeros(len(one[0]))
    for a, b in zip(one, other, strict=True):
        for moment in (_mean, _spread):
            total = total + (moment(a) - moment(b)).square().sum(dim=1).mean(dim=1)
    return total


def tone(one: Tensor, other: Tensor) -> Tensor:
    """Return how differently the rows of pictures ``(n, C, H, W)`` are coloured, (n,)."""
    pairs = [(moment(one), moment(other)) for moment in (_mean, _spread)]
    return torch.stack([(a - b).abs().mean(dim=(1, 2)) for a, b in pairs]).sum(dim=0)


def _mean(features: Tensor) -> Tensor:
    return features.mean(dim=-1)


def _spread(features: Tensor) -> Tensor:
    """The root keeps a finite slope where a row is all the same."""
    away = features - features.mean(dim=-1, keepdim=True)  # `var` was a twelfth of an update
    return (away.square().mean(dim=-1) + 1e-6).sqrt()
