"""Where the things in a picture were in the one before, found by comparing.

Nothing is said here about what moves them, and nothing is learnt but what to compare.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEAR = 2.0  # cells; how far away things are looked for first
GRID = 32  # spots along each side of pictures whose patches are compared
REACH = 4  # of these spots to every side, as far as a patch is looked for
PATCH = 5  # spots along each side, within which brightness and contrast are made the same


class Matching(nn.Module):
    """Attention from each cell of a picture to all of the one before, whose values are places.

    What moved by how much is a product of two pictures: convolutions over both learn it slowly,
    for each look and each distance anew. Source: optical flow as global matching, Xu et al. 2022
    (GMFlow, 2111.13680).

    Args:
        values: Channels of a picture.
        side: Of a picture, in spots; a cell is two by two of them.
        width: Channels that are compared.
        out: Channels of what is told of the comparison.
    """

    places: Tensor
    asks: Tensor
    offers: Tensor

    def __init__(self, values: int, side: int, width: int, out: int):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(values, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 4, stride=2, padding=1),
        )
        self.sharpness = nn.Parameter(torch.tensor(3.0))
        self.tell = nn.Conv2d(width + 2, out, 1)
        for parameter in self.tell.parameters():
            nn.init.zeros_(parameter)
        middle = torch.arange(side // 2) - (side // 2 - 1) / 2
        places = torch.cartesian_prod(middle, middle).flip(-1)  # (cells, 2), right and down
        # The product of these two is minus half the squared distance, but for what all share.
        away = -places.square().sum(dim=1, keepdim=True) / 2
        asks = torch.cat([places, torch.ones_like(away)], dim=1)
        offers = torch.cat([places, away], dim=1)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("asks", asks / NEAR, persistent=False)
        self.register_buffer("offers", offers / NEAR, persistent=False)

    def forward(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Compare pictures ``(n, values, side, side)``.

        Returns:
            The flow ``(n, 2, side, side)``, in spots right and down from where something is to
            where it was, and what else the comparison says, ``(n, out, side, side)``.
        """
        size, count = now.shape[-2:], len(now)
        seen = self.look(torch.cat([now, before]))
        seen = F.normalize(seen - seen.mean(dim=(2, 3), keepdim=True), dim=1, eps=0.01)
        shape = seen.shape[-2:]
        # In float32 whatever the network's type: half a spot is a long way.
        with torch.autocast(now.device.type, enabled=False):
            mine, its = seen.float().flatten(2).mT.chunk(2)  # (n, cells, width)
            places, asks, offers = (
                x.float().expand(count, -1, -1) for x in (self.places, self.asks, self.offers)
            )
            keys, values = torch.cat([its, offers], dim=-1), torch.cat([its, places], dim=-1)
            queries = torch.cat([mine * self.sharpness.float().exp(), asks], dim=-1)
            keys, queries = keys[:, None], queries[:, None]
            # One column more makes values as wide as keys, which the fast kernels want.
            found = F.scaled_dot_product_attention(
                queries, keys, F.pad(values, (0, 1))[:, None], scale=1.0
            )[:, 0, :, :-1]
            flow = (found[..., -2:] - places).mT.unflatten(2, shape)
            other = (found[..., :-2] - mine).mT.unflatten(2, shape)
        told = self.tell(torch.cat([other, flow], dim=1).to(seen.dtype))
        fine = (F.interpolate(x, size, mode="bilinear") for x in (2 * flow, told))
        return next(fine), next(fine)


@torch.no_grad()
def alike(now: Tensor, before: Tensor) -> Tensor:
    """Compare every patch of pictures with those around the same place in others.

    Nothing is learnt here: brightness and contrast are made the same, patches multiplied.

    Args:
        now: ``(n, values, H, W)``.
        before: The same of a step earlier.

    Returns:
        float32 ``(n, (2 REACH + 1)^2, GRID / 2, GRID / 2)``: 1 where a patch is the same as the one
        so far up or down, left or right of its place, 0 where they have nothing in common.
    """
    mine, its = (_evened(x.float()) for x in (now, before))
    others = F.unfold(F.pad(its, (REACH,) * 4), 2 * REACH + 1).unflatten(-1, (GRID, GRID))
    return F.avg_pool2d(mine * others, 4, stride=2, padding=1)


def _evened(picture: Tensor) -> Tensor:
    """(n, values, H, W) -> (n, 1, GRID, GRID) of mean 0 and contrast 1 around every spot."""
    gray = F.adaptive_avg_pool2d(picture.mean(dim=1, keepdim=True), GRID)

    def around(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, PATCH, stride=1, padding=PATCH // 2, count_include_pad=False)

    gray = gray - around(gray)
    return gray / (around(gray.square()) + 1e-3).sqrt()
