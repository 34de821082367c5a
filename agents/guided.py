"""The scripted reference of a task as an agent: it knows the simulator's plan, no picture."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from agents.tasks import TASKS, Task
from worldsim.errors import WorldsimError

NAME = "guide"  # of this agent where agents are named


class Guide(Protocol):
    """What is asked of `envs.guides`."""

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Begin an episode."""

    def advise(self, info: dict[str, Any]) -> str:
        """Return the words of the action to take."""


class Guided:
    """Does what the task's guide says.

    Args:
        env: The task's simulator.
        task: With a guide.

    Raises:
        WorldsimError: The task has none, or this is not its simulator.
    """

    def __init__(self, env: gym.Env[Any, Any], task: Task) -> None:
        if not task.guide:
            known = ", ".join(name for name, other in TASKS.items() if other.guide)
            raise WorldsimError(f"nobody knows the way in this task: there are guides for {known}")
        self._world: Any = env.unwrapped
        if not hasattr(type(self._world), "layout"):
            raise WorldsimError(
                "a guide knows the simulator's plan, and a dream has none: use places=[real]"
            )
        module, _, name = task.guide.partition(":")
        self._guide: Guide = getattr(import_module(module), name)()
        self._begun = False

    def reset(self) -> None:
        """Begin an episode."""
        self._begun = False

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the world's number of what the guide would do now."""
        if not self._begun:
            self._guide.reset(info, self._world.layout)
            self._begun = True
        return int(self._world.spec_world.action_index(self._guide.advise(info)))
