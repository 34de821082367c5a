"""A judge that sees a few consecutive frames and names the action between the middle two.

It is trained on real frames only and then asked about dreamed ones: where it names the actions
of a dream about as often as those of the real world, the keys do in the dream what they do there.
Some actions leave no trace (walking into a wall), so it is never perfect on real frames either:
compare the two accuracies, not with 1.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worldsim.watcher import Watcher, stacks_of
from worldsim.world import OPPOSITES, WorldSpec


class Judge(Watcher):
    """One head for each pair of opposite words.

    Attributes:
        axes: Pairs of opposite words, such as ``["forward", "back"]``.
        accuracy: Shares of what is named rightly: ``exact`` and one figure an axis.
    """

    kind = "judge"
    codes: Tensor

    def __init__(self, spec: WorldSpec, channels: int = 24) -> None:
        """Build an untrained judge for the actions of `spec`."""
        axes = axes_of(spec)
        super().__init__(spec, channels, 3 * len(axes))
        self.axes = axes
        self.register_buffer("codes", action_codes(spec), persistent=False)

    def forward(self, stacks: Tensor) -> Tensor:
        """Return logits `(N, axes, 3)`: neither, first word, second; see `Watcher.watch`."""
        return self.watch(stacks).view(len(stacks), len(self.axes), 3)

    @torch.no_grad()
    def name(self, frames: np.ndarray | Tensor) -> np.ndarray:
        """Name the actions in uint8 clips `(N, F, H, W, 3)`.

        Returns:
            int64 `(N, F - 4)` action indices: entry i is the action between the clip's frames
            ``i + 2`` and ``i + 3``.
        """
        self.eval()
        parts = [self.decide(self(stacks)) for stacks in stacks_of(frames)]
        return np.concatenate(parts).reshape(len(frames), -1)

    def decide(self, logits: Tensor) -> np.ndarray:
        """Return the most likely action that exists; it need not be every axis' favourite."""
        log_probs = logits.log_softmax(-1)
        scores = [log_probs[:, i, self.codes[:, i]] for i in range(len(self.axes))]
        return torch.stack(scores).sum(0).argmax(-1).cpu().numpy()

    def compare(self, named: np.ndarray, true: np.ndarray) -> dict[str, float]:
        """Return the share of `named` actions equal to `true`: ``exact`` and by axis."""
        codes = self.codes.cpu().numpy()
        result = {"exact": float((named == true).mean())}
        for i, axis in enumerate(self.axes):
            result["/".join(axis)] = float((codes[named, i] == codes[true, i]).mean())
        return result


def axes_of(spec: WorldSpec) -> list[list[str]]:
    """Return the pairs of opposite words of a world, such as ``[["forward", "back"], …]``."""
    axes: list[list[str]] = []
    for word in spec.elements:
        if not any(word in axis for axis in axes):
            axes.append([word, OPPOSITES.get(word, "")])
    return axes


def action_codes(spec: WorldSpec) -> Tensor:
    """Return int64 `(actions, axes)`: 0 neither word of the axis, 1 the first, 2 the second."""
    codes = torch.zeros(len(spec.actions), len(axes_of(spec)), dtype=torch.long)
    for row, axis in enumerate(axes_of(spec)):
        for code, word in enumerate(axis, start=1):
            for index, action in enumerate(spec.actions):
                if word and f" {word} " in f" {action} ":
                    codes[index, row] = code
    return codes
