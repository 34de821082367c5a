"""The model's own guesses, shown to it as history while it learns.

A rollout's history is never real, and what is slightly wrong at one step is its past at the next.
So the same play is shown several times in a row, from the second time on with what was guessed of
it the time before in the place of what really was. Sources: dataset aggregation (Ross et al. 2011,
1011.0686), self-forcing (Huang et al. 2025, 2506.08009), of which this is one step at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from worldsim.codec import to_uint8
from worldsim.objective import Batch

CONTEXT = 2  # real frames that a window begins with: a rollout has some, too


class Echo:
    """Remembers what was guessed; knows nothing of losses.

    Args:
        draw: Latents ``(n, c, h, w)`` to pictures in [-1, 1].
    """

    def __init__(self, draw: Callable[[Tensor], Tensor]):
        self.draw = draw
        self.seen: tuple[Tensor, Tensor] | None = None  # latents in halves, and pictures

    def into(self, batch: Batch, number: int) -> Batch:
        """Show what was guessed as history, unless a batch is the first of its play."""
        if self.seen is None or number == 0:
            return batch
        latents, pictures = (x.to(batch.latents.device) for x in self.seen)
        later = batch.frame_time >= CONTEXT
        return batch._replace(
            seen=torch.where(_wide(later), latents.to(batch.latents.dtype), batch.latents),
            seen_pictures=torch.where(_wide(later), pictures, batch.pictures),
        )

    @torch.no_grad()
    def keep(self, guess: Tensor) -> None:
        """Remember guessed frames ``(B, F, c, h, w)``."""
        drawn = self.draw(guess.float().flatten(0, 1))
        self.seen = guess.half(), to_uint8(drawn).unflatten(0, guess.shape[:2])


def _wide(values: Tensor) -> Tensor:
    """(B, F) -> (B, F, 1, 1, 1)."""
    return values[:, :, None, None, None]
