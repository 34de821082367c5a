"""What a frame hears of the words that lead to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INSIDE = 384  # width of what is between the two layers
AGES = 16  # steps for which it is told apart how long ago something was said


class Hearing(nn.Module):
    """Finds "turn left" again in "for the next 4 steps turn left", and that it is over after these.

    Words are added up, which needs no search and no training; but the more of them there are, the
    less of what counts is in the sum. What is missing is added here, by a sum's direction and by
    how long ago it was said. Untrained, that is nothing. No words have no sum and are not heard.

    It sees no order: "12" and "21" are the same to it.

    Args:
        width: D, of a word.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Linear(width + AGES, INSIDE)
        self.second = nn.Linear(INSIDE, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, said: Tensor, age: Tensor) -> Tensor:
        """Return what is heard, ``(…, D)``.

        Args:
            said: ``(…, D)``, words added up.
            age: ``(…)``, how many frames were drawn since they were said.
        """
        power = said.square().mean(dim=-1, keepdim=True)
        size = power.clamp(min=1e-12).sqrt() * (power > 0)  # a root of 0 has no gradient
        ages = (age[..., None] > torch.arange(AGES, device=age.device)).to(said.dtype)
        heard = torch.cat([said / size.clamp(min=1e-6), ages], dim=-1)
        return said + size * self.second(F.silu(self.first(heard)))
