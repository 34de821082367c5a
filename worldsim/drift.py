"""What rollouts in progress know of motion: how the newest frame moved, what led to the last ones.

A dream knows how it moved its own pictures. Of frames that were seen that is looked up, once
somebody dreams on from them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worldsim.hindsight import GRID, Hindsight
from worldsim.model import WorldTransformer
from worldsim.momentum import STEPS, Gone, drift_of
from worldsim.painter import Moved


class Drift:
    """Lanes side by side, as in `rollout.Rollout`.

    Args:
        network: Its canvas draws what is looked at.
        lanes: How many.
    """

    def __init__(self, network: WorldTransformer, lanes: int):
        device = network.device
        self.side = network.canvas.side
        self.drift = torch.zeros(lanes, 3, GRID, GRID, device=device)
        self.known = torch.zeros(lanes, dtype=torch.bool, device=device)
        self.heard = torch.zeros(lanes, STEPS, network.config.width, device=device)
        self._hindsight = Hindsight.of(network.canvas)

    def state(self) -> tuple[Tensor, ...]:
        """Return all that changes."""
        return self.drift, self.known, self.heard

    def take(self, lanes: Tensor, heard: Tensor, drift: Tensor | None) -> None:
        """Take in what led to frames, ``(B, D)``, and how they were drawn, see `Rollout.commit`."""
        self.heard[lanes] = torch.cat([heard.float()[:, None], self.heard[lanes][:, :-1]], dim=1)
        self.known[lanes] = drift is not None
        if drift is not None:
            self.drift[lanes] = drift

    def take_back(self, lanes: Tensor) -> None:
        """Undo the last `take` of some lanes; how the frame before moved is looked up again."""
        self.heard[lanes] = torch.roll(self.heard[lanes], -1, dims=1)
        self.known[lanes] = False

    def gone(self, lanes: Tensor, said: Tensor, past: Tensor, time: Tensor) -> Gone:
        """Say what is known of the next frame.

        Args:
            lanes: ``(B,)``.
            said: ``(B, D)``, what is heard of what leads to it.
            past: ``(lanes, 2 or more, c, h, w)``, the newest frames of all lanes, the last first.
            time: ``(lanes,)``, how many frames there were.
        """
        ask = lanes[~self.known[lanes] & (time[lanes] > 1)]
        if len(ask):
            pairs = past[ask][:, [1, 0]].float().cpu().numpy()
            found = self._hindsight(pairs, np.tile([False, True], (len(ask), 1)))[:, 1]
            self.drift[ask] = torch.from_numpy(found).to(self.drift.device)
            self.known[ask] = True
        heard = torch.cat([said[:, None], self.heard[lanes][:, :-1].to(said.dtype)], dim=1)
        return Gone(self.drift[lanes][:, None].to(said.dtype), heard[:, None])

    def of(self, moved: Moved) -> Tensor:
        """Return how drawn frames moved, ``(B, 3, y, x)``."""
        return drift_of(moved.flow[:, 0], self.side, GRID)
