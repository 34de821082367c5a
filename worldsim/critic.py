"""Tells real pictures from drawn ones; exists only while the model is trained.

It looks through the eyes of the perceptual distance, from close by; one that had to learn to see
from pixels told nothing apart (`docs/decisions.md` §11), one that looks from where the distance
does took eight dreams of ten for what they are and not nearly all (§48). Source: Projected GANs
(Sauer et al. 2021, 2111.01007), hinge losses and spectral norms (Miyato et al. 2018, 1802.05957).
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTH = 64
CLOSER = 2  # times as large are the pictures it looks at


class Features(Protocol):
    """What sees pictures ``(n, 3, H, W)`` in [-1, 1]."""

    def features(self, images: Tensor) -> list[Tensor]:
        """Return layers of features, ``(n, C, y, x)`` each."""
        ...


class Critic(nn.Module):
    """Knows nothing of what came before a picture or was to be drawn, only how pictures look.

    Args:
        channels: Of each layer of features it is shown, see `LPIPS.features`.
    """

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.heads = nn.ModuleList(_head(count) for count in channels)

    @torch.compiler.disable  # whose parameters learn changes on the way, and so does n
    def forward(self, sight: Features, real: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Judge pictures ``(n, 3, H, W)`` in [-1, 1]; n may be 0.

        Returns:
            ``(n,)`` how fake the drawn ones look, through which only what drew them learns, and
            ``(n,)`` how wrong the critic is, through which only the critic learns.
        """
        if not len(drawn):
            return drawn.new_zeros(0), drawn.new_zeros(0)
        with torch.no_grad():
            real_seen = sight.features(_closer(real))
        drawn_seen = sight.features(_closer(drawn))
        self.requires_grad_(False)
        fake = torch.stack([-score.mean(dim=(1, 2, 3)) for score in self._scores(drawn_seen)])
        self.requires_grad_(True)
        scores = self._scores(real_seen), self._scores([x.detach() for x in drawn_seen])
        wrong = [
            (F.relu(1 - a) + F.relu(1 + b)).mean(dim=(1, 2, 3))
            for a, b in zip(*scores, strict=True)
        ]
        return fake.mean(dim=0), torch.stack(wrong).mean(dim=0)

    def _scores(self, features: list[Tensor]) -> list[Tensor]:
        """Score every place; features are unit vectors, scaled up to unit entries."""
        pairs = zip(self.heads, features, strict=True)
        return [head(x * x.shape[1] ** 0.5) for head, x in pairs]


def _closer(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, scale_factor=CLOSER, mode="bilinear")


def _head(channels: int) -> nn.Sequential:
    first, last = nn.Conv2d(channels, WIDTH, 1), nn.Conv2d(WIDTH, 1, 1)
    return nn.Sequential(spectral_norm(first), nn.LeakyReLU(0.2), spectral_norm(last))
