"""A world in longer steps: every action is held for a while, and what is between is not seen.

Dreams go wrong from step to step, not from second to second: a world whose steps are four times as
long is dreamed four times as far with as many. Data recorded so (`worldsim agent collect … skip=4`)
is of that world, and so is the model that learns from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym

from worldsim.errors import WorldsimError


class Skip(gym.Wrapper[Any, Any, Any, Any]):
    """Holds each action for some steps; rewards are added up, the last frame is shown.

    Args:
        env: A simulator with a `spec_world`.
        steps: Of the simulator for one step here; an episode may end in the middle of one.

    Attributes:
        spec_world: The world in its own steps, with as many fewer a second.

    Raises:
        WorldsimError: Less than one step.
    """

    def __init__(self, env: gym.Env[Any, Any], steps: int) -> None:
        super().__init__(env)
        if steps < 1:
            raise WorldsimError(f"skip={steps}: use 1 or more")
        self.steps = steps
        spec = env.get_wrapper_attr("spec_world")
        self.spec_world = replace(
            spec, steps_per_second=spec.steps_per_second / steps, skip=spec.skip * steps
        )

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Hold an action."""
        frame, total, ended, cut, info = self.env.step(action)
        for _ in range(self.steps - 1):
            if ended or cut:
                break
            frame, reward, ended, cut, info = self.env.step(action)
            total = float(total) + float(reward)
        return frame, float(total), ended, cut, info
