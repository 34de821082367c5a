"""Episodes of an agent in an environment, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from tqdm.auto import tqdm

from agents.tasks import Task
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

RESAMPLES = 2000  # of the bootstrap


class Agent(Protocol):
    """Whoever acts."""

    def reset(self) -> None:
        """Begin an episode."""

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the next action."""


class Held:
    """Somebody who thinks in longer steps than the world's: what is chosen is held.

    Args:
        agent: Who chooses, seeing no frames in between.
        steps: Of the world for one choice.
    """

    def __init__(self, agent: Agent, steps: int) -> None:
        self.agent, self.steps = agent, steps
        self._action, self._left = 0, 0

    def reset(self) -> None:
        """Begin an episode."""
        self.agent.reset()
        self._left = 0

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action chosen last, or a new one where that was held for long enough."""
        if not self._left:
            self._action, self._left = self.agent.act(observation, info), self.steps
        self._left -= 1
        return self._action


def steps_for(choice: int, skip: int) -> int:
    """Return how many steps of a world a choice is held for.

    Args:
        choice: Steps of the simulator that it is made for.
        skip: Of those that a step of the world is.

    Raises:
        WorldsimError: Those are no whole number of these.
    """
    if choice % skip:
        raise WorldsimError(
            f"this agent chooses for {choice} steps of the simulator, and one step of this world "
            f"is {skip}: it cannot act here"
        )
    return choice // skip


def in_steps_of(agent: Agent, known: WorldSpec, world: WorldSpec) -> Agent:
    """Return an agent that knows a world in some steps as one that acts in it in others."""
    steps = steps_for(known.skip, world.skip)
    return agent if steps == 1 else Held(agent, steps)


@dataclass
class Played:
    """One episode.

    Attributes:
        seed: It was begun with.
        rewards: Of every step.
        ended: Whether the world ended it, and not the clock.
        actions: Of every step.
        frames: All that was seen, one more; empty unless kept.
    """

    seed: int
    rewards: list[float]
    ended: bool
    actions: list[int]
    frames: list[np.ndarray]

    @property
    def total(self) -> float:
        """The return."""
        return float(sum(self.rewards))


def make_real(task: Task, split: str, pain: float = 0.0) -> gym.Env[Any, Any]:
    """Return a task's simulator, or say what is missing.

    Args:
        task: Where health can be lost, if there is to be `pain`.
        split: Of places and seeds: train or heldout.
        pain: Taken off the reward for every point of health lost; 0 is the task as it is judged.
    """
    if pain and not task.hurts:
        raise WorldsimError(f"pain={pain}: there is no health to lose in this task, leave it out")
    options: dict[str, Any] = {"pain": pain} if pain else {}
    try:
        return gym.make(task.real, split=split, **options)
    except ImportError as error:
        raise WorldsimError(
            f"{error} (in the dream alone no simulator is needed: in=dream eval_every=0, "
            "places=[dream])"
        ) from error


def missing(task: Task) -> str:
    """Return what a task's simulator lacks to be made here, with the remedy; "" for nothing."""
    try:
        gym.make(task.real, split="heldout").close()
    except ImportError as error:
        return str(error)
    return ""


def make_dream(task: Task, checkpoint: str, data: str, horizon: int) -> gym.Env[Any, Any]:
    """Return a task's dream.

    Args:
        task: What is dreamed.
        checkpoint: Folder of the model; empty: the bundled one.
        data: Dataset whose moments it begins in; empty: the checkpoint's clips.
        horizon: Of its own steps, after which it is cut off.
    """
    return gym.make(
        task.dream,
        checkpoint=checkpoint or None,
        dataset=data or None,
        max_episode_steps=horizon,
    )


def play(
    env: gym.Env[Any, Any], agent: Agent, seeds: Iterable[int], desc: str = "", keep: bool = False
) -> list[Played]:
    """Play an episode for each seed; with `keep`, the best one keeps its frames.

    Args:
        env: Where.
        agent: Who acts.
        seeds: One for each episode.
        desc: Who plays where, for the progress bar and errors.
        keep: Whether frames of the best episode are kept.

    Raises:
        WorldsimError: A reward is not a number: a mean of it would be none, either.
    """
    played = list[Played]()
    for seed in tqdm(list(seeds), desc=desc, unit="episode", leave=False):
        frame, info = env.reset(seed=int(seed))
        agent.reset()
        now, over = Played(int(seed), [], False, [], [frame] if keep else []), False
        while not over:
            now.actions.append(int(agent.act(frame, info)))
            frame, reward, ended, cut, info = env.step(now.actions[-1])
            if not np.isfinite(float(reward)):
                raise WorldsimError(
                    f"{desc or 'an agent'}: the reward of step {len(now.actions)} with seed {seed} "
                    f"is {reward}, not a number: a model that dreams so is damaged or diverged; "
                    "use another checkpoint"
                )
            now.rewards.append(float(reward))
            now.ended, over = bool(ended), bool(ended or cut)
            if keep:
                now.frames.append(frame)
        best = max((other.total for other in played), default=-np.inf)
        for other in played if now.total > best else [now]:
            other.frames = []
        played.append(now)
    return played


def summarize(played: list[Played], seed: int = 0) -> dict[str, Any]:
    """Return ``mean`` of the returns with its 95 % interval ``low``, ``high`` (bootstrap).

    Also ``std``, ``median``, ``episodes``, ``steps`` in all and how many were ``ended`` by the
    world.
    """
    totals = np.array([episode.total for episode in played])
    rng = np.random.default_rng(seed)
    means = totals[rng.integers(len(totals), size=(RESAMPLES, len(totals)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return {
        "mean": float(totals.mean()),
        "low": float(low),
        "high": float(high),
        "std": float(totals.std()),
        "median": float(np.median(totals)),
        "episodes": len(played),
        "steps": sum(len(episode.rewards) for episode in played),
        "ended": float(np.mean([episode.ended for episode in played])),
    }
