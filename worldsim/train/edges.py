"""When all else is learnt: what lies beyond the edges of pictures (`Beyond`).

Part of a recorded frame is hidden, and is to be found again in the rest. It needs no play, only
frames, and sees many more of them than an update of everything could.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.beyond import FAR, SIDES, Beyond, over_edge, towards
from worldsim.canvas import Canvas
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.model import WorldTransformer
from worldsim.precision import fast
from worldsim.train.latents import Track
from worldsim.train.parts import Lessons, chances_of, learn_alone
from worldsim.train.run import RunFolder

OFTEN = 0.3, 0.3, 0.3, 0.1  # how often each of the `SIDES` is hidden
PIXELS = 0.5  # how much it counts how far pixels are off, beside LPIPS


class Hidden(NamedTuple):
    """Frames ``(n, c, h, w)`` and how many pixels of a side, `SIDES`, are hidden, ``(n,)``."""

    latents: Tensor
    pixels: Tensor
    side: str


class Album:
    """Shows frames of recorded play; a function of the seed and the number of an update.

    Args:
        latents: All frames.
        tracks: Recorded play, labelled or not.
        shares: How often frames are of each world, as in `BatchConfig.shares`.
        side: H = W, of a frame.
        seed: Of what is shown.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: Sequence[Track],
        shares: Mapping[str, float],
        side: int,
        seed: int = 0,
    ):
        self.latents, self.tracks, self.side, self.seed = latents, tracks, side, seed
        self._chances = chances_of(tracks, shares)

    def __call__(self, step: int, count: int) -> Hidden:
        """Show so many frames; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 6])
        chosen = [self.tracks[k] for k in rng.choice(len(self.tracks), count, p=self._chances)]
        at = rng.integers([len(track.actions) + 1 for track in chosen])
        pairs = zip(chosen, at, strict=True)
        frames = np.concatenate([t.frames(self.latents, int(k), 1) for t, k in pairs])
        pixels = rng.integers(self.side // 16, round(FAR * self.side) + 1, count)
        side = SIDES[int(rng.choice(len(SIDES), p=OFTEN))]
        return Hidden(torch.from_numpy(frames), torch.from_numpy(pixels), side)


class Wrong:
    """How far what is said to lie beyond an edge is from what does, to LPIPS and by pixel."""

    def __init__(self, canvas: Canvas, beyond: Beyond):
        self.canvas, self.beyond = canvas, beyond
        self.lpips = LPIPS.load(canvas.matrix.device)

    def __call__(self, hidden: Hidden) -> Tensor:
        """Return a number."""
        picture = towards(self.canvas.draw(hidden.latents), hidden.side)
        drawn = self.beyond(over_edge(picture, hidden.pixels), hidden.side)
        return self.lpips(picture, drawn).mean() + PIXELS * (picture - drawn).abs().mean()


def fit_beyond(
    network: WorldTransformer,
    album: Album,
    run: RunFolder,
    steps: int,
    pictures: int = 32,
    rate: float = 4e-4,
) -> None:
    """Let a network's `Beyond` learn, or take what an earlier call has learnt in this run.

    Args:
        network: Nothing else of it learns.
        album: Shows frames.
        run: Its folder keeps what was learnt.
        steps: Updates.
        pictures: Of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    beyond = network.beyond
    if beyond is None:
        raise WorldsimError(f"edge_steps={steps}: nobody looks there, set model.beyond_width=48")
    device, wrong = network.device, Wrong(network.canvas, beyond)
    lessons = Lessons("beyond", steps, rate, rise=0.02)

    def off(shown: Hidden) -> list[Tensor]:
        hidden = Hidden(shown.latents.to(device), shown.pixels.to(device), shown.side)
        with fast(device):
            return [wrong(hidden)]

    learn_alone(beyond, run, lessons, lambda step: album(step, pictures), off)
