"""A judge that sees a few consecutive frames and says how the eye moved between the middle two.

Keys may do the right thing by too much or too little; this says by how much, in the world's own
units. It is trained on real frames and their poses, and reads motion off frames alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worldsim.watcher import Watcher, stacks_of
from worldsim.world import WorldSpec

MOTION = ("ahead", "left", "turn")  # metres, metres, degrees; as `pose_text.motion`


class Odometer(Watcher):
    """Three numbers a step.

    Attributes:
        accuracy: Mean errors on held-out real frames, ``metres`` and ``degrees``, and those of who
            says that nothing moves, ``still_metres`` and ``still_degrees``.
    """

    kind = "odometer"
    scale: Tensor

    def __init__(self, spec: WorldSpec, channels: int = 24) -> None:
        """Build one that says that nothing moves."""
        super().__init__(spec, channels, len(MOTION))
        self.register_buffer("scale", torch.ones(len(MOTION)))
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, stacks: Tensor) -> Tensor:
        """Return motions `(N, 3)` of `(N, STEPS, 3, GRID, GRID)`, in multiples of `scale`."""
        return self.watch(stacks)

    @torch.no_grad()
    def read(self, frames: np.ndarray | Tensor) -> np.ndarray:
        """Say how the eye moved in uint8 clips `(N, F, H, W, 3)`.

        Returns:
            float32 `(N, F - 4, 3)`: entry i is the motion from the clip's frame ``i + 2`` to the
            next one.
        """
        self.eval()
        parts = [(self(stacks) * self.scale).numpy() for stacks in stacks_of(frames)]
        return np.concatenate(parts).reshape(len(frames), -1, len(MOTION))


def errors(said: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return how far motions `(..., 3)` are from the true ones on average, a step."""
    off = said - true
    return {
        "metres": float(np.hypot(off[..., 0], off[..., 1]).mean()),
        "degrees": float(np.abs(off[..., 2]).mean()),
    }
