"""Guesses the next picture from the last two and what is said: the last one, moved.

The transformer draws every frame, but it need not draw anew what merely moved. A learnt flow says
for every spot of the next frame where it was in the last one, as the motion compensation of video
codecs does; how things moved up to now is found by `Matching` and may go on. Nothing here knows of
cameras, of depth or of actions, and what comes into view is not its business. Source: advection of
pixels, Finn et al. 2016 (1605.07157).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.matching import Matching

DEGREE = 3  # of the polynomials in `Mover._sweep`
FOLD = 2  # pixels folded into channels along each side before any convolution
MOOD = 64  # width of what is said to every layer about the frame as a whole
REACH = 4.0  # pixels that a spot's flow is measured in


class Mover(nn.Module):
    """A small U-Net on two pictures, told the words that lead to the next one.

    Args:
        side: H = W of a picture, a multiple of 16.
        told: Width of what is said.
        width: Channels where a spot is ``side / 8`` of a picture's side; half as many at each of
            two finer sizes, so a multiple of 32.
        match_width: Channels by which the two pictures are compared; 0: they are not.
    """

    fields: Tensor

    def __init__(self, side: int, told: int, width: int, match_width: int = 0):
        super().__init__()
        widths, values, side = [width // 4, width // 2, width], 3 * FOLD**2, side // FOLD
        self.mood = nn.Sequential(nn.RMSNorm(told), nn.Linear(told, MOOD), nn.SiLU())
        self.look = nn.Conv2d(2 * values, widths[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(Residual(width) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(width) for width in widths)
        self.flow = nn.Conv2d(widths[0], 2, 3, padding=1)
        self.match = Matching(values, side, match_width, widths[0]) if match_width else None
        self.keep = nn.Conv2d(widths[0], 1, 3, padding=1) if match_width else None  # of that motion
        middle = (torch.arange(side) + 0.5) * 2 / side - 1
        powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
        fields = torch.stack([middle[:, None] ** i * middle**j for i, j in powers])
        self.register_buffer("fields", fields, persistent=False)
        self.sweep = nn.Linear(MOOD, 2 * len(fields))
        for layer in (self.flow, self.sweep, self.keep):
            for parameter in layer.parameters() if layer else ():
                nn.init.zeros_(parameter)

    def forward(self, past: Tensor, said: Tensor) -> Tensor:
        """Push the last picture about.

        Args:
            past: ``(n, 2, 3, H, W)`` in [-1, 1], the last picture and the one before that: how
                things moved up to now is seen best in pixels. They may be more exact than the
                weights: a dream moves its pictures a hundred times over.
            said: ``(n, told)``.

        Returns:
            ``(n, 3, H, W)``.
        """
        mood, skips = self.mood(said), []
        seen = F.pixel_unshuffle(past.to(self.flow.weight.dtype), FOLD)  # (n, 2, v, y, x)
        x, matched = self.look(seen.flatten(1, 2)), None
        if self.match:
            now, before = seen.unbind(dim=1)
            matched, heard = self.match(now, before)
            x = x + heard
        for residual, down in zip(self.before, [None, *self.down], strict=True):
            x = residual(x if down is None else down(x), mood)
            skips.append(x)
        x = self.after[-1](x, mood)
        for k in reversed(range(len(self.up))):
            x = self.after[k](F.pixel_shuffle(self.up[k](x), 2) + skips[k], mood)
        flow = REACH * (self.flow(x) + self._sweep(mood))
        if self.keep is not None and matched is not None:
            flow = flow + FOLD * self.keep(x) * matched
        return advect(past[:, 0], flow)

    def _sweep(self, mood: Tensor) -> Tensor:
        """Return a smooth flow: polynomials of place, ``(n, MOOD)`` -> ``(n, 2, y, x)``.

        A motion of the whole picture has few numbers, so all places vote on them: where texture
        repeats, a single spot cannot tell a large motion from none.
        """
        weights = self.sweep(mood).unflatten(-1, (2, -1))
        return torch.einsum("nat,tyx->nayx", weights, self.fields.to(mood.dtype))


class Residual(nn.Module):
    """Two convolutions between which the frame's mood scales and shifts (FiLM, 1709.07871)."""

    def __init__(self, width: int):
        """The way out starts at zero."""
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(MOOD, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, mood: Tensor) -> Tensor:
        """(n, C, y, x), (n, MOOD) -> (n, C, y, x)."""
        scale, shift = self.film(mood)[:, :, None, None].chunk(2, dim=1)
        inside = self.first(F.silu(self.norm(x))) * (1 + scale) + shift
        return x + self.second(F.silu(inside))


def advect(picture: Tensor, flow: Tensor) -> Tensor:
    """Let every spot of a picture show what `flow` points at; past the edge, the edge.

    Args:
        picture: What is to be moved, ``(n, v, H, W)``.
        flow: ``(n, 2, y, x)`` pixels right and down.
    """
    # In float32 whatever the network's type: sixteen bits cannot tell neighbouring pixels.
    height, width = picture.shape[-2:]
    shift = F.interpolate(flow.float(), (height, width), mode="bilinear", align_corners=False)
    columns = torch.arange(width, device=flow.device) + 0.5 + shift[:, 0]
    rows = (torch.arange(height, device=flow.device) + 0.5)[:, None] + shift[:, 1]
    where = torch.stack([columns * 2 / width - 1, rows * 2 / height - 1], dim=-1)
    # A picture is moved a hundred times over. Bilinear it would melt; torch's bicubic sharpens
    # waves of six pixels each time, until there is nothing else. The two mixed do neither: their
    # second moments cancel at half a pixel, as those of Keys' cubic (1981) do everywhere.
    # Of what is not a number the cubic makes none, as it should; the bilinear one would crash.
    cubic, linear = (
        F.grid_sample(picture.float(), to, mode, "border", align_corners=False)
        for mode, to in (("bicubic", where), ("bilinear", where.nan_to_num()))
    )
    return ((2 * cubic + linear) / 3).to(picture.dtype)
