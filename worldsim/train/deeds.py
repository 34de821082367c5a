"""Before anything is asked in words: what was done is told from motion, by its number.

A clip that is asked about in words costs a pass through the transformer, and who looks at nothing
but motion (`Deed`) can see a hundred times as many steps for that. Which of its world's actions it
was is all that is asked; what says the number is not kept, and what is seen is what words then
find ready.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.deed import Deed
from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.motions import around, hide
from worldsim.train.parts import Lessons, chances_of, learn_apart, learn_once
from worldsim.train.run import RunFolder


class Steps(NamedTuple):
    """Some steps of recorded play.

    Attributes:
        motions: ``(n, STEPS, 3, GRID, GRID)``, see `Deed`.
        action: ``(n,)``, number of what was done.
        possible: ``(n, actions)``, whether it is an action of the step's world.
    """

    motions: Tensor
    action: Tensor
    possible: Tensor


class Lesson:
    """Cuts steps out of labelled play; a function of the seed and the number of an update.

    Args:
        moved: How all frames moved, see `motions.look_up`.
        tracks: Recorded play.
        shares: How often steps are of each world, as in `BatchConfig.shares`.
        seed: Of the steps.

    Attributes:
        actions: Every action there is: the name of its world, and its tokens.

    Raises:
        WorldsimError: Of no play it is known what was done.
    """

    def __init__(
        self,
        moved: np.ndarray,
        tracks: Sequence[Track],
        shares: Mapping[str, float],
        seed: int = 0,
    ):
        self.moved, self.seed = moved, seed
        self.tracks = [t for t in tracks if t.labelled and len(t.actions)]
        if not self.tracks:
            raise WorldsimError("no labelled play to tell actions from: raise batch.labelled_share")
        self.actions = sorted({(t.world, tuple(ids)) for t in self.tracks for ids in t.actions})
        self._number = {action: k for k, action in enumerate(self.actions)}
        worlds = np.array([world for world, _ in self.actions])
        self._possible = {name: worlds == name for name in set(worlds.tolist())}
        self._chances = chances_of(self.tracks, shares)

    def __call__(self, step: int, count: int) -> Steps:
        """Cut so many steps; the same ones for the same update."""
        rng = np.random.default_rng([self.seed, step, 10])
        chosen = [self.tracks[k] for k in rng.choice(len(self.tracks), count, p=self._chances)]
        places = [int(rng.integers(1, len(track.actions) + 1)) for track in chosen]
        motions = np.stack(
            [around(self.moved, *place) for place in zip(chosen, places, strict=True)]
        )
        hide(motions, rng)
        action = [
            self._number[track.world, tuple(track.actions[at - 1])]
            for track, at in zip(chosen, places, strict=True)
        ]
        possible = np.stack([self._possible[track.world] for track in chosen])
        return Steps(*map(torch.from_numpy, (motions, np.array(action), possible)))


def fit_deed(
    deed: Deed,
    lesson: Lesson,
    run: RunFolder,
    steps: int,
    batch: int = 128,
    rate: float = 2e-3,
) -> None:
    """Let a `Deed` learn to see, or take what an earlier call has learnt in this run.

    Args:
        deed: What it sees is learnt; what words make of that is not.
        lesson: Cuts steps.
        run: Its folder keeps what was learnt.
        steps: Updates.
        batch: Steps of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    device = deed.mix.weight.device
    lessons = Lessons("deed", steps, rate, rise=0.1, decay=0.02)

    def learn() -> None:
        # Whoever finds the deed learnt already has made no head, and must have the same luck.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lesson.seed)
            head = nn.Linear(deed.mix.out_features, len(lesson.actions)).to(device)

        def off(shown: Steps) -> list[Tensor]:
            seen = Steps(*(x.to(device) for x in shown))
            said = head(deed(seen.motions)).masked_fill(~seen.possible, -torch.inf)
            return [F.cross_entropy(said, seen.action)]

        learn_apart(deed, run, lessons, lambda step: lesson(step, batch), off, head)

    learn_once(deed, run, lessons.file, learn)
