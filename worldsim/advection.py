"""Pictures pushed about: every spot shows what it is told to, and what lies beyond the edges.

Source: advection of pixels, Finn et al. 2016 (1605.07157).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FINER = 2  # times, each way, as many spots of what is moved over and over as a picture has
MARKS = 3  # beside colours: whether a spot was ever in sight, was ever really so, how worn it is
WORN = 6.0  # of what nothing is known at all; else it is known as means over 2^worn pixels
ROUND = 4  # pixels to each side, of what is around a spot
BELIEVED = 8  # pixels beyond an edge, where what a mirror shows is known half as finely as in sight
WEAR = 0.025  # of a doubling, that a step wears a spot that moves, by a quarter of a pixel or more
FAR = 4.0  # of what a mirror shows, at most: elsewhere things are laid out much as here


def advect(picture: Tensor, flow: Tensor, margin: int = 0) -> Tensor:
    """Let every spot of a picture ``(n, v, H, W)`` show what `flow` points at.

    Args:
        picture: What is to be moved, and so many more pixels on each side as `margin` says.
        flow: ``(n, 2, y, x)`` pixels right and down.
        margin: Of what can only be moved into sight.

    Returns:
        The picture moved, without margins; what points past the outermost edge shows that.
    """
    # In float32 whatever the network's type: sixteen bits cannot tell neighbouring pixels.
    height, width = picture.shape[-2:]
    size = height - 2 * margin, width - 2 * margin
    shift = F.interpolate(flow.float(), size, mode="bilinear", align_corners=False)
    down, right = (torch.arange(n, device=flow.device) + margin + 0.5 for n in size)
    columns, rows = right + shift[:, 0], down[:, None] + shift[:, 1]
    where = torch.stack([columns * 2 / width - 1, rows * 2 / height - 1], dim=-1)
    # A picture is moved a hundred times over. Bilinear it would melt; torch's bicubic sharpens
    # waves of six pixels each time, until there is nothing else. The two mixed do neither: their
    # second moments cancel at half a pixel, as those of Keys' cubic (1981) do everywhere.
    # Of what is not a number the cubic makes none, as it should; the bilinear one would crash.
    cubic, linear = (
        F.grid_sample(picture.float(), to, mode, "border", align_corners=False)
        for mode, to in (("bicubic", where), ("bilinear", where.nan_to_num()))
    )
    moved = (2 * cubic + linear) / 3
    return moved.to(picture.dtype)


def finer(picture: Tensor) -> Tensor:
    """Return a picture `FINER` times as fine, which `coarser` makes the same again.

    What is moved over and over is worn down, the shortest waves first: of spots twice as fine the
    shortest ones of a picture are not the shortest.
    """
    fine = F.interpolate(picture.float(), scale_factor=FINER, mode="bicubic", align_corners=False)
    rest = picture - coarser(fine)
    return fine + rest.repeat_interleave(FINER, dim=-2).repeat_interleave(FINER, dim=-1)


def coarser(fine: Tensor) -> Tensor:
    """Return the picture that one `FINER` times as fine looks like."""
    return F.avg_pool2d(fine, FINER)


def mirrored(picture: Tensor, up: int, left: int) -> Tensor:
    """Continue pictures ``(n, v, H, W)`` past their edges as in mirrors.

    Returns:
        ``(n, v + MARKS, H + 2 * up, W + 2 * left)``, what is marked being the picture itself. How
        far beyond its edge a spot is, so coarse is all that the mirror knows of it.
    """
    sizes = zip(picture.shape[-2:], (up, left), strict=True)
    (rows, down), (columns, right) = (_mirror(n, m, picture.device) for n, m in sizes)
    wide = picture[..., rows, :][..., columns]
    seen = F.pad(torch.ones_like(picture[:, :1]), (left, left, up, up))
    worn = (1 + torch.maximum(down[:, None], right) / BELIEVED).log2().clamp(max=FAR)
    return torch.cat([wide, seen, seen, worn.to(seen).expand_as(seen)], dim=1)


def smooth(picture: Tensor, reach: int) -> Tensor:
    """Return the mean around every pixel, `reach` to each side, (n, v, H, W)."""
    picture = picture.contiguous()  # compiled, padding expects its gradient laid out so
    padded, side = F.pad(picture, (reach,) * 4, mode="replicate"), 2 * reach + 1
    # First along columns, then along rows: the same mean for a fraction of the sums.
    return F.avg_pool2d(F.avg_pool2d(padded, (side, 1), stride=1), (1, side), stride=1)


def roughness(picture: Tensor) -> Tensor:
    """Return the contrast around every spot, (n, v, H, W) -> (n, 1, H, W)."""
    rough = smooth((picture - smooth(picture, ROUND)).square(), ROUND).mean(dim=1, keepdim=True)
    return (rough + 1e-12).sqrt()  # nothing has a slope, too


def growth(flow: Tensor, fold: int) -> Tensor:
    """Return how often a flow ``(n, 2, y, x)`` doubles things' size, ``(n, 1, H, W)``.

    Along the way in which it stretches them most.
    """
    flow = smooth(flow.float(), max(1, flow.shape[-1] // 8))
    down, right = torch.gradient(flow / fold, dim=(-2, -1))  # by spot
    (a, c), (b, d) = (x.split(1, dim=1) for x in (right, down))
    a, d = 1 + a, 1 + d
    total, area = a**2 + b**2 + c**2 + d**2, a * d - b * c
    least = (total - (total**2 - 4 * area**2).clamp(min=0).sqrt()) / 2  # singular value, squared
    doubled = -0.5 * least.clamp(1 / 16, 16).log2()
    return F.interpolate(doubled, scale_factor=fold, mode="bilinear", align_corners=False)


def wear(flow: Tensor, fold: int) -> Tensor:
    """Return how far a flow ``(n, 2, y, x)`` wears what it moves, ``(n, 1, H, W)``."""
    far = (4 * flow.float().norm(dim=1, keepdim=True)).clamp(max=1)
    return WEAR * F.interpolate(far, scale_factor=fold, mode="bilinear", align_corners=False)


def _mirror(size: int, margin: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return what is shown at each place, and how far beyond an edge that is."""
    line = torch.arange(-margin, size + margin, device=device)
    place = line.remainder(2 * size)
    return torch.minimum(place, 2 * size - 1 - place), (line - line.clamp(0, size - 1)).abs()
