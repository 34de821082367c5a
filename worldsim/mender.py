"""Makes a picture out of a moved one and noise: what is seen for the first time, and what is wrong.

Motion alone cannot show what comes round a corner. That has many right answers, of which one is to
be drawn and not their mean, so it is drawn by denoising. Knows nothing of actions, sentences or
time beyond what the transformer says. Sources: a small U-Net as a world model's picture, DIAMOND
(2405.12399); a denoiser as the head of a transformer that runs once, MAR (2406.11838).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.residual import MOOD, Residual

WAVES = 64


class Mender(nn.Module):
    """A U-Net from two measurements of a picture to what both have wrong.

    Args:
        values: Channels of a picture, v.
        fold: Pixels folded into channels along each side, before any convolution.
        plan: Values the transformer says about each cell.
        whole: Width of what it says about the whole frame.
        features: Channels of the painter's own features.
        widths: Channels, from fine to coarse; each step halves the picture.
    """

    def __init__(
        self, values: int, fold: int, plan: int, whole: int, features: int, widths: list[int]
    ):
        super().__init__()
        self.fold, fine, coarse = fold, widths[0], widths[-1]
        spots = values * fold**2
        self.mood = nn.Linear(whole, MOOD)
        self.level = nn.Sequential(nn.Linear(WAVES, MOOD), nn.SiLU(), nn.Linear(MOOD, MOOD))
        self.look = nn.Conv2d(4 * spots + features + 1, fine, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(Residual(width) for width in widths)
        self.plan = nn.Conv2d(plan, coarse, 1)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(width) for width in widths)
        self.norm = nn.GroupNorm(8, fine)
        self.draw = nn.Conv2d(fine, spots, 3, padding=1)
        for parameter in self.draw.parameters():
            nn.init.zeros_(parameter)

    @torch.compiler.disable  # no faster compiled on CPUs, and in sixteen bits not right (torch 2.x)
    def forward(
        self,
        pictures: Tensor,
        new: Tensor,
        features: Tensor,
        plan: Tensor,
        whole: Tensor,
        levels: Tensor,
    ) -> Tensor:
        """Return what is to be added to the guess, ``(n, v, H, W)``.

        Args:
            pictures: ``(n, 4, v, H, W)``: the frame before, the same moved, the noisy frame, and
                the guess that weighs these two.
            new: ``(n, 1, H, W)``, how far past the edge of the frame before a spot is, 0 to 1.
            features: ``(n, features, y, x)`` of the painter.
            plan: ``(n, plan, h, w)``.
            whole: ``(n, whole)``.
            levels: ``(n,)``, how noisy the noisy frame is.
        """
        mood, skips = self.mood(whole) + self.level(waves(levels).to(whole.dtype)), []
        seen = F.pixel_unshuffle(pictures.flatten(1, 2), self.fold)
        new = F.avg_pool2d(new, self.fold)
        x = self.look(torch.cat([seen, features, new.to(seen.dtype)], dim=1))
        for residual, down in zip(self.before, [None, *self.down], strict=True):
            x = residual(x if down is None else down(x), mood)
            skips.append(x)
        x = self.after[-1](x + self.plan(plan), mood)
        for k in reversed(range(len(self.up))):
            x = self.after[k](F.pixel_shuffle(self.up[k](x), 2) + skips[k], mood)
        return F.pixel_shuffle(self.draw(F.silu(self.norm(x))), self.fold)


def waves(levels: Tensor) -> Tensor:
    """Noise levels (...) -> (..., WAVES) sines and cosines, from slow to fast."""
    frequencies = torch.logspace(0, 2.5, WAVES // 2, device=levels.device)
    angles = levels.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
