"""Agents that do not look: a fixed action, keyboard-like bursts, a script.

Each has `reset()` and `act(observation, info) -> action`. They know the words of a world
(anything with `actions`, `keys` and `action_index`, such as a `WorldSpec`), not its pixels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from agents.play import Agent


class Vocabulary(Protocol):
    """The part of a world's description that these agents need."""

    @property
    def actions(self) -> Sequence[str]:
        """Words of every action; the position is the action, 0 does nothing."""

    @property
    def keys(self) -> Mapping[str, str]:
        """Key name to elementary word."""

    def action_index(self, text: str) -> int:
        """Return the action of some words; raises for unknown ones."""


class Stay:
    """Does one and the same action for ever; nothing, by default."""

    def __init__(self, action: int = 0) -> None:
        """Take the action to repeat."""
        self.action = action

    def reset(self) -> None:
        """Begin an episode; there is nothing to forget."""

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action."""
        return self.action


class RandomActions:
    """A new action at every step, each as likely: the picture trembles, nothing is explored."""

    def __init__(
        self, world: Vocabulary, seed: int = 0, actions: Sequence[int] | None = None
    ) -> None:
        """Take the world's words, the seed of all choices and what to choose from, if not all."""
        self._actions = range(len(world.actions)) if actions is None else actions
        self._random = np.random.default_rng(seed)

    def reset(self) -> None:
        """Begin an episode; the choices go on where they were."""

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action."""
        return self._actions[int(self._random.integers(len(self._actions)))]


class RandomHold:
    """Holds keys for a while as a person does: mostly forward, with turns and side steps.

    A world without a word "forward" gets bursts of its actions, each as likely; so do actions that
    are given.
    """

    BURSTS = {
        "forward": (0.36, 6, 24),
        "forward turn left": (0.14, 3, 12),
        "forward turn right": (0.14, 3, 12),
        "turn left": (0.11, 3, 10),
        "turn right": (0.11, 3, 10),
        "strafe left": (0.04, 3, 8),
        "strafe right": (0.04, 3, 8),
        "back": (0.03, 3, 8),
        "stay": (0.03, 2, 6),
    }  # words: (how often, fewest steps, most steps)

    def __init__(
        self,
        world: Vocabulary,
        seed: int = 0,
        actions: Sequence[int] | None = None,
        skip: int = 1,
    ) -> None:
        """Take the world's words, the seed of all choices and what to choose from, if not all.

        Where a step is as long as `skip` usual ones, as many fewer are held.
        """
        bursts = {word: burst for word, burst in self.BURSTS.items() if word in world.actions}
        if "forward" not in bursts or actions is not None:
            offered = range(len(world.actions)) if actions is None else actions
            bursts = dict.fromkeys([world.actions[k] for k in offered], (1.0, 4, 16))
        self._actions = [world.action_index(word) for word in bursts]
        self._spans = [(-(-low // skip), -(-high // skip)) for _, low, high in bursts.values()]
        weights = np.array([weight for weight, _, _ in bursts.values()])
        self._weights = weights / weights.sum()
        self._random = np.random.default_rng(seed)
        self._action, self._left = 0, 0

    def reset(self) -> None:
        """Begin an episode with a new burst; the choices go on where they were."""
        self._left = 0

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action."""
        if self._left == 0:
            choice = int(self._random.choice(len(self._actions), p=self._weights))
            low, high = self._spans[choice]
            self._action = self._actions[choice]
            self._left = int(self._random.integers(low, high + 1))
        self._left -= 1
        return self._action


class Slipping:
    """Somebody who knows what to do, and now and then somebody else for a while.

    Play of one who makes no mistakes shows no way back from any (Laskey et al. 2017, "DART",
    arXiv 1703.09327, adds noise for that; here it lasts).

    Args:
        agent: Who knows.
        other: Who does not.
        share: Of the stretches that are the other's.
        seed: Of all choices.
        skip: Usual steps that a step here is as long as.
    """

    STRETCH = (8, 32)  # usual steps, fewest and most

    def __init__(
        self, agent: Agent, other: Agent, share: float, seed: int = 0, skip: int = 1
    ) -> None:
        self._both, self._share = (agent, other), share
        self._random = np.random.default_rng([seed, 1])
        self._span = [-(-steps // skip) for steps in self.STRETCH]
        self._now, self._left = agent, 0

    def reset(self) -> None:
        """Begin an episode with a new stretch."""
        self._left = 0
        for agent in self._both:
            agent.reset()

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action of who it is the turn of; both are asked, so that both keep up."""
        if not self._left:
            self._now = self._both[int(self._random.random() < self._share)]
            self._left = int(self._random.integers(self._span[0], self._span[1] + 1))
        self._left -= 1
        chosen = [agent.act(observation, info) for agent in self._both]
        return chosen[self._both.index(self._now)]


class Script:
    """Does what is written, then nothing: ``"forward*20 turn left*5 w+q*10"``.

    Every entry is an action in words, or keys joined by ``+``, and how many steps to hold it.

    Example:
        >>> Script("w*2 a*1", world).actions
        [9, 9, 3]
    """

    def __init__(self, text: str, world: Vocabulary) -> None:
        """Read the script; ValueError where it is not one."""
        entries = re.findall(r"([^*]+?)\s*\*\s*(\d+)(?:[\s,]+|$)", text.strip())
        if not entries or re.sub(r"[^*]+?\s*\*\s*\d+(?:[\s,]+|$)", "", text.strip()):
            raise ValueError(
                f"not a script: '{text}'. Write an action or key, * and a number of steps, "
                "such as 'forward*20 turn left*5' or 'w*20 a*5'"
            )
        self.actions = [
            action
            for words, count in entries
            for action in [_read_action(words.strip(), world)] * int(count)
        ]
        self._next = 0

    def reset(self) -> None:
        """Begin an episode; the script goes on where it was."""

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the action; 0 once the script is over."""
        position, self._next = self._next, self._next + 1
        return self.actions[position] if position < len(self.actions) else 0


def _read_action(text: str, world: Vocabulary) -> int:
    """Return the action of words, or of keys joined by plus signs."""
    parts = [part.strip() for part in text.split("+")]
    return world.action_index(" ".join(world.keys.get(part.lower(), part) for part in parts))
