"""Sentences as actions, so that anything that writes can act: a person, a language model."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import whole
from worldsim.errors import WorldsimError
from worldsim.world import NO_ACTION, WorldSpec

MOST_LETTERS, MOST_STEPS = 200, 64
_STEPS = re.compile(r"[,:]?\s*(?:for )?(?:the next )?(\d+) steps?[,:]?\s*")


class SentenceActions(gym.Wrapper[np.ndarray, str, np.ndarray, Any]):
    """A world, real or dreamed, whose actions are sentences.

    A sentence is in force for `steps` steps, or as many as it says ("turn left for 7 steps"). A
    dream obeys whatever is said as well as its model can. A real world knows the phrases of its
    `WorldSpec` and the words of its actions ("forward turn left"), and nothing else.

    `info` has ``steps`` that were taken and ``frames``, all that was seen, uint8 ``(steps, H, W,
    3)``; the reward is the sum.

    Args:
        env: One of `envs`.
        steps: For which a sentence is in force where it does not say so, 1 to 64.

    Raises:
        WorldsimError: A sentence is empty, or means nothing to a real world; nothing was done then.

    Example:
        >>> env = SentenceActions(gymnasium.make("worldsim/DreamDoom-v0"))
        >>> frame, info = env.reset(seed=0)
        >>> frame, reward, terminated, truncated, info = env.step("turn left for 5 steps")
    """

    def __init__(self, env: gym.Env[np.ndarray, Any], steps: int = 4) -> None:
        super().__init__(env)
        self._world: gym.Env[np.ndarray, Any] = env
        self.steps = whole("steps", steps, 1, MOST_STEPS)
        self.spec_world: WorldSpec = env.get_wrapper_attr("spec_world")
        self.action_space: spaces.Space[str] = spaces.Text(
            MOST_LETTERS, charset=string.ascii_letters + string.digits + " ,.:'-?!"
        )
        self._dreams = env.has_wrapper_attr("say")

    def step(self, action: str) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Do what a sentence says, for as long as it is in force or until it is over."""
        if not isinstance(action, str) or not action.strip():
            raise WorldsimError(f"{action!r} is no sentence: say something, such as 'go on'")
        steps, number = _count(action) or self.steps, 0
        if self._dreams:
            self._world.get_wrapper_attr("say")(action.strip())
        else:
            number = understand(action, self.spec_world)
        total, frames = 0.0, []
        for _ in range(min(steps, MOST_STEPS)):
            frame, reward, terminated, truncated, info = self._world.step(np.int64(number))
            frames.append(frame)
            total += float(reward)
            if terminated or truncated:
                break
        said = {"steps": len(frames), "frames": np.stack(frames)}
        return frame, total, terminated, truncated, {**info, **said}


def understand(sentence: str, spec: WorldSpec) -> int:
    """Return the action that a sentence means in a world, by its phrases.

    Raises:
        WorldsimError: It means none of them.
    """
    words = " ".join(_STEPS.sub(" ", sentence.lower()).strip(" .!?").split())
    for action, said in _meanings(spec.phrases).items():
        if words in said:
            return spec.action_index(action)
    try:
        return spec.action_index(words or "nothing")
    except WorldsimError as error:
        known = [phrases["seen"][0] for phrases in spec.phrases.values() if phrases.get("seen")]
        raise WorldsimError(
            f"the world '{spec.name}' does not understand '{sentence}': say such as "
            f"{', '.join(known) or NO_ACTION}, or combine {', '.join(spec.elements)}"
        ) from error


def _meanings(phrases: Mapping[str, Mapping[str, list[str]]]) -> dict[str, set[str]]:
    return {
        action: {p for kind in kinds.values() for p in kind} for action, kinds in phrases.items()
    }


def _count(sentence: str) -> int:
    found = _STEPS.search(sentence.lower())
    return int(found[1]) if found else 0
