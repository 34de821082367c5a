"""Pictures as words: every cell of one is named by two words of a fixed list, and drawn from them.

What is drawn from words is one thing or another, never the mean of all that may be there. Sources:
finite scalar quantization (Mentzer et al. 2023, 2309.15505); a decoder told the known part of its
picture, as of image completion (MAGVIT, Yu et al. 2022, 2212.05199).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.advection import WORN
from worldsim.residual import Residual

CELL = 8  # pixels along each side of a cell
FOLD = 4  # of these that are folded into channels before any convolution
EACH = 2  # words for a cell
LEVELS = 7, 5, 5, 5  # numbers whose steps make up a word; odd ones, so that 0 is among them
NUM_WORDS = 7 * 5 * 5 * 5
NONE = -1  # in the place of a word


class Tiles(nn.Module):
    """Names cells of pictures, and draws them.

    Args:
        values: v, of a pixel.
        width: Channels where a spot is `FOLD` pixels, a multiple of 8; twice as many in cells.
    """

    steps: Tensor

    def __init__(self, values: int, width: int):
        super().__init__()
        inside, wide, numbers = values * FOLD**2, 2 * width, EACH * len(LEVELS)
        self.look = nn.Sequential(
            nn.Conv2d(inside, width, 3, padding=1), Residual(width), Residual(width),
            nn.Conv2d(width, wide, 2, stride=2), Residual(wide), Residual(wide),
            nn.GroupNorm(8, wide), nn.SiLU(), nn.Conv2d(wide, numbers, 1),
        )  # fmt: skip
        self.known = nn.Conv2d(inside + 1, width, 3, padding=1)
        self.down = nn.Conv2d(width, wide, 2, stride=2)
        self.named = nn.Conv2d(numbers + 1, wide, 3, padding=1)
        self.before = nn.Sequential(*(Residual(wide) for _ in range(3)))
        self.up = nn.Conv2d(wide, 4 * width, 1)
        self.after = nn.Sequential(*(Residual(width) for _ in range(3)))
        self.draw = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, inside, 3, padding=1)
        )
        steps = torch.tensor([level // 2 for level in LEVELS] * EACH)[:, None, None]
        self.register_buffer("steps", steps, persistent=False)

    def numbers(self, picture: Tensor) -> Tensor:
        """Say what cells are, ``(n, v, H, W)`` -> whole numbers ``(n, EACH * 4, h, w)``.

        Their slope is that of the numbers before they were rounded.
        """
        said = self.look(F.pixel_unshuffle(picture.to(self.up.weight.dtype), FOLD))
        bounded = said.float().tanh() * self.steps
        return bounded + (bounded.round() - bounded).detach()

    def words(self, numbers: Tensor) -> Tensor:
        """Name numbers, ``(n, EACH * 4, h, w)`` -> ``(n, EACH, h, w)`` below `NUM_WORDS`."""
        digits = (numbers + self.steps).long().unflatten(1, (EACH, -1))
        word = torch.zeros_like(digits[:, :, 0])
        for place, level in enumerate(LEVELS):
            word = word * level + digits[:, :, place]
        return word

    def meant(self, words: Tensor) -> Tensor:
        """Return the numbers that words name; 0 for `NONE`."""
        rest = words.clamp(min=0)
        digits: list[Tensor] = []
        for level in reversed(LEVELS):
            digits.insert(0, rest % level)
            rest = rest // level
        numbers = torch.stack(digits, dim=2).flatten(1, 2) - self.steps
        return numbers * (words >= 0).repeat_interleave(len(LEVELS), dim=1)

    def forward(self, numbers: Tensor, asked: Tensor, picture: Tensor, worn: Tensor) -> Tensor:
        """Draw pictures, float32 ``(n, v, H, W)``.

        Args:
            numbers: ``(n, EACH * 4, h, w)``, of cells that are asked for.
            asked: ``(n, 1, h, w)``, 1 for those, else 0.
            picture: ``(n, v, H, W)``, what is known of them, see `inventor.Hint`.
            worn: ``(n, 1, H, W)``.
        """
        kind = self.up.weight.dtype
        fine = self.known(known(picture, worn).to(kind))
        named = torch.cat([numbers / self.steps * asked, asked], dim=1).to(kind)
        x = self.before(self.named(named) + self.down(fine))
        x = self.after(F.pixel_shuffle(self.up(x), 2) + fine)
        return F.pixel_shuffle(self.draw(x), FOLD).float()


def known(picture: Tensor, worn: Tensor) -> Tensor:
    """Fold what is known of pictures into channels, (n, v * FOLD² + 1, y, x)."""
    folded = F.pixel_unshuffle(picture, FOLD), F.avg_pool2d(2 * worn / WORN - 1, FOLD)
    x = torch.cat(folded, dim=1)
    return x.contiguous(memory_format=torch.channels_last)  # faster on CPUs
