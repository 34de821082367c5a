"""Small made-up episodes that look enough like a world to be compressed like one."""

from __future__ import annotations

from typing import Any

import numpy as np

from worldsim.data import Episode
from worldsim.world import WorldSpec, key_combinations

SIZE = 32
SPEC = WorldSpec(
    name="toy",
    actions=key_combinations(("forward", "back"), ("turn left", "turn right")),
    keys={"w": "forward", "s": "back", "a": "turn left", "d": "turn right"},
    steps_per_second=17.5,
    description="a striped corridor",
)


def make_frames(num: int, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """Return uint8 (num, size, size, 3): textured walls that scroll, floor, ceiling, a sign."""
    rng = np.random.default_rng(seed)
    wall = np.kron(rng.integers(40, 220, (size // 2, size, 3)), np.ones((2, 2, 1)))
    wall = (wall + np.roll(wall, 1, 0) + np.roll(wall, 1, 1) + np.roll(wall, 2, 1)) / 4
    wall[: size // 4] = (90, 60, 40)
    wall[-size // 4 :] = (40, 45, 60)
    wall[size // 2 : size // 2 + 4, 5:12] = (250, 20, 10)
    return np.stack([np.roll(wall, 2 * i, 1)[:, :size] for i in range(num)]).astype(np.uint8)


def make_episode(steps: int = 12, seed: int = 0, **changes: Any) -> Episode:
    """Return an episode of `steps` random actions."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {
        "frames": make_frames(steps + 1, seed=seed),
        "actions": rng.integers(0, len(SPEC.actions), steps),
        "rewards": rng.normal(size=steps).astype(np.float32),
        "terminated": bool(seed % 2),
        "texts": ["turn left" if t < steps // 2 else f"walk to door {seed}" for t in range(steps)],
        "source": f"maze-{seed:06d}",
        "seed": seed,
        "pose": rng.normal(size=(steps + 1, 3)).astype(np.float32),
    }
    return Episode(**values | changes)
