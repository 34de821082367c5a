"""Tells real pictures from drawn ones; exists only while the model is trained.

It looks through the eyes of the perceptual distance; one that had to learn to see from pixels told
nothing apart (`docs/decisions.md` §11). Source: Projected GANs (Sauer
et al. 2021, 2111.01007), hinge losses and spectral norms (Miyato et al. 2018, 1802.05957).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTH = 64


class Critic(nn.Module):
    """Knows nothing of what came before a picture or was to be drawn, only how pictures look.

    Args:
        channels: Of each layer of features it is shown, see `LPIPS.features`.
    """

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.heads = nn.ModuleList(_head(count) for count in channels)

    @torch.compiler.disable  # whose parameters learn changes on the way
    def forward(self, real: list[Tensor], drawn: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Judge features ``(n, C, y, x)`` of pictures.

        Returns:
            ``(n,)`` how fake the drawn ones look, through which only what drew them learns, and
            ``(n,)`` how wrong the critic is, through which only the critic learns.
        """
        self.requires_grad_(False)
        fake = torch.stack([-score.mean(dim=(1, 2, 3)) for score in self._scores(drawn)])
        self.requires_grad_(True)
        pairs = zip(self._scores(real), self._scores([x.detach() for x in drawn]), strict=True)
        wrong = [(F.relu(1 - a) + F.relu(1 + b)).mean(dim=(1, 2, 3)) for a, b in pairs]
        return fake.mean(dim=0), torch.stack(wrong).mean(dim=0)

    def _scores(self, features: list[Tensor]) -> list[Tensor]:
        """Score every place; features are unit vectors, scaled up to unit entries."""
        pairs = zip(self.heads, features, strict=True)
        return [head(x * x.shape[1] ** 0.5) for head, x in pairs]


def _head(channels: int) -> nn.Sequential:
    first, last = nn.Conv2d(channels, WIDTH, 1), nn.Conv2d(WIDTH, 1, 1)
    return nn.Sequential(spectral_norm(first), nn.LeakyReLU(0.2), spectral_norm(last))
