"""Training the judge of `worldsim.judge` on real frames, and measuring it on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from worldsim.data.episode import Episode
from worldsim.errors import WorldsimError
from worldsim.judge import AFTER, BEFORE, STACK, Judge, shrink
from worldsim.world import WorldSpec


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
        channels: Width of its first layer; the others follow.
        num_steps: Optimiser steps.
        batch_size: Transitions a step.
        learning_rate: Peak of the one-cycle schedule.
        max_frames: Frames kept in memory (4 KiB each); whole episodes, chosen at random.
        heldout_share: Share of the episodes that measures its accuracy and is not learned from.
        seed: Seed of everything random.
    """

    channels: int = 24
    num_steps: int = 1000
    batch_size: int = 96
    learning_rate: float = 2e-3
    max_frames: int = 30_000
    heldout_share: float = 0.1
    seed: int = 0


def train_judge(
    dataset: Episodes, config: JudgeConfig, indices: Sequence[int] | None = None
) -> Judge:
    """Train a judge on real frames and measure it on episodes it has not seen.

    Args:
        dataset: Real episodes.
        config: Size, length and seed of the training.
        indices: Which episodes of the dataset it may see; None: all.
    """
    rng = np.random.default_rng(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    order = rng.permutation(list(range(len(dataset))) if indices is None else list(indices))
    if len(order) < 2:
        raise WorldsimError(
            f"the judge needs at least two episodes of real frames, got {len(order)}: collect more"
        )
    num_heldout = max(1, round(len(order) * config.heldout_share))
    heldout = _Frames(dataset, order[:num_heldout], config.max_frames // 4)
    seen = _Frames(dataset, order[num_heldout:], config.max_frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)  # initial weights and dropout
        judge = Judge(dataset.spec, config.channels)
        _fit(judge, seen, config, rng, generator)
    judge.accuracy = _measure(judge, heldout)
    return judge.eval()


class _Frames:
    """The brightness of many episodes' frames in one tensor, and the transitions in them."""

    def __init__(self, dataset: Episodes, indices: np.ndarray, max_frames: int) -> None:
        """Load whole episodes in the given order until `max_frames` are held."""
        clips: list[Tensor] = []
        centres: list[np.ndarray] = []
        actions: list[np.ndarray] = []
        total = 0
        for index in tqdm(indices, desc="judge: frames", leave=False):
            episode = dataset.load(int(index))
            if total and total + len(episode.frames) > max_frames:
                break
            inside = np.arange(BEFORE, len(episode) + 1 - AFTER)
            centres.append(total + inside)
            actions.append(episode.actions[inside])
            clips.append(shrink(episode.frames[None])[0])
            total += len(episode.frames)
        self.frames = torch.cat(clips)
        self.centres = torch.from_numpy(np.concatenate(centres))
        self.actions = torch.from_numpy(np.concatenate(actions))
        if not len(self.centres):
            raise WorldsimError(
                f"the judge needs episodes of {STACK} frames or more: collect longer ones"
            )

    def __len__(self) -> int:
        """Return the number of transitions."""
        return len(self.centres)

    def stacks(self, which: Tensor) -> Tensor:
        """Return float stacks `(N, STACK, 64, 64)` in [0, 1]."""
        around = self.centres[which][:, None] + torch.arange(-BEFORE, AFTER + 1)
        return self.frames[around].float() / 255


def _fit(
    judge: Judge,
    seen: _Frames,
    config: JudgeConfig,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> None:
    """Run the optimiser."""
    optimizer = torch.optim.AdamW(judge.parameters(), config.learning_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.num_steps, pct_start=0.15
    )
    judge.train()
    # Faster convolutions; the stubs of torch do not know the argument.
    judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    bar = tqdm(range(config.num_steps), desc="judge: train", leave=False)
    for _ in bar:
        which = torch.from_numpy(rng.integers(0, len(seen), config.batch_size))
        target = judge.codes[seen.actions[which]]
        stacks, target = _augment(seen.stacks(which), target, judge.axes, generator)
        logits = judge(stacks.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), label_smoothing=0.02
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


@torch.no_grad()
def _measure(judge: Judge, heldout: _Frames) -> dict[str, float]:
    """Return the accuracy on real frames that were not learned from."""
    judge.eval()
    parts = torch.arange(len(heldout)).split(256)
    named = np.concatenate([judge.decide(judge(heldout.stacks(part))) for part in parts])
    return judge.compare(named, heldout.actions.numpy()) | {"transitions": float(len(named))}


def _augment(
    stacks: Tensor, target: Tensor, axes: list[list[str]], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mirror half of the stacks (left becomes right) and soften some.

    The softening is what a codec does to a frame: the judge must read motion, not sharpness.
    """
    count = len(stacks)
    draw = torch.rand(2, count, generator=generator)
    mirrored = draw[0] < 0.5
    stacks = torch.where(mirrored.view(-1, 1, 1, 1), stacks.flip(-1), stacks)
    sideways = torch.tensor(["left" in axis[0] or "left" in axis[1] for axis in axes])
    swapped = torch.tensor([0, 2, 1])[target]
    target = torch.where(mirrored[:, None] & sideways, swapped, target)
    soft = functional.avg_pool2d(stacks, 3, 1, 1, count_include_pad=False)
    amount = (draw[1] - 0.5).clamp_min(0).mul(1.6).view(-1, 1, 1, 1)
    noise = 0.01 * torch.randn(stacks.shape, generator=generator)
    return torch.lerp(stacks, soft, amount) + noise, target
