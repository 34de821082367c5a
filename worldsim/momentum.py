"""How things go on moving: what moved, and what was done, say what moves next.

A picture does not show how fast things go. What is looked up here (`hindsight`) or was drawn (a
dream knows how it moved its own pictures) is how every spot moved in the step before; convolutions
over the whole picture learn what becomes of that when keys are pressed. Nothing here knows of
cameras, of depth or of the meaning of any key, and it can learn by itself, see `train.momenta`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.advection import smooth
from worldsim.canvas import Canvas
from worldsim.gait import Gait, drawn_out, roughly
from worldsim.painter import REACH, polynomials, swept
from worldsim.residual import Residual

FOLD = 4  # pixels along each side of a place
SMALLEST = 4  # places along each side of what is seen last
AROUND = 1  # places to each side whose motion a place goes on with, its own alone is a guess
STEPS = 3  # what led to so many frames is heard, to the coming one and those before it
MOOD = 256
FASTEST = 0.5  # widths of a picture that things move in a step; what is faster is taken for that


class Gone(NamedTuple):
    """What is known of a step before it is drawn.

    Attributes:
        drift: ``(B, F, 3, y, x)``, where each spot of the last frame was in the one before, in
            widths of a picture, right and down, and how far that is to be trusted, 0 to 1; all 0
            where nothing is known.
        said: ``(B, F, STEPS, D)``, what is heard, of the coming frame first.
    """

    drift: Tensor
    said: Tensor


class Momentum(nn.Module):
    """A U-Net on the last two pictures and on how one became the other.

    Args:
        canvas: Draws latents as pictures.
        first: Channels at the finest size, a multiple of 32; a third more at each coarser one.
        width: D, of what is heard.
        gait: Width of what knows how whole pictures go on, see `Gait`; 0: nothing does. How far it
            is believed is said picture by picture, untrained by half.
    """

    fields: Tensor

    def __init__(self, canvas: Canvas, first: int, width: int, gait: int = 0):
        """Untrained, it says that things go on as they did."""
        super().__init__()
        self.side, spots = canvas.side // FOLD, canvas.side // canvas.fold
        halvings = max(0, round(math.log2(self.side / SMALLEST)))
        widths = [first + first * k // 3 // 8 * 8 for k in range(halvings + 1)]
        self.look = nn.Conv2d(2 * canvas.values * FOLD**2 + 3, first, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths)
        )
        self.before = nn.ModuleList(Residual(w) for w in widths)
        self.mix = nn.Linear(widths[-1] * (self.side >> halvings) ** 2, MOOD)
        self.norm = nn.RMSNorm(width)
        self.hear = nn.Linear(STEPS * width, MOOD)
        self.think = nn.Sequential(
            nn.SiLU(), nn.Linear(MOOD, MOOD), nn.SiLU(), nn.Linear(MOOD, MOOD)
        )
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(w, MOOD) for w in widths)
        self.again = nn.ModuleList(Residual(w, MOOD) for w in widths)
        self.change = nn.Conv2d(first, 2, 3, padding=1)
        self.keep = nn.Conv2d(first, 1, 3, padding=1)
        self.register_buffer("fields", polynomials(spots), persistent=False)
        self.sweep = nn.Linear(MOOD, 2 * len(self.fields))
        self.pixels = canvas.side
        self.gait = Gait(STEPS, width, gait) if gait else None
        self.believe = nn.Linear(MOOD, 1) if gait else None
        for layer in (self.change, self.keep, self.sweep, self.believe):
            for parameter in layer.parameters() if layer else ():
                nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor, drift: Tensor, said: Tensor) -> Tensor:
        """Say how the last picture goes on.

        Args:
            pictures: ``(n, 2, v, H, W)``, the last one first.
            drift: ``(n, 3, y, x)`` of any size, see `Gone`.
            said: ``(n, STEPS, D)``, see `Gone`.

        Returns:
            ``(n, 2, s, s)`` where every spot of the coming picture is in the last one, in pixels
            right and down.
        """
        now, before = pictures.unbind(dim=1)
        both = F.pixel_unshuffle(torch.cat([now, now - before], dim=1), FOLD)
        both = both.to(self.look.weight.dtype)
        went, sure = _resized(drift.to(both.dtype), self.side).split([2, 1], dim=1)
        went = self.pixels * went
        x = self.look(torch.cat([both, went / REACH, sure], dim=1))
        skips = list[Tensor]()
        for residual, down in zip(self.before, [None, *self.down], strict=True):
            x = residual(x if down is None else down(F.silu(x)))
            skips.append(x)
        mood = self.mix(F.silu(x).flatten(1)) + self.hear(self.norm(said).flatten(1))
        mood = self.think(mood)
        spots = self.fields.shape[-1]
        for k in reversed(range(len(skips))):
            x = x if k == len(self.up) else F.pixel_shuffle(self.up[k](x), 2) + skips[k]
            x = self.again[k](self.after[k](x, mood), mood)
        flow = REACH * self.change(x) + (1 + self.keep(x)) * smooth(went, AROUND)
        # Finer than places it is smooth: what is rough in a dream's motion moves the next one.
        flow = _resized(flow, spots) + REACH * swept(self.sweep(mood), self.fields)
        if self.gait is None or self.believe is None:
            return flow
        other = self.pixels * self.gait(roughly(drift), said) - roughly(flow)
        return flow + self.believe(mood).sigmoid()[:, :, None, None] * drawn_out(other, spots)


def drift_of(flow: Tensor, pixels: int, side: int) -> Tensor:
    """Return a flow ``(n, 2, s, s)`` in pixels as a drift ``(n, 3, side, side)`` that is sure."""
    widths = (_resized(flow.float(), side) / pixels).clamp(-FASTEST, FASTEST)
    return torch.cat([widths, torch.ones_like(widths[:, :1])], dim=1)


def _resized(field: Tensor, side: int) -> Tensor:
    if field.shape[-1] > side:
        return F.adaptive_avg_pool2d(field, side)
    return F.interpolate(field, (side, side), mode="bilinear", align_corners=False)
