"""Fakes that stand in for slow things: a world that needs no model and no simulator."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec, key_combinations

FAKE_SPEC = WorldSpec(
    name="fake",
    actions=key_combinations(
        ("forward", "back"), ("turn left", "turn right"), ("strafe left", "strafe right")
    ),
    keys={
        "w": "forward",
        "s": "back",
        "a": "turn left",
        "d": "turn right",
        "q": "strafe left",
        "e": "strafe right",
        "up": "forward",
        "down": "back",
        "left": "turn left",
        "right": "turn right",
    },
    steps_per_second=17.5,
    description="a tunnel of coloured squares",
)


class FakeDream(gymnasium.Env[np.ndarray, int]):
    """A tunnel that moves with the actions: deterministic, with every extra of a dreamed world.

    FAKE_STEP_SECONDS makes every step that slow; FAKE_FAIL_AT makes that step raise;
    FAKE_END_AT ends the episode there.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FAKE_SPEC.steps_per_second}
    start_names = ["hall", "cave", "attic"]

    def __init__(self, render_mode: str | None = None, image_size: int = 64) -> None:
        """Make the world; `image_size` in pixels."""
        self.render_mode = render_mode
        self.spec_world = FAKE_SPEC
        self.model_id = "fa4e" * 16
        self.action_space: Any = spaces.Discrete(len(FAKE_SPEC.actions))
        self.observation_space = spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self._size = image_size
        self._slow = float(os.environ.get("FAKE_STEP_SECONDS", "0"))
        self._fail_at = int(os.environ.get("FAKE_FAIL_AT", "-1"))
        self._end_at = int(os.environ.get("FAKE_END_AT", "-1"))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Stand at the beginning of a tunnel."""
        super().reset(seed=seed)
        options = options or {}
        self._hue = self.start_names.index(options.get("start", "hall")) * 2.0
        self._prompt = options.get("prompt")
        self._depth, self._side, self._steps = 0.0, 0.0, 0
        self._speed = float(self.np_random.uniform(0.9, 1.1))
        return self._draw(), {"start": options.get("start"), "prompt": self._prompt}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move with the words of the action, and a little by chance."""
        time.sleep(self._slow)
        self._steps += 1
        if self._steps == self._fail_at:
            raise RuntimeError("the fake world broke\non two lines")
        words = FAKE_SPEC.action_text(action)
        self._depth += self._speed * (("forward" in words) - 0.7 * ("back" in words)) * 0.12
        self._side += ("left" in words) * 0.05 - ("right" in words) * 0.05
        self._side += float(self.np_random.normal(0, 0.002))
        ended = self._steps == self._end_at
        return self._draw(), float("forward" in words), ended, False, {"action_text": words}

    def say(self, text: str) -> None:
        """Listen: the colour changes with the length of the sentence."""
        if len(text) > 100:
            raise WorldsimError(f"the sentence has {len(text)} letters: say it in 100")
        self._hue += 0.1 * len(text)

    def snapshot(self) -> Any:
        """Return everything that the next frames depend on."""
        numbers = (self._hue, self._depth, self._side, self._steps, self._speed)
        return numbers, self.np_random.bit_generator.state

    def restore(self, snapshot: Any) -> None:
        """Be as at the time of a snapshot."""
        numbers, random = snapshot
        self._hue, self._depth, self._side, self._steps, self._speed = numbers
        self.np_random.bit_generator.state = random

    def append(self, frame: np.ndarray) -> None:
        """Take a real frame; this world dreams on regardless."""

    def render(self) -> np.ndarray:
        """Return the present frame."""
        return self._draw()

    def _draw(self) -> np.ndarray:
        axis = np.linspace(-1.0, 1.0, self._size)
        y, x = np.meshgrid(axis, axis - np.tanh(self._side) * 0.8, indexing="ij")
        distance = 0.4 / (np.maximum(np.abs(x), np.abs(y)) + 0.08)
        along = np.floor((distance + self._depth) * 3.0)
        around = np.floor(np.arctan2(y, x) * 8 / np.pi)
        tile = 0.55 + 0.45 * ((along + around) % 2)
        light = np.clip(1.4 / (0.6 + distance), 0.0, 1.0) * tile
        colour = 0.5 + 0.5 * np.cos(self._hue + along * 0.35 + np.arange(3)[:, None, None] * 2.1)
        return np.ascontiguousarray((light * colour * 255).astype(np.uint8).transpose(1, 2, 0))


gymnasium.register("worldsim/DreamFake-v0", entry_point="tests.fakes:FakeDream")
