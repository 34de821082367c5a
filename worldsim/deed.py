"""What was done between two frames, as how things moved before, meanwhile and afterwards tells it.

Two frames show that something moves, not who moves it: what goes on moving by itself looks like
what is pushed. What is done shows in how motion *changes*. So who asks about the way to a frame is
shown how things moved over some steps around it, see `Hindsight`, and nothing else: no picture.
Like a `Glance` it is seen by what is asked alone, so no picture depends on it. Nothing here knows
of cameras, of depth, of worlds or of the meaning of any key.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.hindsight import GRID

BEFORE, AFTER = 2, 1  # steps before the one that is asked about, and after it
STEPS = BEFORE + 1 + AFTER
UNIT = 1 / 20  # widths of a picture that something moves in a step
FASTEST = 4.0  # of these that count
HALVINGS = 2  # of the places along each side


class Done(NamedTuple):
    """What is seen of the steps around frames.

    Attributes:
        seen: ``(B, F, W)``.
        known: ``(B, F)``, whether anything is known of how things moved around a frame.
    """

    seen: Tensor
    known: Tensor


class Deed(nn.Module):
    """Looks at motion, and helps to answer; untrained it adds nothing.

    Args:
        first: Channels at the finest size, a multiple of 8; as many more at each coarser one.
        width: D, of a token.
    """

    def __init__(self, first: int, width: int):
        super().__init__()
        widths = [first * (k + 1) for k in range(HALVINGS + 1)]
        self.looks = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=1 if k == 0 else 2, padding=1)
            for k, (a, b) in enumerate(zip([3 * STEPS, *widths], widths, strict=False))
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, w) for w in widths)
        self.mix = nn.Linear(widths[-1] * (GRID >> HALVINGS) ** 2, 2 * width)
        self.text_norm = nn.RMSNorm(width)
        self.weigh = nn.Linear(3 * width, 2 * width)
        self.said = nn.Linear(2 * width, width)
        nn.init.zeros_(self.said.weight)
        nn.init.zeros_(self.said.bias)

    def forward(self, motions: Tensor) -> Tensor:
        """Look at some steps at once.

        Args:
            motions: ``(n, STEPS, 3, GRID, GRID)``, the earliest first, as `Hindsight` has them;
                zeros where a step is not known.

        Returns:
            ``(n, 2 D)``.
        """
        went, sure = motions.split([2, 1], dim=2)
        x = torch.cat([(went / UNIT).clamp(-FASTEST, FASTEST), sure], dim=2).flatten(1, 2)
        x = x.to(self.mix.weight.dtype)
        for look, norm in zip(self.looks, self.norms, strict=True):
            x = F.silu(norm(look(x)))
        return F.silu(self.mix(x.flatten(1)))

    def see(self, motions: Tensor) -> Done:
        """Look at the steps around frames, ``(B, F, STEPS, 3, GRID, GRID)``."""
        known = motions.flatten(2).any(dim=2)
        return Done(self(motions.flatten(0, 1)).unflatten(0, known.shape), known)

    def answer(self, text: Tensor, done: Done, of: Tensor) -> Tensor:
        """Return what words that ask about a frame make of what was done; 0 for all others.

        Args:
            text: ``(B, L, D)``.
            done: What is seen.
            of: ``(B, L)`` number of the frame that text asks about, -1 where it asks about none.

        Returns:
            ``(B, L, D)``; 0 also where nothing is known of how things moved.
        """
        lane = torch.arange(len(of), device=of.device)[:, None]
        frame = of.clamp(min=0)
        both = torch.cat([self.text_norm(text), done.seen[lane, frame].to(text.dtype)], dim=2)
        heard = done.known[lane, frame] & (of >= 0)
        return self.said(F.silu(self.weigh(both))) * heard[..., None]
