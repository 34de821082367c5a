"""Training judges (`judge`, `odometer`) on real frames, and measuring them on others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from worldsim.data.episode import Episode
from worldsim.errors import WorldsimError
from worldsim.judge import Judge
from worldsim.odometer import Odometer, errors
from worldsim.pose_text import motion
from worldsim.precision import side_by_side
from worldsim.watcher import AFTER, BEFORE, STACK, Watcher, motions
from worldsim.world import WorldSpec

Kind = TypeVar("Kind", Judge, Odometer)


class Episodes(Protocol):
    """What the judge needs of a dataset."""

    spec: WorldSpec

    def __len__(self) -> int:
        """Return the number of episodes."""

    def load(self, index: int) -> Episode:
        """Return one episode."""


@dataclass
class JudgeConfig:
    """How the judge is built and trained; the defaults take minutes on two CPU cores.

    Attributes:
        channels: Half the width of its first layer; the others follow.
        num_steps: Optimiser steps.
        batch_size: Transitions a step.
        learning_rate: Peak of the one-cycle schedule.
        max_frames: Frames looked at (1.5 KiB and 4 ms each); whole episodes, chosen at random.
        heldout_share: Share of the episodes that measures its accuracy and is not learned from.
        seed: Seed of everything random.
    """

    channels: int = 24
    num_steps: int = 1500
    batch_size: int = 96
    learning_rate: float = 2e-3
    max_frames: int = 30_000
    heldout_share: float = 0.1
    seed: int = 0


class Real:
    """Real play, looked at once: episodes to learn from, and others to be measured on.

    Args:
        dataset: Real episodes.
        config: How many frames, and which are kept aside.
        indices: Which episodes of the dataset may be looked at; None: all.

    Raises:
        WorldsimError: There are fewer than two episodes, or none is long enough.
    """

    def __init__(
        self, dataset: Episodes, config: JudgeConfig, indices: Sequence[int] | None = None
    ) -> None:
        self.spec = dataset.spec
        rng = np.random.default_rng(config.seed)
        order = rng.permutation(list(range(len(dataset))) if indices is None else list(indices))
        if len(order) < 2:
            raise WorldsimError(
                f"the judge needs at least two episodes of real frames, got {len(order)}: "
                "collect more"
            )
        count = max(1, round(len(order) * config.heldout_share))
        self.heldout = _Frames(dataset, order[:count], config.max_frames // 4)
        self.seen = _Frames(dataset, order[count:], config.max_frames)


def train_judge(real: Real, config: JudgeConfig) -> Judge:
    """Train a judge on real frames and measure it on episodes it has not seen."""
    judge = _untrained(Judge, real, config)
    sideways = torch.tensor(["left" in first or "left" in other for first, other in judge.axes])

    def loss(stacks: Tensor, which: Tensor, mirrored: Tensor) -> Tensor:
        target = judge.codes[real.seen.actions[which]]
        swapped = torch.tensor([0, 2, 1])[target]  # left becomes right
        target = torch.where(mirrored[:, None] & sideways, swapped, target)
        logits = judge(stacks)
        return functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), label_smoothing=0.02
        )

    _fit(judge, loss, real.seen, config)
    with torch.no_grad():
        named = [judge.decide(judge(stacks)) for stacks in real.heldout.in_order()]
    judge.accuracy = judge.compare(np.concatenate(named), real.heldout.actions.numpy())
    judge.accuracy["transitions"] = float(len(real.heldout))
    return judge


def train_odometer(real: Real, config: JudgeConfig) -> Odometer | None:
    """Train an odometer likewise; None where the data has no poses."""
    if any(len(frames.motions) < len(frames) for frames in (real.seen, real.heldout)):
        return None
    odometer = _untrained(Odometer, real, config)
    odometer.scale.copy_(real.seen.motions.std(dim=0).clamp(min=1e-3))
    flipped = torch.tensor([1.0, -1.0, -1.0])  # what is left becomes right

    def loss(stacks: Tensor, which: Tensor, mirrored: Tensor) -> Tensor:
        target = real.seen.motions[which] / odometer.scale
        target = torch.where(mirrored[:, None], target * flipped, target)
        # Of a sudden jump, as into a teleporter, only the direction is worth learning.
        return functional.smooth_l1_loss(odometer(stacks), target)

    _fit(odometer, loss, real.seen, config)
    true = real.heldout.motions.numpy()
    with torch.no_grad():
        said = [odometer(stacks) * odometer.scale for stacks in real.heldout.in_order()]
    still = errors(np.zeros_like(true), true)
    odometer.accuracy = errors(torch.cat(said).numpy(), true)
    odometer.accuracy |= {f"still_{name}": value for name, value in still.items()}
    return odometer


class _Frames:
    """How many episodes' frames moved, in one tensor, and the transitions in them."""

    def __init__(self, dataset: Episodes, indices: np.ndarray, max_frames: int) -> None:
        """Look at whole episodes in the given order until there are `max_frames`."""
        clips: list[Tensor] = []
        centres: list[np.ndarray] = []
        actions: list[np.ndarray] = []
        poses: list[tuple[float, ...]] = []
        total, metres = 0, dataset.spec.metres_per_unit
        for index in tqdm(indices, desc="judge: frames", leave=False):
            episode = dataset.load(int(index))
            if total and total + len(episode.frames) > max_frames:
                break
            inside = np.arange(BEFORE, len(episode) + 1 - AFTER)
            centres.append(total + inside)
            actions.append(episode.actions[inside])
            if episode.pose is not None:
                pose = episode.pose
                poses += [motion(pose[k], pose[k + 1], metres) for k in inside]
            clips.append(motions(episode.frames[None])[0])
            total += len(episode.frames)
        self.moved = torch.cat(clips)
        self.centres = torch.from_numpy(np.concatenate(centres))
        self.actions = torch.from_numpy(np.concatenate(actions))
        self.motions = torch.tensor(poses, dtype=torch.float32)  # (N, 3), or empty
        if not len(self.centres):
            raise WorldsimError(
                f"the judge needs episodes of {STACK} frames or more: collect longer ones"
            )

    def __len__(self) -> int:
        """Return the number of transitions."""
        return len(self.centres)

    def stacks(self, which: Tensor) -> Tensor:
        """Return float stacks `(N, STEPS, 3, GRID, GRID)`."""
        around = self.centres[which][:, None] + torch.arange(1 - BEFORE, AFTER + 1)
        return self.moved[around].float()

    def in_order(self) -> Iterator[Tensor]:
        """Yield the stacks of all transitions, some at a time."""
        yield from map(self.stacks, torch.arange(len(self)).split(256))


def _untrained(kind: type[Kind], real: Real, config: JudgeConfig) -> Kind:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return kind(real.spec, config.channels)


def _fit(
    watcher: Watcher,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    seen: _Frames,
    config: JudgeConfig,
) -> None:
    """Run the optimiser; `loss` is told stacks, which transitions they are and who is mirrored."""
    optimizer = torch.optim.AdamW(watcher.parameters(), config.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.num_steps, pct_start=0.15
    )
    generator = torch.Generator().manual_seed(config.seed)
    watcher.train()
    side_by_side(watcher)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # dropout
        bar = tqdm(range(config.num_steps), desc=f"{watcher.kind}: train", leave=False)
        for _ in bar:
            which = torch.randint(len(seen), (config.batch_size,), generator=generator)
            stacks, mirrored = _augment(seen.stacks(which), generator)
            wrong = loss(stacks, which, mirrored)
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{wrong.item():.3f}", refresh=False)
    watcher.eval()


def _augment(stacks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror half of the stacks, shake all a little, and say which are mirrored, `(N,)`."""
    mirrored = torch.rand(len(stacks), generator=generator) < 0.5
    flipped = stacks.flip(-1) * torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
    stacks = torch.where(mirrored.view(-1, 1, 1, 1, 1), flipped, stacks)
    return stacks + 1e-3 * torch.randn(stacks.shape, generator=generator), mirrored
