"""A world in which the colour of the picture says what is right to do."""

from __future__ import annotations

import os

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from agents.tasks import Task
from worldsim.world import WorldSpec, key_combinations

SIZE = 36
SPEC = WorldSpec(
    name="toy",
    actions=key_combinations(("forward", "back"), ("turn left", "turn right")),
    keys={"w": "forward", "s": "back", "a": "turn left", "d": "turn right"},
    steps_per_second=10.0,
    description="a coloured wall",
)
KEYS = ("stay", "turn left", "turn right")
TASK = Task("tests.agents.toy:toy/Colours-v0", "toy/NoDream-v0", KEYS, "right answers", scale=0.5,
            guide="tests.agents.toy:Guide", hurts=True)  # fmt: skip


class Colours(gym.Env):
    """Red asks for a turn to the left, blue for one to the right; 1 for each that is made,
    and `pain` for each that is not.
    """

    metadata = {"render_modes": []}

    def __init__(self, split: str = "train", steps: int = 12, pain: float = 0.0):
        self.split, self.steps, self.pain, self.spec_world = split, steps, pain, SPEC
        self.process = os.getpid()
        self.observation_space = spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.action_space = spaces.Discrete(len(SPEC.actions))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.steps
        frame = self._see()
        return frame, {"red": self.red}

    def step(self, action):
        wanted = SPEC.action_index("turn left" if self.red else "turn right")
        self.left -= 1
        reward = float(action == wanted) - self.pain * float(action != wanted)
        frame = self._see()
        return frame, reward, self.left == 0, False, {"red": self.red}

    @property
    def layout(self):
        return "turn left", "turn right"

    def _see(self):
        self.red = bool(self.np_random.random() < 0.5)
        frame = np.zeros((SIZE, SIZE, 3), np.uint8)
        frame[..., 0 if self.red else 2] = 255
        return frame


class Missing(gym.Env):
    """A simulator that is not installed."""

    def __init__(self, split: str = "train"):
        raise ImportError('the world "toy" needs Toys: run pip install toys')


class Guide:
    """Says what is right without a look at the picture."""

    def reset(self, info, layout):
        self.layout = layout

    def advise(self, info):
        return self.layout[0 if info["red"] else 1]


class Knowing:
    """Does what the colour says."""

    def reset(self):
        pass

    def act(self, observation, info):
        return SPEC.action_index("turn left" if observation[0, 0, 0] else "turn right")


if "toy/Colours-v0" not in gym.registry:
    gym.register("toy/Colours-v0", Colours)
    gym.register("toy/Missing-v0", Missing)
