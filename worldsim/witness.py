"""How things moved around pairs of frames, for who is asked what was done between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.canvas import Canvas
from worldsim.codec import Codec, to_float
from worldsim.deed import AFTER, BEFORE
from worldsim.errors import WorldsimError
from worldsim.hindsight import Hindsight

Frames = Sequence[np.ndarray] | np.ndarray  # uint8 (B, H, W, 3)


class Stretch(NamedTuple):
    """Frames a step apart.

    Attributes:
        before: At most `BEFORE` of them.
        pair: The two between which something was done.
        after: At most `AFTER`.
    """

    before: list[np.ndarray]
    pair: list[np.ndarray]
    after: list[np.ndarray]

    @property
    def frames(self) -> list[np.ndarray]:
        """All of them."""
        return [*self.before, *self.pair, *self.after]


def stretches(
    pairs: Sequence[list[np.ndarray]],
    earlier: Sequence[Frames] | None = None,
    later: Sequence[Frames] | None = None,
) -> list[Stretch]:
    """Put the nearest frames beside pairs.

    Args:
        pairs: Two frames each.
        earlier: For each pair the frames before it, the last one next to the pair; None for none.
        later: For each pair the frames after it, the first one next to the pair.

    Raises:
        WorldsimError: There are not as many lists of frames as pairs.
    """
    for name, beside in ("earlier", earlier), ("later", later):
        if beside is not None and len(beside) != len(pairs):
            raise WorldsimError(
                f"{name}: {len(pairs)} pairs of frames have {len(beside)} lists of frames beside "
                "them: one each, empty where there are none"
            )
    none: list[list[np.ndarray]] = [[] for _ in pairs]
    return [
        Stretch([*before][-BEFORE:], pair, [*after][:AFTER])
        for before, pair, after in zip(earlier or none, pairs, later or none, strict=True)
    ]


class Witness:
    """Sees how things moved, as who learnt to tell deeds from it did.

    Args:
        codec: Frames to latents.
        canvas: Draws latents.
    """

    def __init__(self, codec: Codec, canvas: Canvas):
        self._codec, self._device = codec, canvas.matrix.device
        self._hindsight = Hindsight.of(canvas)

    @torch.inference_mode()
    def __call__(self, seen: Sequence[Stretch]) -> Tensor:
        """Return how things moved around the second frames of pairs, see `Deed`.

        Args:
            seen: Frames uint8 ``(H, W, 3)``, all of one size.

        Returns:
            ``(B, STEPS, 3, y, x)``, 0 for steps of which a frame is not there.
        """
        known = np.zeros((len(seen), BEFORE + 2 + AFTER), bool)
        shape = seen[0].pair[0].shape
        frames = np.zeros((*known.shape, *shape), np.uint8)
        for row, stretch in enumerate(seen):
            first = BEFORE - len(stretch.before)
            there = slice(first, first + len(stretch.frames))
            frames[row, there], known[row, there] = stretch.frames, True
        pixels = to_float(torch.from_numpy(frames).to(self._device).flatten(0, 1))
        latents = self._codec.encode(pixels).unflatten(0, known.shape)
        follows = np.zeros_like(known)
        follows[:, 1:] = known[:, 1:] & known[:, :-1]
        moved = self._hindsight(latents.float().cpu().numpy(), follows)
        return torch.from_numpy(moved[:, 1:])
