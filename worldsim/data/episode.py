"""One stretch of a world as it was lived: what was seen, what was done, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.errors import WorldsimError

DEPTH_SIDE = 16  # depth pictures are that many pixels wide and high
Facts = dict[str, Any]  # JSON-ready


@dataclass
class Episode:
    """T+1 frames and the T actions between them: `actions[t]` leads to `frames[t + 1]`.

    It knows neither its world (a dataset's `WorldSpec` does) nor its place in a dataset.

    Attributes:
        frames: uint8 `(T+1, H, W, 3)`, RGB.
        actions: int64 `(T,)`, indices into `WorldSpec.actions`.
        rewards: float32 `(T,)`.
        terminated: The last step ended the episode; otherwise it was merely cut off.
        texts: `T` sentences, each describing the stretch its step belongs to; `""` is none.
        source: Name of the map the frames come from, such as `"maze-000123"`.
        seed: Seed the map and the walk were made from.
        pose: float32 `(T+1, 3)`: x and y in map units and yaw in degrees; None if unknown.
        facts: What is true of each of the T+1 frames, such as the things in sight, as JSON-ready
            dictionaries; None if unknown. Which keys there are is up to the world.
        depth: uint16 `(T+1, DEPTH_SIDE, DEPTH_SIDE)` centimetres along the view; None if unknown.

    Raises:
        WorldsimError: Shapes or types do not fit together.
    """

    frames: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    texts: list[str]
    source: str
    seed: int
    pose: np.ndarray | None = None
    facts: list[Facts] | None = None
    depth: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Bring numbers to their types and refuse what does not fit together."""
        self.actions = np.asarray(self.actions, dtype=np.int64)
        self.rewards = np.asarray(self.rewards, dtype=np.float32)
        self.terminated, self.seed = bool(self.terminated), int(self.seed)
        if self.pose is not None:
            self.pose = np.asarray(self.pose, dtype=np.float32)
        problem = self._problem()
        if problem:
            raise WorldsimError(f"not an episode (source '{self.source}'): {problem}")

    def __len__(self) -> int:
        """Return the number of steps T; there is one frame more."""
        return len(self.actions)

    def _problem(self) -> str | None:
        """Say what is wrong with the shapes, or None."""
        frames, steps = self.frames, len(self.actions)
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
            return f"frames must be a uint8 array, not {getattr(frames, 'dtype', type(frames))}"
        if frames.ndim != 4 or frames.shape[-1] != 3:
            return f"frames must be (T+1, H, W, 3), not {frames.shape}"
        if self.actions.ndim != 1 or steps < 1:
            return f"actions must be (T,) with T >= 1, not {self.actions.shape}"
        if len(frames) != steps + 1:
            return f"{steps} actions need {steps + 1} frames, got {len(frames)}"
        if self.rewards.shape != (steps,):
            return f"{steps} actions need {steps} rewards, got {self.rewards.shape}"
        if len(self.texts) != steps:
            return f"{steps} actions need {steps} texts, got {len(self.texts)}"
        if self.pose is not None and self.pose.shape != (steps + 1, 3):
            return f"{steps} actions need poses ({steps + 1}, 3), got {self.pose.shape}"
        if self.facts is not None and len(self.facts) != steps + 1:
            return f"{steps} actions need {steps + 1} facts, got {len(self.facts)}"
        if self.depth is not None:
            wanted = (steps + 1, DEPTH_SIDE, DEPTH_SIDE)
            if self.depth.shape != wanted or self.depth.dtype != np.uint16:
                return f"depth must be uint16 {wanted}, not {self.depth.dtype} {self.depth.shape}"
        return None
