"""Who plans ways to pictures in `worldsim agent navigate`: planners, and what they have to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv, VectorWrapper

from agents.planner import Planner, PlannerConfig
from agents.scores import Score
from worldsim.errors import WorldsimError
from worldsim.world import NO_ACTION, WorldSpec

AHEAD = "forward"
# Who looks ahead: how it searches, and whether in a dream that takes one action for another.
SEARCHES = {
    "cem": ("cem", False),
    "mppi": ("mppi", False),
    "shooting": ("shooting", False),
    "shuffled": ("cem", True),
    "shuffled_shooting": ("shooting", True),
}
BLIND = ("random", "straight", "stay")
METHODS = (*SEARCHES, *BLIND)
CLOSED = tuple(method for method in METHODS if method != "stay")  # who may get somewhere


class Shuffled(VectorWrapper):
    """A dream that takes each action for another one: it moves, and tells nothing of what one does.

    Args:
        env: The dream.
        actions: The numbers that are exchanged, each for the next.
    """

    def __init__(self, env: Any, actions: list[int]) -> None:
        super().__init__(env)
        self._instead = dict(zip(actions, actions[1:] + actions[:1], strict=True))

    def step(self, actions: Any) -> Any:
        """Take other actions."""
        return self.env.step(np.array([self._instead[int(a)] for a in actions]))


def make_planner(
    method: str,
    dream: VectorEnv[Any, Any, Any],
    actions: list[int],
    score: Score,
    config: PlannerConfig,
    seed: int,
) -> Planner:
    """Return the planner of one of the `SEARCHES`; arguments as in `Planner`."""
    search, shuffled = SEARCHES[method]
    dream = Shuffled(dream, actions) if shuffled else dream
    return Planner(dream, actions, score, replace(config, method=search), seed)


def open_loop(config: PlannerConfig, steps: int) -> PlannerConfig:
    """Return how to search a way to a goal some steps away that is taken without another look."""
    return replace(config, horizon=steps, every=0)


def closed_loop(config: PlannerConfig, steps: int) -> PlannerConfig:
    """Return how to search where one looks again on the way to a goal some steps away.

    No farther ahead than `config` says, nor than the goal is: what comes then is seen later.
    """
    horizon = min(config.horizon, steps)
    return replace(config, horizon=horizon, every=min(config.every, horizon))


class Blind:
    """Who takes a way without a look at anything.

    Args:
        method: One of `BLIND`.
        spec: The world's words.
        actions: Numbers that are drawn from at random.
        steps: Of the way.
        hold: Steps for which an action drawn is held.
        seed: Of the draws.
    """

    def __init__(
        self,
        method: str,
        spec: WorldSpec,
        actions: list[int],
        steps: int,
        hold: int,
        seed: list[int],
    ) -> None:
        always = spec.action_index(AHEAD if method == "straight" else NO_ACTION)
        self._way = np.full(steps, always)
        if method == "random":
            holds = np.random.default_rng(seed).choice(actions, -(-steps // hold))
            self._way = np.repeat(holds, hold)[:steps]
        self._taken = 0

    def remember(self, frames: Sequence[np.ndarray], done: Sequence[int]) -> None:
        """Take no notice of what was."""

    def plan(self, frames: Sequence[np.ndarray], done: Sequence[int]) -> np.ndarray:
        """Return the whole way, the world's numbers ``(steps,)``."""
        return self._way

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the next action of the way."""
        self._taken += 1
        return int(self._way[self._taken - 1])


def check_methods(methods: Sequence[str]) -> None:
    """Refuse methods that do not exist, and none at all."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        raise WorldsimError(f"methods={unknown or '[]'}: use {', '.join(METHODS)}")
