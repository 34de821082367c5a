"""Invents what a picture does not show: what nobody has seen yet, and what was walked up to.

All else here is pushed about (`painter`), so what is not in the first picture never comes, and what
one walks up to ends as one colour. This guesses, word by word, which `tiles` may be there: of cells
left out of a picture it says how likely each word is, told what is known of the whole. Sources:
MaskGIT (Chang et al. 2022, 2202.04200), Muse (Chang et al. 2023, 2301.00704).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.advection import WORN
from worldsim.tiles import CELL, NUM_WORDS, Tiles, known

DEPTH = 6
TILES = 96  # width of `Tiles`
HEAD = 64  # width of a head of attention
MAX_WORDS = 16  # of what is said, that are heard
SHOWN = 2.0, 3.0  # how worn things are that begin to be replaced, and that are so altogether


class Hint(NamedTuple):
    """What is known of pictures that are to be invented.

    Attributes:
        picture: ``(n, v, H, W)``; what is worn may be anything finer than it is known.
        worn: ``(n, 1, H, W)``, from 0, known to the pixel, to `WORN`, not at all.
        like: ``(n, v, H, W)``, another picture of the same place; 0 where there is none.
        said: ``(n, MAX_WORDS, D)``, words about it; 0 where there is none.
    """

    picture: Tensor
    worn: Tensor
    like: Tensor
    said: Tensor


class Inventor(nn.Module):
    """A transformer over a picture's cells; of frames before it knows nothing.

    Args:
        values: v, of a pixel.
        side: H = W, a multiple of 16.
        width: Of a cell in it, a multiple of `HEAD`.
        words: D, of what is said.
    """

    def __init__(self, values: int, side: int, width: int, words: int):
        super().__init__()
        self.tiles, cells, inside = Tiles(values, TILES), (side // CELL) ** 2, values * 16 + 1
        self.known = nn.Sequential(
            nn.Conv2d(inside, 96, 3, padding=1), nn.SiLU(), nn.Conv2d(96, width, 2, stride=2)
        )
        self.like = nn.Sequential(
            nn.Conv2d(inside, 96, 3, padding=1), nn.SiLU(),
            nn.Conv2d(96, 192, 2, stride=2), nn.SiLU(), nn.Conv2d(192, width, 2, stride=2),
        )  # fmt: skip
        self.said = nn.Linear(words, width, bias=False)
        # One more than there are: that of a cell of which nothing is said.
        self.first, self.second = (nn.Embedding(NUM_WORDS + 1, width) for _ in range(2))
        self.places = nn.Parameter(torch.randn(cells + cells // 4 + MAX_WORDS, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, width // HEAD, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            layer, DEPTH, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.say = nn.Linear(width, NUM_WORDS)
        self.so_far = nn.Embedding(NUM_WORDS, width)
        self.say_next = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, NUM_WORDS)
        )
        for table in (self.first, self.second, self.so_far):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, words: Tensor, hint: Hint) -> Tensor:
        """Think about cells, ``(n, h * w, width)``, for `say` and `say_second`.

        Args:
            words: ``(n, EACH, h, w)``, both of a cell or neither: `NONE`.
            hint: What is known of them, made `fit`.
        """
        kind = self.say.weight.dtype
        of = words.flatten(2).remainder(NUM_WORDS + 1)  # `NONE` is the last
        cells = self.first(of[:, 0]) + self.second(of[:, 1])
        cells = cells + _listed(self.known(known(hint.picture, hint.worn).to(kind)))
        there = (hint.like != 0).flatten(1).any(dim=1)[:, None, None]
        nowhere = (hint.worn[:, :1] * 0 + WORN) * ~there[..., None]
        like = _listed(self.like(known(hint.like, nowhere).to(kind)))
        said = self.said(hint.said.to(kind))
        x = torch.cat([cells, like, said], dim=1)
        return self.blocks(x + self.places)[:, : cells.shape[1]]

    def say_second(self, thought: Tensor, first: Tensor) -> Tensor:
        """Return logits of second words where the first ones are known, ``(…, NUM_WORDS)``."""
        return self.say_next(thought + self.so_far(first))


def fit(hint: Hint) -> Hint:
    """Take out of a picture what is finer than it is known."""
    rest, kept = hint.picture, torch.zeros_like(hint.picture)
    for level in range(int(WORN)):
        blurred = rest if not level else F.interpolate(
            F.avg_pool2d(rest, 2**level), rest.shape[-2:], mode="bilinear", align_corners=False
        )  # fmt: skip
        kept = kept + blurred * (1 - (hint.worn - level).abs()).clamp(min=0)
    return hint._replace(picture=kept)


def shown(worn: Tensor) -> Tensor:
    """Return how much of each spot is to be replaced by what was invented."""
    low, high = SHOWN
    return ((worn - low) / (high - low)).clamp(0, 1)


def asked(worn: Tensor) -> Tensor:
    """Return which cells something is to be replaced in, (n, 1, H, W) -> bool (n, 1, h, w)."""
    return F.max_pool2d(shown(worn), CELL) > 0


def heard(table: nn.Embedding, tokens: Tensor, there: Tensor) -> Tensor:
    """Return what is heard of tokens ``(n, MAX_WORDS)``, see `Hint`; of some nothing is."""
    return table(tokens) * there[..., None] / table.weight.float().square().mean().sqrt()


def _listed(x: Tensor) -> Tensor:
    """(n, C, y, x) -> (n, y * x, C)."""
    return x.flatten(2).mT
