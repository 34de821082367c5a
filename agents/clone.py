"""`worldsim agent clone task=… data=…`: an agent that does what was done in recorded play.

Behaviour cloning (Pomerleau 1989), the baseline of every policy that is learnt otherwise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from tqdm.auto import tqdm

from agents.moments import FitConfig, Moments, agreement, fit
from agents.policy import About, make_policy, save_policy
from agents.tasks import Task, find_task
from worldsim.data import Dataset
from worldsim.errors import WorldsimError

KEPT = 0.1  # share of the episodes that is not learnt from


@dataclass
class CloneConfig:
    """Options of `worldsim agent clone`.

    Attributes:
        task: Whose actions there are, and under which name the agent is kept.
        data: Dataset of play to learn from.
        best: Share of its episodes, those with the highest returns.
        out: Folder; the agent is in ``<out>/agent``.
        steps: Updates.
        batch_size: Moments of an update.
        rate: Of Adam, falling to nothing.
        stack: Newest frames that the agent sees.
        device: Where to compute.
        seed: Of weights and batches.
    """

    task: str = MISSING
    data: str = MISSING
    best: float = 1.0
    out: str = "runs/clone"
    steps: int = 2000
    batch_size: int = 128
    rate: float = 3e-4
    stack: int = 3
    device: str = "cpu"
    seed: int = 0


def clone(cfg: CloneConfig) -> None:
    """Learn from play, and say how often it does what was done where it did not learn."""
    task = find_task(cfg.task)
    _check(cfg)
    began = time.monotonic()
    dataset = Dataset(cfg.data)
    learnt, kept, skip = *_read(cfg, task, dataset), dataset.spec.skip
    torch.manual_seed(cfg.seed)
    size = learnt.frames.shape[1]
    about = About(cfg.task, list(task.keys), cfg.stack, int(size), "play", repeat=skip)
    policy = make_policy(about).to(cfg.device)
    how = FitConfig(cfg.steps, cfg.batch_size, cfg.rate, cfg.stack, 1, cfg.seed)
    fit(policy, learnt, how, "clone")
    about = About(
        **vars(about) | {"steps": cfg.steps * cfg.batch_size, "real_frames": skip * len(learnt.at),
                         "seconds": time.monotonic() - began}
    )  # fmt: skip
    save_policy(Path(cfg.out) / "agent", policy, about)
    right = agreement(policy, kept, cfg.stack, 1)
    usual = np.bincount(kept.keys).max() / len(kept.keys)
    print(f"does what was done in {right:.0%} of {len(kept.keys)} other moments (the most frequent "
          f"action: {usual:.0%})\nwrote {Path(cfg.out) / 'agent'}")  # fmt: skip


def _read(cfg: CloneConfig, task: Task, dataset: Dataset) -> tuple[Moments, Moments]:
    """Return moments to learn from and others, of different episodes."""
    returns = [float(dataset.load_steps(k).rewards.sum()) for k in range(len(dataset))]
    count = round(cfg.best * len(dataset))
    if count < 2:
        raise WorldsimError(f"best={cfg.best} of {len(dataset)} episodes are {count}: 2 are needed")
    best = np.argsort(returns, kind="stable")[::-1][:count]
    mixed = np.random.default_rng(cfg.seed).permutation(best)
    split = max(1, round(KEPT * count))
    return _moments(dataset, mixed[split:], task), _moments(dataset, mixed[:split], task)


def _moments(dataset: Dataset, chosen: np.ndarray, task: Task) -> Moments:
    keys = {dataset.spec.action_index(words): k for k, words in enumerate(task.keys)}
    frames, begins = list[np.ndarray](), list[int]()
    at, done, count = list[int](), list[int](), 0
    for index in tqdm(chosen.tolist(), desc="read", unit="episode", leave=False):
        episode = dataset.load(index)
        known = [(k, keys[int(a)]) for k, a in enumerate(episode.actions) if int(a) in keys]
        at += [count + k for k, _ in known]
        done += [key for _, key in known]
        frames.append(episode.frames)
        begins += [count] * len(episode.frames)
        count += len(episode.frames)
    if not at:
        raise WorldsimError(
            f"nowhere in {dataset.path} is one of {', '.join(task.keys)} done: it is of another "
            "task"
        )
    return Moments(np.concatenate(frames), np.array(begins), np.array(at), np.array(done))


def _check(cfg: CloneConfig) -> None:
    for name in ("steps", "batch_size", "stack"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 < cfg.best <= 1 or cfg.rate <= 0:
        raise WorldsimError(
            f"best={cfg.best}, rate={cfg.rate}: use above 0 up to 1, and a rate above 0"
        )
