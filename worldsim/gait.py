"""How whole pictures go on moving when keys are pressed: roughly, and without looking at them.

How fast something speeds up, turns or comes to rest hardly depends on what there is to see. Who
looks at no picture can learn it from a hundred times as many steps, and from long stretches at
once: what fades a little at every step is gone after ten, and who learns one step cannot know.
Nothing here knows of cameras, of depth or of the meaning of any key.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 4  # places along each side of a picture
UNIT = 1 / 16  # widths of a picture that something moves in a step


class Gait(nn.Module):
    """Three layers; untrained, they say that things go on as they did.

    Args:
        steps: Frames whose words are heard, see `momentum.STEPS`.
        width: D, of what is heard of a frame.
        inside: Width of the layers.
    """

    def __init__(self, steps: int, width: int, inside: int):
        super().__init__()
        self.went = nn.Linear(3 * SIDE**2, inside)
        self.norm = nn.RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.hear = nn.Linear(steps * width, inside)
        self.think = nn.Sequential(nn.SiLU(), nn.Linear(inside, inside), nn.SiLU())
        self.change = nn.Linear(inside, 2 * SIDE**2)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, drift: Tensor, said: Tensor) -> Tensor:
        """Say how a picture goes on.

        Args:
            drift: ``(n, 3, SIDE, SIDE)``, how things moved and how far that is to be trusted, see
                `momentum.Gone`.
            said: ``(n, steps, D)``, what is heard, of the coming frame first.

        Returns:
            ``(n, 2, SIDE, SIDE)`` where what is in the coming picture is in the last one, on
            average around each place, in widths of a picture right and down.
        """
        went, sure = drift.split([2, 1], dim=1)
        known = torch.cat([went / UNIT, sure], dim=1).flatten(1).to(self.went.weight.dtype)
        x = self.went(known) + self.hear(self.norm(said.to(known.dtype)).flatten(1))
        return went + UNIT * self.change(self.think(x)).unflatten(1, (2, SIDE, SIDE)).to(went)


def roughly(field: Tensor) -> Tensor:
    """Return the mean of a field ``(n, v, y, x)`` around each of `SIDE` × `SIDE` places."""
    return F.adaptive_avg_pool2d(field, SIDE)


def drawn_out(rough: Tensor, side: int) -> Tensor:
    """Draw a field ``(n, v, SIDE, SIDE)`` finer, ``(n, v, side, side)``; at its edges slopes go on.

    Else what turns as a whole would turn less and less there, and straight things bend.
    """
    for dim in (2, 3):
        first, second, *_, other, last = rough.split(1, dim=dim)
        rough = torch.cat([2 * first - second, rough, 2 * last - other], dim=dim)
    margin = side // SIDE
    wide = F.interpolate(rough, side + 2 * margin, mode="bilinear", align_corners=False)
    return wide[..., margin:-margin, margin:-margin]
