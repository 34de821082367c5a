"""What is good about a way that a planner tries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS, as_images


class Score(Protocol):
    """Says how good ways are."""

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return one number a way, more being better.

        Args:
            frames: uint8 ``(N, H, W, 3)``, the last of each way.
            rewards: ``(T, N)``, 0 after an end.
            alive: bool ``(T, N)``: whether there was no end yet.
        """


def by_reward(frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Score a way by what it pays."""
    return rewards.sum(axis=0)


@dataclass
class ByPicture:
    """Scores a way by how near its last frame is to a picture, in mean absolute difference."""

    goal: np.ndarray  # uint8 (H, W, 3)

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return minus the distance."""
        _check_size(self.goal, frames)
        return -np.abs(frames.astype(np.float32) - self.goal).mean(axis=(1, 2, 3)) / 255


@dataclass
class ByLook:
    """Scores a way by how much its last frame looks like a picture (LPIPS).

    As the planner of Navigation World Models does (Bar et al. 2025, arXiv 2412.03572).
    """

    goal: np.ndarray  # uint8 (H, W, 3)
    lpips: LPIPS

    def __call__(self, frames: np.ndarray, rewards: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """Return minus the distance."""
        _check_size(self.goal, frames)
        with torch.inference_mode():
            return -self.lpips.between(self.lpips.features(as_images(frames)), self._wanted).numpy()

    @cached_property
    def _wanted(self) -> list[Tensor]:
        with torch.inference_mode():
            return self.lpips.features(as_images(self.goal[None]))


def _check_size(goal: np.ndarray, frames: np.ndarray) -> None:
    if goal.shape != frames.shape[1:]:
        raise WorldsimError(
            f"the goal is a picture of {goal.shape}, the dream shows {frames.shape[1:]}: resize it"
        )
