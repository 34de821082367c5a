"""Before anything is drawn: how things go on moving, learnt by itself.

An update of everything shows a hundred frames in two seconds, most of them spent on what pictures
look like. How they move is a question of its own with an answer that can be looked up (`hindsight`)
and wants hundreds of thousands of frames. Pictures are moved here and never mended, some
steps on from recorded ones, so that what is slightly wrong at one step is met at the next: what
slows down a little at each of three steps stands still after ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.advection import advect
from worldsim.distances import apart
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID, Hindsight
from worldsim.model import WorldTransformer
from worldsim.momentum import STEPS, Momentum, drift_of
from worldsim.painter import polynomials
from worldsim.precision import fast
from worldsim.train.latents import Track
from worldsim.train.parts import Lessons, chances_of, learn_alone
from worldsim.train.run import RunFolder

NOTHING = -1  # in the place of a token
UNHEARD = 0.1  # of the clips say nothing of what was done
UNSEEN = 0.2  # of them nothing of how things moved before
ASTRAY = 0.3  # weight of a pixel of flow beside the error of what is moved
DOUBTED = 0.2  # how much a place at least has to say, of which anything is known
WHOLE = 0.5  # weight of a pixel by which a whole picture slides, grows or turns too far


class Clips(NamedTuple):
    """Stretches of recorded play, two frames and `ahead` more.

    Attributes:
        latents: ``(n, 2 + ahead, c, h, w)``.
        words: ``(n, STEPS - 1 + ahead, L)`` tokens of what led to frames, padded; the last `ahead`
            lead to the frames ahead.
        motion: ``(n, 1 + ahead, 3, y, x)``, see `Hindsight`, of every frame but the first; of the
            second 0 in some clips.
    """

    latents: Tensor
    words: Tensor
    motion: Tensor


class Lesson:
    """Cuts clips out of labelled play; a function of the seed and the number of an update.

    Args:
        latents: All frames.
        tracks: Recorded play.
        hindsight: Says how things moved.
        shares: How often clips are of each world, as in `BatchConfig.shares`.
        seed: Of the clips.
        ahead: Steps on from two recorded frames.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: Sequence[Track],
        hindsight: Hindsight,
        shares: Mapping[str, float],
        seed: int = 0,
        ahead: int = 6,
    ):
        self.latents, self.hindsight = latents, hindsight
        self.seed, self.ahead = seed, ahead
        self.tracks = [t for t in tracks if t.labelled and len(t.actions) > ahead]
        if not self.tracks:
            raise WorldsimError("no labelled play to learn motion from: raise batch.labelled_share")
        self._chances = chances_of(self.tracks, shares, ahead)

    def __call__(self, step: int, count: int) -> Clips:
        """Cut so many clips; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 3])
        chosen = rng.choice(len(self.tracks), size=count, p=self._chances)
        frames, words = list[np.ndarray](), list[list[list[int]]]()
        for track in (self.tracks[k] for k in chosen):
            now = 1 + int(rng.integers(len(track.actions) - self.ahead))
            frames.append(track.frames(self.latents, now - 1, 2 + self.ahead))
            said = [
                track.actions[at] if at >= 0 else []
                for at in range(now - STEPS + 1, now + self.ahead)
            ]
            words.append([[] for _ in said] if rng.random() < UNHEARD else said)
        latents = np.stack(frames)
        follows = np.broadcast_to(np.arange(latents.shape[1]) > 0, latents.shape[:2])
        motion = self.hindsight(latents, follows)[:, 1:]
        motion[rng.random(count) < UNSEEN, 0] = 0
        longest = max(1, max(len(ids) for said in words for ids in said))
        ids = [[one + [NOTHING] * (longest - len(one)) for one in said] for said in words]
        return Clips(torch.from_numpy(latents), torch.tensor(ids), torch.from_numpy(motion))


def fit_momentum(
    network: WorldTransformer,
    lesson: Lesson,
    run: RunFolder,
    steps: int,
    clips: int = 16,
    rate: float = 4e-4,
) -> None:
    """Let a network's `Momentum` learn, or take what an earlier call has learnt in this run.

    Args:
        network: Nothing else of it learns.
        lesson: Cuts clips.
        run: Its folder keeps what was learnt.
        steps: Updates.
        clips: Of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    momentum = network.momentum
    if momentum is None:
        raise WorldsimError(
            f"momentum_steps={steps}: nothing has momentum, set model.momentum_width=96"
        )
    lessons = Lessons("momentum", steps, rate, decay=0.02)

    def off(shown: Clips) -> Iterator[Tensor]:
        clips_here = Clips(*(x.to(network.device) for x in shown))
        return (one / lesson.ahead for one in unrolled(network, momentum, clips_here))

    learn_alone(momentum, run, lessons, lambda step: lesson(step, clips), off)


def unrolled(network: WorldTransformer, momentum: Momentum, shown: Clips) -> Iterator[Tensor]:
    """Move pictures on and on; yield how wrong each step is, with a gradient of that step alone."""
    canvas, (count, frames) = network.canvas, shown.latents.shape[:2]
    with torch.no_grad():
        real = canvas.draw(shown.latents.flatten(0, 1)).unflatten(0, (count, frames))
        said = _heard(network, shown.words)
    before, now, drift = real[:, 0], real[:, 1], shown.motion[:, 0]
    for k in range(frames - 2):
        led = said[:, k : k + STEPS].flip(1)  # of the coming frame first
        with fast(real.device):
            flow = momentum(torch.stack([now, before], dim=1), drift, led).float()
        moved, truth = advect(now, flow), real[:, 2 + k]
        wrong = apart(moved, truth, torch.ones_like(truth[:, :1])).mean()
        yield wrong + _astray(flow, shown.motion[:, 1 + k], canvas.side)
        before, now = now, moved.detach().clamp(-1, 1)
        drift = drift_of(flow.detach(), canvas.side, GRID)


def trusted(trust: Tensor) -> Tensor:
    """Return how much places ``(n, 1, y, x)`` have to say; of what nothing is known, nothing."""
    return trust + DOUBTED * (trust.amax(dim=(1, 2, 3), keepdim=True) > 0)


def _astray(flow: Tensor, motion: Tensor, pixels: int) -> Tensor:
    """Return by how much flow is not how things moved, place by place and as a whole.

    A single place is often not sure, and who is not sure is off least by moving too little. How far
    a whole picture slides, grows or turns is known better than how far any of its places goes.
    """
    true, trust = motion.split([2, 1], dim=1)
    weight = trusted(trust)
    off = (F.adaptive_avg_pool2d(flow, true.shape[-1]) - true * pixels) * weight
    ways = math.sqrt(3) * polynomials(true.shape[-1], 1).to(off)  # of place, the first the mean
    ways[0] = 1
    total = weight.sum(dim=(1, 2, 3)) + 0.03 * off[0, 0].numel()
    whole = torch.einsum("nayx,tyx->nat", off, ways).abs().sum(dim=(1, 2)) / total
    return ASTRAY * off.abs().sum(dim=1).mean() + WHOLE * whole.mean()


def _heard(network: WorldTransformer, words: Tensor) -> Tensor:
    """(n, steps, L) tokens -> (n, steps, D), as they are heard at once."""
    spoken = network.words(words.clamp(min=0)) * (words != NOTHING)[..., None]
    said = spoken.sum(dim=2)
    return network.hear(said, torch.zeros_like(words[..., 0]))
