"""`worldsim agent clone task=… data=…`: an agent that does what was done in recorded play.

Behaviour cloning (Pomerleau 1989), the baseline of every policy that is learnt otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from omegaconf import MISSING
from stable_baselines3.common.policies import ActorCriticPolicy
from tqdm.auto import tqdm

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
        rate: Of Adam.
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


@dataclass
class Moments:
    """Moments of play: frames uint8 ``(N, H, W, 3)``, and of some of them what was done.

    Attributes:
        frames: Of all episodes, one after the other.
        begins: Of each frame the first one of its episode, ``(N,)``.
        at: Frames at which one of the task's actions was taken, ``(M,)``.
        keys: Which, ``(M,)``.
    """

    frames: np.ndarray
    begins: np.ndarray
    at: np.ndarray
    keys: np.ndarray

    def stacked(self, which: np.ndarray, stack: int) -> torch.Tensor:
        """Return the newest frames at some moments, uint8 ``(B, 3 K, H, W)``, as agents see them.

        Before an episode's first frame there is nothing, which is black.
        """
        at = self.at[which][:, None] - np.arange(stack)[::-1]  # (B, K)
        known = at >= self.begins[self.at[which]][:, None]
        pictures = self.frames[np.maximum(at, 0)] * known[..., None, None, None].astype(np.uint8)
        b, k, h, w, c = pictures.shape
        stacked = pictures.transpose(0, 1, 4, 2, 3).reshape(b, k * c, h, w)
        return torch.from_numpy(np.ascontiguousarray(stacked))


def clone(cfg: CloneConfig) -> None:
    """Learn from play, and say how often it does what was done where it did not learn."""
    task = find_task(cfg.task)
    _check(cfg)
    began = time.monotonic()
    learnt, kept = _read(cfg, task)
    torch.manual_seed(cfg.seed)
    size = learnt.frames.shape[1]
    about = About(cfg.task, list(task.keys), cfg.stack, int(size), "play")
    policy = make_policy(about).to(cfg.device)
    optimizer = torch.optim.Adam(policy.parameters(), cfg.rate)
    bar = tqdm(_batches(len(learnt.at), cfg), total=cfg.steps, desc="clone", unit="update")
    for which in bar:
        loss = F.cross_entropy(
            _logits(policy, learnt.stacked(which, cfg.stack)),
            torch.from_numpy(learnt.keys[which]).to(cfg.device),
        )
        if not torch.isfinite(loss):
            raise WorldsimError(f"the loss is {loss.item()}: lower rate= (now {cfg.rate})")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        bar.set_postfix({"loss": f"{loss.item():.3f}"}, refresh=False)
    about = About(
        **vars(about) | {"steps": cfg.steps * cfg.batch_size, "real_frames": len(learnt.at),
                         "seconds": time.monotonic() - began}
    )  # fmt: skip
    save_policy(Path(cfg.out) / "agent", policy, about)
    right, usual = _accuracy(policy, kept, cfg), np.bincount(kept.keys).max() / len(kept.keys)
    print(f"does what was done in {right:.0%} of {len(kept.keys)} other moments (the most frequent "
          f"action: {usual:.0%})\nwrote {Path(cfg.out) / 'agent'}")  # fmt: skip


def _read(cfg: CloneConfig, task: Task) -> tuple[Moments, Moments]:
    """Return moments to learn from and others, of different episodes."""
    dataset = Dataset(cfg.data)
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


def _batches(count: int, cfg: CloneConfig) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(cfg.seed)
    for _ in range(cfg.steps):
        yield rng.integers(count, size=cfg.batch_size)


def _logits(policy: ActorCriticPolicy, pixels: torch.Tensor) -> torch.Tensor:
    chances: Any = policy.get_distribution(pixels.to(policy.device)).distribution
    return chances.logits


@torch.inference_mode()
def _accuracy(policy: ActorCriticPolicy, moments: Moments, cfg: CloneConfig) -> float:
    right = 0
    for which in np.array_split(np.arange(len(moments.at)), -(-len(moments.at) // 256)):
        said = _logits(policy, moments.stacked(which, cfg.stack)).argmax(dim=1).cpu().numpy()
        right += int((said == moments.keys[which]).sum())
    return right / len(moments.at)


def _check(cfg: CloneConfig) -> None:
    for name in ("steps", "batch_size", "stack"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 < cfg.best <= 1 or cfg.rate <= 0:
        raise WorldsimError(
            f"best={cfg.best}, rate={cfg.rate}: use above 0 up to 1, and a rate above 0"
        )
