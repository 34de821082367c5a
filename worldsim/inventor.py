"""Invents what a picture does not show: what nobody has seen yet, and what was walked up to.

All else here is pushed about (`painter`), so what is not in the first picture never comes, and what
one walks up to ends as one colour. This denoises a whole picture, told how well each spot of it is
known. Sources: image super-resolution and inpainting by diffusion (Saharia et al. 2021, 2104.07636;
2111.05826), with the preconditioning of Karras et al. 2022 (2206.00364).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.advection import WORN
from worldsim.levels import waves
from worldsim.residual import Residual

FOLD = 4  # pixels along each side that are one spot
HEAD = 32  # width of a head of attention
SPREAD = 0.5  # standard deviation of pictures
SHOWN = 2.0, 3.0  # how worn things are that begin to be replaced, and that are so altogether


class Hint(NamedTuple):
    """What is known of pictures that are to be invented.

    Attributes:
        picture: ``(n, v, H, W)``; what is worn may be anything finer than it is known.
        worn: ``(n, 1, H, W)``, from 0, known to the pixel, to `WORN`, not at all.
        like: ``(n, v, H, W)``, another picture of the same place; 0 where there is none.
        said: ``(n, D)``, words about it added up; 0 where nobody says anything.
    """

    picture: Tensor
    worn: Tensor
    like: Tensor
    said: Tensor


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


class Inventor(nn.Module):
    """A U-Net that guesses the picture under the noise; of frames before it knows nothing.

    Args:
        values: v, of a pixel.
        width: Channels where a spot is `FOLD` pixels, a multiple of 96.
        words: D, of what is said.
    """

    def __init__(self, values: int, width: int, words: int):
        super().__init__()
        inside, mood = values * FOLD**2, 2 * width
        widths = [width, width * 5 // 3, width * 7 // 3]
        self.level = nn.Linear(64, mood)
        self.heard = nn.Sequential(nn.Linear(words, mood), nn.SiLU(), nn.Linear(mood, mood))
        self.glance = nn.Sequential(
            nn.Conv2d(inside, 64, 1), nn.SiLU(),
            nn.Conv2d(64, 96, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(96, 128, 3, 2, 1), nn.SiLU(),
        )  # fmt: skip
        self.like = nn.Linear(2 * 128, mood)
        self.mood = nn.Sequential(nn.SiLU(), nn.Linear(mood, mood), nn.SiLU())
        self.look = nn.Conv2d(3 * inside + 1, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.before = nn.ModuleList(_Stage(w, mood, w > width) for w in widths)
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.join = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:-1])
        self.after = nn.ModuleList(_Stage(w, mood, w > width) for w in widths[:-1])
        self.norm = nn.GroupNorm(8, width)
        self.draw = nn.Conv2d(width, inside, 3, padding=1)
        for parameter in self.draw.parameters():
            nn.init.zeros_(parameter)

    def forward(self, noisy: Tensor, levels: Tensor, hint: Hint) -> Tensor:
        """Guess pictures, float32 ``(n, v, H, W)``, from noisy ones.

        Args:
            noisy: ``(n, v, H, W)``, ``(1 - level) * picture + level * noise``.
            levels: ``(n,)`` in [0, 1].
            hint: What is known of them, made `fit`.
        """
        level = levels[:, None, None, None]
        size = (level**2 + SPREAD**2 * (1 - level) ** 2).sqrt()  # of what is noisy
        pictures = noisy / size, hint.picture / SPREAD, hint.like / SPREAD
        seen = [F.pixel_unshuffle(x, FOLD) for x in pictures]
        seen = [*seen, F.avg_pool2d(2 * hint.worn / WORN - 1, FOLD)]
        x = self.look(_flat(torch.cat(seen, dim=1).to(self.look.weight.dtype)))
        mood, skips = self._mood(levels, hint), []
        for stage, down in zip(self.before, [None, *self.down], strict=True):
            x = stage(x if down is None else down(x), mood)
            skips.append(x)
        for k in reversed(range(len(self.up))):
            x = torch.cat([F.pixel_shuffle(self.up[k](x), 2), skips[k]], dim=1)
            x = self.after[k](self.join[k](x), mood)
        said = F.pixel_shuffle(self.draw(F.silu(self.norm(x))), FOLD).float()
        known = SPREAD**2 * (1 - level) / size**2
        return known * noisy + level * SPREAD / size * said

    def _mood(self, levels: Tensor, hint: Hint) -> Tensor:
        """Return what is known of whole pictures, (n, mood)."""
        power = hint.said.square().mean(dim=-1, keepdim=True).sqrt()
        kind = self.look.weight.dtype
        glanced = self.glance(_flat(F.pixel_unshuffle(hint.like, FOLD).to(kind)))
        like = self.like(torch.cat([glanced.mean(dim=(2, 3)), glanced.amax(dim=(2, 3))], dim=1))
        there = (hint.like != 0).flatten(1).any(dim=1)[:, None]
        heard = self.heard((hint.said / power.clamp(min=1e-3)).to(kind))
        return self.mood(self.level(waves(levels).to(kind)) + heard + like * there)


class _Stage(nn.Module):
    """What happens at one size; where `looks`, places see each other in between."""

    def __init__(self, width: int, mood: int, looks: bool):
        super().__init__()
        self.first, self.second = Residual(width, mood), Residual(width, mood)
        self.looking = Looking(width) if looks else None

    def forward(self, x: Tensor, mood: Tensor) -> Tensor:
        x = self.first(x, mood)
        return self.second(self.looking(x) if self.looking else x, mood)


def fit(hint: Hint) -> Hint:
    """Take out of a picture what is finer than it is known."""
    rest, known = hint.picture, torch.zeros_like(hint.picture)
    for level in range(int(WORN)):
        blurred = rest if not level else F.interpolate(
            F.avg_pool2d(rest, 2**level), rest.shape[-2:], mode="bilinear", align_corners=False
        )  # fmt: skip
        known = known + blurred * (1 - (hint.worn - level).abs()).clamp(min=0)
    return hint._replace(picture=known)


def shown(worn: Tensor) -> Tensor:
    """Return how much of each spot is to be replaced by what was invented."""
    low, high = SHOWN
    return ((worn - low) / (high - low)).clamp(0, 1)


def _flat(x: Tensor) -> Tensor:
    """Lay out channels side by side: convolutions on CPUs are faster so."""
    return x.contiguous(memory_format=torch.channels_last)
