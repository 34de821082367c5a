"""The last words that rollouts in progress were told: a frame hears them until others are said."""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.model import WorldTransformer
from worldsim.sequence import FIRST_WORD
from worldsim.words import Words


class Heard:
    """Lanes side by side, as in `rollout.Rollout`.

    Args:
        network: Adds words up, and says what is heard of them.
        lanes: How many.
    """

    def __init__(self, network: WorldTransformer, lanes: int):
        self.network, device = network, network.device
        self.said = torch.zeros(lanes, network.config.width, device=device)  # added up
        self.said_at = torch.zeros(lanes, dtype=torch.long, device=device)  # the step

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return self.said, self.said_at

    def take(self, lanes: Tensor, text: Words, time: Tensor) -> None:
        """Remember words, if there are any; `time`, ``(B,)``, is that of the coming frame."""
        words = text.valid.bool() & (text.places >= FIRST_WORD)
        said = self.network.add_up(text.ids.long(), words[:, None])[:, 0].float()
        new = words.any(dim=1)
        self.said[lanes] = torch.where(new[:, None], said, self.said[lanes])
        now = (time - 1).clamp(min=0)
        self.said_at[lanes] = torch.where(new, now, self.said_at[lanes])

    def now(self, lanes: Tensor, time: Tensor) -> Tensor:
        """Return what is heard of the words that lead to the next frame, ``(B, D)``."""
        age = (time - 1 - self.said_at[lanes]).clamp(min=0)
        return self.network.hear(self.said[lanes].to(self.network.dtype), age)
