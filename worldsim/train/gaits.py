"""Before anything is drawn: how whole pictures go on moving, learnt from motion alone.

No picture is drawn here and none is compared. Of all frames it is looked up once how they moved;
long stretches of that, hundreds at a time, are then gone through step by step, each going on from
what was said of the one before, and what is wrong at the last step is told to the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.errors import WorldsimError
from worldsim.gait import SIDE, UNIT, Gait, roughly
from worldsim.model import WorldTransformer
from worldsim.momentum import FASTEST, STEPS
from worldsim.painter import polynomials
from worldsim.train.latents import Track
from worldsim.train.momenta import UNHEARD, UNSEEN, trusted
from worldsim.train.parts import Lessons, chances_of, learn_alone
from worldsim.train.run import RunFolder

AHEAD = 12  # steps of a stretch


class Stretches(NamedTuple):
    """Some stretches of recorded play.

    Attributes:
        moved: ``(n, 1 + AHEAD, 3, SIDE, SIDE)``, how things moved, roughly; the first is what
            is known of the step before.
        did: ``(n, STEPS - 1 + AHEAD)``, which of the actions led to frames; the last `AHEAD` lead
            to those ahead.
    """

    moved: Tensor
    did: Tensor


class Lesson:
    """Cuts stretches out of labelled play; a function of the seed and the number of an update.

    Args:
        moved: How all frames moved, see `motions.look_up`; what is seen around a place is taken
            together.
        tracks: Recorded play.
        shares: How often stretches are of each world, as in `BatchConfig.shares`.
        seed: Of the stretches.

    Attributes:
        actions: Tokens of every action there is, and none at all as the last.
    """

    def __init__(
        self,
        moved: np.ndarray,
        tracks: Sequence[Track],
        shares: Mapping[str, float],
        seed: int = 0,
    ):
        self.moved, self.seed = moved, seed
        self.tracks = [t for t in tracks if t.labelled and len(t.actions) > AHEAD]
        if not self.tracks:
            raise WorldsimError(
                f"no labelled play of {AHEAD + 1} steps to learn motion from: raise "
                "batch.labelled_share, or collect longer episodes"
            )
        number: dict[tuple[int, ...], int] = {}
        self._did = [
            np.array([number.setdefault(tuple(ids), len(number)) for ids in track.actions])
            for track in self.tracks
        ]
        self.actions: list[list[int]] = [*map(list, number), []]
        self._chances = chances_of(self.tracks, shares, AHEAD)

    def __call__(self, step: int, count: int) -> Stretches:
        """Cut so many stretches; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 9])
        moved = torch.empty(count, 1 + AHEAD, 3, SIDE, SIDE)
        did = np.full((count, STEPS - 1 + AHEAD), len(self.actions) - 1)
        for row, k in enumerate(rng.choice(len(self.tracks), size=count, p=self._chances)):
            track, done = self.tracks[k], self._did[k]
            now = 1 + int(rng.integers(len(done) - AHEAD))
            stretch = self.moved[track.start + now : track.start + now + 1 + AHEAD]
            moved[row] = roughly(torch.from_numpy(stretch.astype(np.float32)))
            before = done[max(0, now - STEPS + 1) : now + AHEAD]
            if rng.random() >= UNHEARD:
                did[row, -len(before) :] = before
        moved[torch.from_numpy(rng.random(count) < UNSEEN), 0] = 0
        return Stretches(moved, torch.from_numpy(did))


def fit_gait(
    network: WorldTransformer,
    lesson: Lesson,
    run: RunFolder,
    steps: int,
    stretches: int = 256,
    rate: float = 2e-3,
) -> None:
    """Let a network's `Gait` learn, or take what an earlier call has learnt in this run.

    Args:
        network: Nothing else of it learns.
        lesson: Cuts stretches.
        run: Its folder keeps what was learnt.
        steps: Updates.
        stretches: Of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    gait, device = network.momentum.gait if network.momentum else None, network.device
    if gait is None:
        raise WorldsimError(
            f"gait_steps={steps}: nothing has a gait, set model.momentum_width=96 and "
            "model.gait_width=384"
        )
    heard = heard_of(network, lesson.actions)
    lessons = Lessons("gait", steps, rate, rise=0.1, decay=0.05)

    def off(shown: Stretches) -> list[Tensor]:
        return [strayed(gait, shown.moved.to(device), heard[shown.did.to(device)])]

    learn_alone(gait, run, lessons, lambda step: lesson(step, stretches), off)


@torch.no_grad()
def heard_of(network: WorldTransformer, actions: Sequence[Sequence[int]]) -> Tensor:
    """Return what is heard of actions as they are done, ``(actions, D)``."""
    words = [network.words.weight[list(ids)].sum(dim=0) for ids in actions]
    said = torch.stack(words).to(network.device)
    return network.hear(said, torch.zeros(len(said), device=said.device)).float()


def strayed(gait: Gait, moved: Tensor, said: Tensor) -> Tensor:
    """Go through stretches, and return how far from them that leads, in `UNIT` a step.

    Place by place, and by how far a whole picture slides, grows or turns: of that more is known
    than of any place.

    Args:
        gait: Goes on from what it said itself.
        moved: See `Stretches`.
        said: ``(n, STEPS - 1 + AHEAD, D)``, what was heard.
    """
    ways = polynomials(SIDE, 1).to(moved)
    drift, total = moved[:, 0], moved.new_zeros(())
    for k in range(moved.shape[1] - 1):
        went = gait(drift, said[:, k : k + STEPS].flip(1))
        true, trust = moved[:, 1 + k].split([2, 1], dim=1)
        off = (went - true) * trusted(trust) / UNIT
        whole = torch.einsum("nayx,tyx->nat", off, ways) / SIDE**2
        total = total + off.abs().sum(dim=1).mean() + whole.abs().sum(dim=(1, 2)).mean()
        drift = torch.cat([went.clamp(-FASTEST, FASTEST), torch.ones_like(trust)], dim=1)
    return total / (moved.shape[1] - 1)
