"""What is seen of a frame at a glance, by what is asked about it and by nothing else.

Whoever asks after a frame has few updates to learn from, and a reader that must first find by
attention what sixteen tokens say together takes thousands (`docs/decisions.md` §55). Here
convolutions of their own see the frame and the one before it, and the words that ask and answer
look at what they see, each for what it wants to know (§65). Frames are drawn from the words of what
happens, which do not look, so no picture depends on it.
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
from worldsim.deed import Done
from worldsim.matching import REACH, alike

SMALLEST = 4  # cells along each side of what is seen last
LOOKS = 2  # times that a word looks


class Told(NamedTuple):
    """What text may look at, and what of it asks.

    Attributes:
        parts: ``(B, F, P, D)`` what is seen in the parts of each frame, row by row.
        whole: ``(B, F, D)`` what is seen in it as a whole.
        of: ``(B, L)`` number of the frame that text asks about, -1 where it asks about none.
        part: ``(B, L)`` number of the part that it asks about, -1 for all of the frame.
        done: What was done around each frame, see `Deed`; None where nobody looks.
    """

    parts: Tensor
    whole: Tensor
    of: Tensor
    part: Tensor
    done: Done | None = None


class Glance(nn.Module):
    """Looks at frames, and helps to answer.

    Args:
        canvas: Draws latents as pictures.
        first: Channels at the finest size, a multiple of 8; as many more at each coarser one.
        width: D, of a token, a multiple of 64.
        depth: Layers of the transformer, after each of which words that ask think for themselves.
    """

    def __init__(self, canvas: Canvas, first: int, width: int, depth: int = 0):
        super().__init__()
        self.fold = canvas.fold
        side = canvas.side // canvas.fold
        halvings = max(0, round(math.log2(side / SMALLEST)))
        widths = [first * (k + 1) for k in range(halvings + 1)]
        self.look = nn.Conv2d(2 * canvas.values * canvas.fold**2, first, 5, padding=2)
        self.fine = _Products(first)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.compare = nn.Conv2d((2 * REACH + 1) ** 2, widths[:2][-1], 3, padding=1)
        self.more = nn.ModuleList(nn.Sequential(_Residual(w), _Residual(w)) for w in widths[1:])
        self.norm = nn.GroupNorm(8, widths[-1])
        self.mix = nn.Linear(widths[-1] * (side >> halvings) ** 2, 2 * width)
        self.whole = nn.Linear(2 * width, width)
        beside = widths[-2:][0]
        self.up = nn.Conv2d(widths[-1], beside, 1)
        self.join = _Residual(beside)
        self.parts_norm = nn.GroupNorm(8, beside)
        self.part = nn.Linear(beside, width)
        self.places = nn.Parameter(torch.randn(PARTS_SIDE**2, width) * 0.02)
        self.thoughts = nn.ModuleList(FeedForward(width, width) for _ in range(depth))
        self.query_norm = nn.RMSNorm(width)
        self.query = nn.Linear(width, width)
        self.looks = nn.ModuleList(_Look(width) for _ in range(LOOKS))
        self.said_norm = nn.RMSNorm(width)
        self.said = nn.Linear(width, width)
        nn.init.zeros_(self.said.weight)
        nn.init.zeros_(self.said.bias)

    def tell(self, pictures: Tensor, of: Tensor, index: Tensor) -> Told:
        """Show text what it asks about.

        Args:
            pictures: ``(B, F, 2, v, H, W)`` frames and the frame before each.
            of: ``(B, L)`` number of the frame that text asks about, -1 where it asks about none.
            index: ``(B, L)`` place of text in its step: from `PARTS` on it asks about a part.
        """
        whole, parts = (x.unflatten(0, pictures.shape[:2]) for x in self(pictures.flatten(0, 1)))
        return Told(parts, whole, of, (index - PARTS).clamp(min=-1, max=PARTS_SIDE**2 - 1))

    def think(self, layer: int, text: Tensor, told: Told) -> Tensor:
        """Return what words that ask add to what a layer made of them, ``(B, L, D)``; or 0."""
        return self.thoughts[layer](text) * (told.of >= 0)[..., None]

    def answer(self, text: Tensor, told: Told) -> Tensor:
        """Return what words that ask about a frame find there, ``(B, L, D)``; 0 for others."""
        found = self.find(self.query(self.query_norm(text)), told)
        return self.said(self.said_norm(found)) * (told.of >= 0)[..., None]

    def find(self, questions: Tensor, told: Told) -> Tensor:
        """Let questions, ``(B, L, D)``, look at the frames they are about; the same shape."""
        lane = torch.arange(len(told.of), device=told.of.device)[:, None]
        frame = told.of.clamp(min=0)
        mine = told.parts[lane, frame, told.part.clamp(min=0)]
        x = questions + told.whole[lane, frame] + mine * (told.part >= 0)[..., None]
        x = x.to(self.places.dtype)
        frames, places = told.parts.shape[1:3]
        others = torch.arange(frames, device=frame.device) != frame[..., None]  # (B, L, F)
        blocked = torch.zeros(others.shape, dtype=x.dtype, device=x.device)
        blocked = blocked.masked_fill_(others, float("-inf"))
        blocked = blocked.repeat_interleave(places, dim=2)[:, None]
        for look in self.looks:
            x = look(x, told.parts.flatten(1, 2), blocked)
        return x

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2, v, H, W) -> of each the whole (n, D) and its parts, row by row, (n, P, D)."""
        whole, parts = self.features(pictures)
        return self.whole(whole), self.part(parts) + self.places

    def features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2, v, H, W) -> what is seen in the whole (n, 2 D) and in its parts (n, P, C)."""
        now, before = pictures.unbind(dim=1)
        both = torch.cat([now, now - before], dim=1)  # what changed matters more than what is there
        x = self.fine(self.look(F.pixel_unshuffle(both, self.fold)))
        sizes = [x]
        for level, (down, more) in enumerate(zip(self.down, self.more, strict=True)):
            x = down(F.silu(x))
            if level == 0:  # convolutions alone would find out only late what moved by how much
                where = self.compare(alike(now, before).to(x.dtype))
                x = x + F.interpolate(where, x.shape[-2:], mode="bilinear")
            x = more(x)
            sizes.append(x)
        whole = F.silu(self.mix(F.silu(self.norm(x)).flatten(1)))
        beside = sizes[-2:][0]
        x = self.join(beside + F.interpolate(self.up(x), beside.shape[-2:], mode="bilinear"))
        parts = F.silu(self.parts_norm(x))
        if parts.shape[-1] != PARTS_SIDE:
            parts = F.interpolate(parts, (PARTS_SIDE, PARTS_SIDE), mode="bilinear")
        return whole, parts.flatten(2).mT


class _Look(nn.Module):
    """Attention from words to the parts of a frame, then a feed-forward."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.ffn = FeedForward(width, 3 * width)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, seen: Tensor, blocked: Tensor) -> Tensor:
        """(B, L, D), (B, S, D), (B, 1, L, S) -> (B, L, D)."""
        q = self.q(self.norm(x)).unflatten(-1, (-1, 32))
        k, v = self.kv(seen).unflatten(-1, (2, -1, 32)).unbind(2)
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        found = F.scaled_dot_product_attention(q, k, v, blocked.to(q.dtype))
        x = x + self.out(found.transpose(1, 2).flatten(2))
        return x + self.ffn(x)


class _Products(nn.Module):
    """Adds products: what moved is one of now and before, and sums find it ten times as late."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.pairs = nn.Conv2d(width, 2 * width, 1)
        self.mix = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.pairs(self.norm(x)).chunk(2, dim=1)
        return x + self.mix(a * b)


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.a = nn.Conv2d(width, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(F.silu(self.a(F.silu(self.norm(x)))))
