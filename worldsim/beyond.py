"""What may lie beyond the edges of a picture: for every spot, where in the picture it looks alike.

Untrained it is a mirror. Nothing is drawn, all is copied from what is seen, so a wall goes on with
its own bricks, and what one does not see yet is never a thing that was not there. Source of the
method: view synthesis by appearance flow (Zhou et al. 2016, 1605.03557).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.residual import Residual

HEAD = 32  # width of a head of attention
FOLD = 2  # pixels along each side that are one spot
REACH = 48.0  # pixels from what a mirror shows, at most, to where something is copied from
FAR = 0.625  # sides of a picture, how far beyond its edges it looks
SIDES = ("right", "left", "up", "down")
HEIGHT = {"right": 0.0, "left": 0.0, "up": 1.0, "down": -1.0}


class Looking(nn.Module):
    """Attention of all places of a picture to each other.

    Args:
        width: Channels, a multiple of `HEAD`.
    """

    def __init__(self, width: int):
        """The way out starts at zero."""
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.answer = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.answer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, y, x) -> (n, C, y, x)."""
        asked = self.ask(self.norm(x)).unflatten(1, (3, -1, HEAD)).flatten(4).mT  # (n, 3, h, yx, e)
        found = F.scaled_dot_product_attention(*asked.unbind(dim=1))
        return x + self.answer(found.mT.reshape(x.shape))


class Edge(NamedTuple):
    """Pictures that are known up to an edge on their right.

    Attributes:
        picture: ``(n, v, H, W)``, beyond the edge as in a mirror.
        beyond: ``(n, 1, 1, W)``, how many pixels beyond the edge a column is; 0 up to there.
    """

    picture: Tensor
    beyond: Tensor


class Beyond(nn.Module):
    """A U-Net that looks over the right edge of a picture; over others, where it is turned so.

    Args:
        values: v, of a pixel.
        width: Channels where a spot is `FOLD` pixels, a multiple of 8.
    """

    def __init__(self, values: int, width: int):
        super().__init__()
        a, b, c = width, 2 * width, 4 * width
        self.look = nn.Conv2d((values + 4) * FOLD**2, a, 3, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(a, b, 2, stride=2), nn.Conv2d(b, c, 2, stride=2)])
        self.before = nn.ModuleList([Residual(a), nn.Sequential(Residual(b), Residual(b))])
        looks = (Residual(c), Looking(c), Residual(c), Looking(c), Residual(c))
        self.middle = nn.Sequential(*looks)
        self.up = nn.ModuleList([nn.Conv2d(c, 4 * b, 1), nn.Conv2d(b, 4 * a, 1)])
        self.after = nn.ModuleList(nn.Sequential(Residual(w), Residual(w)) for w in (b, a))
        self.flow = nn.Conv2d(a, 2, 3, padding=1)
        for parameter in self.flow.parameters():
            nn.init.zeros_(parameter)

    def forward(self, edge: Edge, side: str) -> Tensor:
        """Return pictures ``(n, v, H, W)``, the same up to the edge.

        Args:
            edge: Sizes are multiples of 8.
            side: Which one of the whole picture this is, one of `SIDES`: nothing falls sideways.
        """
        picture, beyond = edge
        size, kind = picture.shape[-2:], self.look.weight.dtype
        level = torch.linspace(-1, 1, size[0], device=picture.device)[:, None]
        told = beyond / 16, (beyond > 0).float(), level * (side in SIDES[:2]), HEIGHT[side]
        marks = [torch.as_tensor(x, device=picture.device).expand_as(picture[:, :1]) for x in told]
        picture = picture.float()
        x = F.pixel_unshuffle(torch.cat([picture, *marks], dim=1), FOLD).to(kind)
        skips = []
        x = self.look(x.contiguous(memory_format=torch.channels_last))  # faster on CPUs
        for before, down in zip(self.before, self.down, strict=True):
            skips.append(before(x))
            x = down(skips[-1])
        x = self.middle(x)
        for up, after in zip(self.up, self.after, strict=True):
            x = after(F.pixel_shuffle(up(x), 2) + skips.pop())
        flow = F.interpolate(self.flow(x).float(), size, mode="bilinear", align_corners=False)
        copied = _copied(picture, REACH * (flow / REACH).tanh())
        return torch.where(beyond > 0, copied, picture)

    def over(self, picture: Tensor, side: str, far: int) -> Tensor:
        """Return what lies up to `far` pixels beyond a side of pictures, picture and all."""
        wide = F.pad(towards(picture, side), (0, far))
        hidden = torch.full((len(wide),), far, device=wide.device)
        return away(self(over_edge(wide, hidden), side), side)


def all_around(beyond: Beyond, picture: Tensor, far: int, up: int) -> Tensor:
    """Return what lies up to `far` pixels beyond the left and right and `up` above and below.

    In corners is what lies above and below that which lies to the left and right.

    Args:
        beyond: Looks there.
        picture: ``(n, v, H, W)``.
        far: A multiple of 8, no more than W.
        up: A multiple of 8.

    Returns:
        ``(n, v, H + 2 up, W + 2 far)``, the picture in the middle.
    """
    left, right = (beyond.over(picture, side, far) for side in ("left", "right"))
    band = torch.cat([left[..., :far], right], dim=-1)
    above, below = (above_or_below(beyond, band, side, far, up) for side in ("up", "down"))
    return torch.cat([above, band, below], dim=-2)


def above_or_below(beyond: Beyond, band: Tensor, side: str, far: int, up: int) -> Tensor:
    """Return what lies up to `up` pixels above or below pictures and what is beside them.

    Args:
        beyond: Looks there.
        band: ``(n, v, H, W + 2 far)``.
        side: "up" or "down".
        far: A multiple of 8, no more than W.
        up: A multiple of 8.

    Returns:
        ``(n, v, up, W + 2 far)``.
    """
    width = band.shape[-1] - 2 * far
    parts = torch.cat([band[..., :width], band[..., far:-far], band[..., -width:]])
    one, two, three = beyond.over(parts, side, up).chunk(3)
    found = torch.cat([one[..., :far], two, three[..., -far:]], dim=-1)
    return found[..., :up, :] if side == "up" else found[..., -up:, :]


def over_edge(picture: Tensor, hidden: Tensor) -> Edge:
    """Hide so many columns ``(n,)`` on the right of pictures ``(n, v, H, W)``, fewer than W."""
    width = picture.shape[-1]
    column = torch.arange(width, device=picture.device)[None]
    edge = width - hidden[:, None]
    beyond = (column - edge + 1).clamp(min=0)
    place = (edge - beyond).remainder(2 * edge)  # a mirror, and behind its picture another one
    place = torch.where(beyond > 0, torch.minimum(place, 2 * edge - 1 - place), column)
    seen = picture.gather(3, place[:, None, None].expand_as(picture))
    return Edge(seen, beyond[:, None, None].to(picture))


def towards(picture: Tensor, side: str) -> Tensor:
    """Turn pictures so that one of their `SIDES` is the right one; `away` turns them back."""
    return {
        "right": picture, "left": picture.flip(-1), "up": picture.mT.flip(-1), "down": picture.mT
    }[side]  # fmt: skip


def away(picture: Tensor, side: str) -> Tensor:
    """Undo `towards`."""
    return {
        "right": picture, "left": picture.flip(-1), "up": picture.flip(-1).mT, "down": picture.mT
    }[side]  # fmt: skip


def _copied(picture: Tensor, flow: Tensor) -> Tensor:
    """Copy every spot from where a flow ``(n, 2, H, W)``, right and down, says."""
    height, width = picture.shape[-2:]
    down, right = (torch.arange(n, device=picture.device) + 0.5 for n in (height, width))
    at = torch.stack(
        [(right + flow[:, 0]) * 2 / width - 1, (down[:, None] + flow[:, 1]) * 2 / height - 1], -1
    )
    at = at.nan_to_num()  # of what is not a number there is no place
    return F.grid_sample(picture.float(), at, "bilinear", "border", align_corners=False)
