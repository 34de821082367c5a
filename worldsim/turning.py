"""How a whole picture slides, turns and grows, found by all its pixels together.

Along a straight edge nothing shows how far it slid, and an even lawn shows nothing at all: who asks
place by place finds a turn to be half of one, or a bend. All edges together leave no doubt. One
motion of first degree, with six numbers, is fitted to what changed, first to a few coarse pixels
and then to finer ones; pixels that it does not explain, such as what moves by itself, lose their
say. Nothing here knows of cameras, of depth or of actions. Sources: Lucas & Kanade 1981; from
coarse to fine, Bergen et al. 1992; fits that forget what does not fit, Black & Anandan 1996.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.painter import polynomials, swept

DEGREE = 1  # of polynomials of place; of second degree a third of all fits run away
SIZES = ((16, 5), (32, 4))  # pixels along each side, and how often the fit is mended there
UNLIKE = 0.1  # difference of colours in [-1, 1] at which a pixel has half a say
FARTHEST = 0.1  # widths of a picture by which one mending changes a number
FIRM = 1e-4  # of the mean certainty, as if each number were known so well to be right


def turned(now: Tensor, before: Tensor, flow: Tensor) -> Tensor:
    """Say how a whole picture came from the one before it.

    Args:
        now: ``(n, v, H, W)`` in [-1, 1].
        before: The same.
        flow: ``(n, 2, s, s)``, to begin with: where each place was, right and down, in widths.

    Returns:
        ``(n, 2, H, W)``, the same for every pixel, a polynomial of `DEGREE`.
    """
    said = fitted(flow)
    for side, times in SIZES:
        fields = polynomials(side, DEGREE).to(now)
        a, b = (F.adaptive_avg_pool2d(x, side) for x in (now, before))
        for _ in range(times):
            said = said + _mending(a, b, said, fields)
    return swept(said.flatten(1), polynomials(now.shape[-1], DEGREE).to(now))


def fitted(flow: Tensor) -> Tensor:
    """Return the polynomial of `DEGREE` nearest to a flow ``(n, 2, y, x)``, ``(n, 2, terms)``."""
    fields = polynomials(flow.shape[-1], DEGREE).flatten(1).to(flow)
    # In a square the terms of first degree have nothing in common, so each is found by itself.
    return flow.flatten(2) @ (fields / fields.square().sum(dim=1, keepdim=True)).T


def _mending(now: Tensor, before: Tensor, said: Tensor, fields: Tensor) -> Tensor:
    """Return what to add to a polynomial: one step of Gauss and Newton."""
    count, terms, side = len(now), len(fields), now.shape[-1]
    middle = (torch.arange(side, device=now.device) + 0.5) * 2 / side - 1
    place = torch.stack(torch.meshgrid(middle, middle, indexing="xy"))
    where = place + 2 * swept(said.flatten(1), fields)
    moved = F.grid_sample(before, where.movedim(1, -1), "bilinear", "border", align_corners=False)
    wrong = now - moved
    sight = (where.abs() <= 1).all(dim=1)
    say = sight / (1 + wrong.square().mean(dim=1) / UNLIKE**2)
    slopes = torch.zeros(count, now.shape[1], 2, side, side, device=now.device)  # a width
    slopes[:, :, 0, :, 1:-1] = (moved[..., 2:] - moved[..., :-2]) * side / 2
    slopes[:, :, 1, 1:-1] = (moved[..., 2:, :] - moved[..., :-2, :]) * side / 2
    # What each number does to every pixel, (n, v, 2 terms, pixels).
    each = torch.einsum("nvayx,tyx->nvatyx", slopes, fields).flatten(4).flatten(2, 3)
    heard = each * say.flatten(1)[:, None, None]
    certain = torch.einsum("nvip,nvjp->nij", heard, each)
    towards = torch.einsum("nvip,nvp->ni", heard, wrong.flatten(2))
    firm = FIRM * certain.diagonal(dim1=1, dim2=2).mean(dim=1) + 1e-6
    certain = certain + firm[:, None, None] * torch.eye(2 * terms, device=now.device)
    step = torch.linalg.solve(certain, towards).unflatten(1, (2, terms))
    return step.clamp(-FARTHEST, FARTHEST)
