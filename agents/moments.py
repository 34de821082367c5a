"""Moments of play with what is right to do in them, and a policy that is to do the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from stable_baselines3.common.policies import ActorCriticPolicy
from tqdm.auto import tqdm

from worldsim.errors import WorldsimError

MIRROR = {"left": "right", "right": "left"}


@dataclass
class Moments:
    """Moments of play: frames uint8 ``(N, H, W, 3)``, and of some of them what to do.

    Attributes:
        frames: Of all episodes, one after the other.
        begins: Of each frame the first one of its episode, ``(N,)``.
        at: Frames of which it is known, ``(M,)``.
        keys: Which of the task's actions, ``(M,)``, or the chance of each, ``(M, actions)``.
    """

    frames: np.ndarray
    begins: np.ndarray
    at: np.ndarray
    keys: np.ndarray

    def stacked(self, which: np.ndarray, stack: int, repeat: int = 1) -> torch.Tensor:
        """Return the newest frames at some moments, uint8 ``(B, 3 K, H, W)``, as agents see them.

        Who holds an action for `repeat` steps sees no frames in between. Before an episode's first
        frame there is nothing, which is black.
        """
        at = self.at[which][:, None] - repeat * np.arange(stack)[::-1]  # (B, K)
        known = at >= self.begins[self.at[which]][:, None]
        pictures = self.frames[np.maximum(at, 0)] * known[..., None, None, None].astype(np.uint8)
        b, k, h, w, c = pictures.shape
        stacked = pictures.transpose(0, 1, 4, 2, 3).reshape(b, k * c, h, w)
        return torch.from_numpy(np.ascontiguousarray(stacked))


def joined(parts: Sequence[Moments]) -> Moments:
    """Return all moments as one."""
    offsets = np.cumsum([0, *(len(part.frames) for part in parts[:-1])])
    return Moments(
        np.concatenate([part.frames for part in parts]),
        np.concatenate([part.begins + by for part, by in zip(parts, offsets, strict=True)]),
        np.concatenate([part.at + by for part, by in zip(parts, offsets, strict=True)]),
        np.concatenate([part.keys for part in parts]),
    )


@dataclass
class FitConfig:
    """How a policy learns to do as shown.

    Attributes:
        steps: Updates.
        batch_size: Moments of an update.
        rate: Of Adam, falling to nothing along a half cosine.
        stack: Newest frames that the agent sees.
        repeat: Steps for which it holds an action.
        seed: Of the batches.
        mirror: Number of each action's mirror image, see `mirrored`, to learn half of all moments
            as in a mirror; empty: none.
    """

    steps: int
    batch_size: int
    rate: float
    stack: int
    repeat: int
    seed: int
    mirror: list[int] = field(default_factory=list)


def mirrored(keys: Sequence[str]) -> list[int]:
    """Return the number of each action with left and right exchanged, which must be one, too."""
    words = [" ".join(MIRROR.get(word, word) for word in key.split()) for key in keys]
    missing = [word for word in words if word not in keys]
    if missing:
        raise WorldsimError(
            f"mirror=true: in a mirror there would be '{missing[0]}', which is no action of this "
            "task; leave it out"
        )
    return [list(keys).index(word) for word in words]


def fit(policy: ActorCriticPolicy, moments: Moments, cfg: FitConfig, desc: str) -> None:
    """Let a policy learn to do what is right in each moment.

    Raises:
        WorldsimError: The loss is no longer a number.
    """
    optimizer = torch.optim.Adam(policy.parameters(), cfg.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, cfg.steps)
    bar = tqdm(_batches(len(moments.at), cfg), total=cfg.steps, desc=desc, unit="update")
    luck = np.random.default_rng([cfg.seed, 1])
    for which in bar:
        pixels, right = _varied(
            moments.stacked(which, cfg.stack, cfg.repeat), moments.keys[which], cfg, luck
        )
        loss = F.cross_entropy(logits(policy, pixels), torch.from_numpy(right).to(policy.device))
        if not torch.isfinite(loss):
            raise WorldsimError(f"the loss is {loss.item()}: lower rate= (now {cfg.rate})")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        bar.set_postfix({"loss": f"{loss.item():.3f}"}, refresh=False)


@torch.inference_mode()
def agreement(policy: ActorCriticPolicy, moments: Moments, stack: int, repeat: int) -> float:
    """Return the share of moments in which the likeliest action is the right one."""
    right = 0
    for which in np.array_split(np.arange(len(moments.at)), -(-len(moments.at) // 256)):
        said = logits(policy, moments.stacked(which, stack, repeat)).argmax(dim=1).cpu().numpy()
        right += int((said == moments.keys[which]).sum())
    return right / len(moments.at)


def logits(policy: ActorCriticPolicy, pixels: torch.Tensor) -> torch.Tensor:
    """Return what a policy says of stacked frames ``(B, 3 K, H, W)``, ``(B, actions)``."""
    chances: Any = policy.get_distribution(pixels.to(policy.device)).distribution
    return chances.logits


def _varied(
    pixels: torch.Tensor, right: np.ndarray, cfg: FitConfig, luck: np.random.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """Show some of the moments otherwise, as far as that is asked for."""
    if cfg.mirror:
        turned, image = luck.random(len(pixels)) < 0.5, np.array(cfg.mirror)
        pixels[turned] = pixels[turned].flip(-1)
        right[turned] = image[right[turned]] if right.ndim == 1 else right[turned][:, image]
    return pixels, right


def _batches(count: int, cfg: FitConfig) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(cfg.seed)
    for _ in range(cfg.steps):
        yield rng.integers(count, size=cfg.batch_size)
