"""What rollouts in progress know of a scene beside its frames: motion, surroundings, a likeness."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from worldsim.drift import Drift
from worldsim.model import WorldTransformer
from worldsim.momentum import Gone
from worldsim.painter import Moved, Nearby
from worldsim.surroundings import Around, Surroundings

GONE = 3.2  # how worn pictures are, on average, of which too little is left


class Drawn(NamedTuple):
    """Dreamed frames ``(B, c, h, w)``.

    Attributes:
        drift: How they moved, see `Drift.of`; None: nobody says.
        around: What lies around them, see `surroundings`; None: nobody knows.
    """

    latents: Tensor
    drift: Tensor | None = None
    around: Around | None = None


class Scene:
    """Lanes side by side, as in `rollout.Rollout`; of what a network has no part for, nothing.

    Args:
        network: Says what there is to know.
        lanes: How many.
    """

    def __init__(self, network: WorldTransformer, lanes: int):
        canvas, device = network.canvas, network.device
        self._draw = canvas.draw
        # The newest frames that were really seen.
        size = canvas.side // canvas.cell
        self.seen = torch.zeros(lanes, canvas.matrix.shape[0], size, size, device=device)
        self.drift = Drift(network, lanes) if network.momentum else None
        looks = network.canvas, lanes, network.beyond
        self.around = Surroundings(*looks) if network.painter else None

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        parts = self.drift, self.around
        return (self.seen, *(x for part in parts if part for x in part.state()))

    def forget(self, lanes: Tensor, latents: Tensor) -> None:
        """Begin some lanes anew with empty frames, ``(B, c, h, w)``."""
        for state in self.state():
            state[lanes] = 0
        if self.around:
            self.around.take(lanes, self._draw(latents), None)

    def worn(self, lanes: Tensor) -> Tensor:
        """Say how worn the newest frames are, ``(B,)``; 0 where nobody knows."""
        return self.around.worn(lanes) if self.around else torch.zeros(len(lanes))

    def again(self, lanes: Tensor) -> Drawn:
        """Return the newest frames that were really seen, to go on from; nothing moves there."""
        drift = torch.zeros_like(self.drift.drift[lanes]) if self.drift else None
        return Drawn(self.seen[lanes], drift)

    def ahead(
        self, lanes: Tensor, said: Tensor, past: Tensor, time: Tensor
    ) -> tuple[Gone | None, Nearby | None]:
        """Say what is known of the next frame; arguments as of `Drift.gone`."""
        gone = self.drift.gone(lanes, said, past, time) if self.drift else None
        near = self.around.near(lanes) if self.around else None
        return gone, near and Nearby(*(x[:, None] for x in near))

    def drawn(self, lanes: Tensor, latents: Tensor, moved: Moved) -> Drawn:
        """Finish frames that follow others; nothing is remembered before `take`.

        Args:
            lanes: ``(B,)``.
            latents: ``(B, c, h, w)``.
            moved: The frames before, moved, ``(B, 1, …)``.
        """
        drift = self.drift.of(moved) if self.drift else None
        around = self.around.moved(lanes, moved) if self.around else None
        return Drawn(latents, drift, around)

    def take(
        self,
        lanes: Tensor,
        latents: Tensor,
        heard: Tensor,
        drift: Tensor | None,
        around: Around | None,
    ) -> None:
        """Take frames in, and what is heard of what led to them; see `Rollout.commit`."""
        if self.drift:
            self.drift.take(lanes, heard, drift)
        if self.around:
            self.around.take(lanes, self._draw(latents), around)
        if around is None:
            self.seen[lanes] = latents.to(self.seen)

    def take_back(self, lanes: Tensor) -> None:
        """Undo the last `take` of some lanes."""
        for part in (self.drift, self.around):
            if part:
                part.take_back(lanes)
