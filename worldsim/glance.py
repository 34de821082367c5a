"""What is seen of a frame at a glance, told to what is asked about it and to nothing else.

Whoever asks after a frame has few updates to learn from, and a reader that must first find by
attention what sixteen tokens say together takes thousands (`docs/decisions.md` §55). Here a few
convolutions see the frame and the one before it as a whole, and what they see is added to the words
of the question and of the answer. Frames are drawn from the words of what happens, which are not
told, so no picture depends on it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.block import FeedForward
from worldsim.canvas import Canvas

SMALLEST = 4  # cells along each side of what is seen last


class Told(NamedTuple):
    """What text is told of frames: ``(B, L, D)``, and which of it asks, ``(B, L)`` bool."""

    seen: Tensor
    asks: Tensor


class Glance(nn.Module):
    """Looks at frames, and helps to answer.

    Args:
        canvas: Draws latents as pictures.
        first: Channels at the finest size, a multiple of 8; as many more at each coarser one.
        width: D, of a token.
    """

    def __init__(self, canvas: Canvas, first: int, width: int):
        super().__init__()
        self.fold = canvas.fold
        side = canvas.side // canvas.fold
        halvings = max(0, round(math.log2(side / SMALLEST)))
        widths = [first * (k + 1) for k in range(halvings + 1)]
        self.look = nn.Conv2d(2 * canvas.values * canvas.fold**2, first, 5, padding=2)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.more = nn.ModuleList(_Residual(width) for width in widths[1:])
        self.norm = nn.GroupNorm(8, widths[-1])
        cells = (side >> halvings) ** 2
        self.mix = nn.Linear(widths[-1] * cells, 2 * width)
        self.whole = nn.Linear(2 * width, width)
        self.part = nn.Linear(sum(widths[-2:]), width)
        self.places = nn.Parameter(torch.zeros(PARTS_SIDE**2, width))
        self.answer = FeedForward(width, 3 * width)
        for layer in (self.whole, self.part):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def tell(self, pictures: Tensor, of: Tensor, index: Tensor) -> Told:
        """Tell text what it asks about.

        Args:
            pictures: ``(B, F, 2, v, H, W)`` frames and the frame before each.
            of: ``(B, L)`` number of the frame that text asks about, -1 where it asks about none.
            index: ``(B, L)`` place of text in its step: from `PARTS` on it asks about a part.
        """
        whole, parts = (x.unflatten(0, pictures.shape[:2]) for x in self(pictures.flatten(0, 1)))
        lane = torch.arange(len(of), device=of.device)[:, None]
        part = (index - PARTS).clamp(min=0, max=PARTS_SIDE**2 - 1)
        frame = of.clamp(min=0)
        seen = whole[lane, frame] + (index >= PARTS)[..., None] * parts[lane, frame, part]
        return Told(seen * (of >= 0)[..., None], of >= 0)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2, v, H, W) -> of each the whole (n, D) and its parts, row by row, (n, P, D)."""
        whole, parts = self.features(pictures)
        return self.whole(whole), self.part(parts) + self.places

    def features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2, v, H, W) -> what is seen in the whole (n, 2 D) and in its parts (n, P, C)."""
        now, before = pictures.unbind(dim=1)
        both = torch.cat([now, now - before], dim=1)  # what changed matters more than what is there
        x = self.look(F.pixel_unshuffle(both, self.fold))
        sizes = [x]
        for down, more in zip(self.down, self.more, strict=True):
            x = more(down(F.silu(x)))
            sizes.append(x)
        whole = F.silu(self.mix(F.silu(self.norm(x)).flatten(1)))
        side = (PARTS_SIDE, PARTS_SIDE)
        parts = torch.cat(
            [F.interpolate(s, side, mode="bilinear", align_corners=False) for s in sizes[-2:]], 1
        )
        return whole, F.silu(parts).flatten(2).mT


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.silu(self.a(F.silu(self.norm(x)))))
