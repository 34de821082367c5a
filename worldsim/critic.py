"""Tells real pictures from drawn ones, patch by patch; exists only while the model is trained.

Source: adversarial training with hinge losses and spectral norms (Miyato et al. 2018, 1802.05957)
on patches (Isola et al. 2017, 1611.07004).
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class Critic(nn.Module):
    """Knows nothing of what came before a picture or was to be drawn, only how pictures look.

    Args:
        widths: Channels of the layers, each of which halves the picture.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128)):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((3, *widths)):
            conv = nn.Conv2d(before, after, 4, stride=2, padding=1)
            layers += [spectral_norm(conv), nn.LeakyReLU(0.2)]
        last = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.layers = nn.Sequential(*layers, last)

    def forward(self, pictures: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Judge pictures ``(n, 3, H, W)`` in [-1, 1].

        Returns:
            ``(n,)`` how fake the drawn ones look, through which only what drew them learns, and
            ``(n,)`` how wrong the critic is, through which only the critic learns.
        """
        self.requires_grad_(False)
        fake = -self._score(drawn)
        self.requires_grad_(True)
        wrong = F.relu(1 - self.layers(pictures)) + F.relu(1 + self.layers(drawn.detach()))
        return fake, wrong.mean(dim=(1, 2, 3))

    def _score(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures).mean(dim=(1, 2, 3))
