"""Gymnasium's batched environments as stable-baselines3 wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from worldsim.errors import WorldsimError

Obs = np.ndarray


class BatchedEnv(VecEnv):
    """A `gymnasium.vector.VectorEnv` with whole-number actions, some of which may be taken.

    Args:
        env: With autoreset in the same step, such as every dream.
        actions: The env's number of each action on offer here.
        repeat: Steps of the env for one step here: an action is held so long and its rewards are
            added up. An episode that ends earlier gives way to the next, in which the world's
            first action on offer is held for the rest.

    Raises:
        WorldsimError: The env resets itself in another way, or a reward is not a number.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], actions: Sequence[int], repeat: int = 1):
        mode = env.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.SAME_STEP.value):
            raise WorldsimError(
                f"autoreset_mode {mode} does not fit stable-baselines3: make the environment with "
                "SAME_STEP"
            )
        self.env, self.repeat = env, repeat
        self._actions = np.array(actions, np.int64)
        self._chosen = np.zeros(env.num_envs, np.int64)
        super().__init__(
            env.num_envs, env.single_observation_space, spaces.Discrete(len(self._actions))
        )

    def reset(self) -> Obs:
        """Begin everywhere, with the seed given by `seed` or none."""
        seed = self._seeds[0]  # a number stands for itself in the first world, plus one in the next
        frames, _ = self.env.reset(seed=seed)
        self._reset_seeds()
        return frames

    def step_async(self, actions: np.ndarray) -> None:
        """Take note of what is to be done."""
        self._chosen = self._actions[np.asarray(actions)]

    def step_wait(self) -> tuple[Obs, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Do it; frames of episodes that are over are the first ones of the next."""
        frames, total, over, infos = self._step_once(self._chosen)
        for _ in range(self.repeat - 1):
            held = np.where(over, self._actions[0], self._chosen)
            frames, rewards, now_over, found = self._step_once(held)
            total = total + np.where(over, 0, rewards)
            for lane in np.flatnonzero(~over).tolist():
                infos[lane] = _after(infos[lane], found[lane])
            over = over | now_over
        return frames, total.astype(np.float32), over, infos

    def _step_once(
        self, actions: np.ndarray
    ) -> tuple[Obs, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        frames, rewards, ended, cut, found = self.env.step(actions)
        if not np.isfinite(rewards).all():
            lane = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise WorldsimError(
                f"the reward of world {lane} is {rewards[lane]}, not a number: the model that "
                "dreams it is damaged or diverged; use another checkpoint"
            )
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for known in (found, found.get("final_info", {})):
            for lane in np.flatnonzero(known.get("_end_chance", [])).tolist():
                infos[lane]["end_chance"] = float(known["end_chance"][lane])
        for lane in np.flatnonzero(ended | cut).tolist():
            infos[lane]["terminal_observation"] = found["final_obs"][lane]
            infos[lane]["TimeLimit.truncated"] = bool(cut[lane] and not ended[lane])
        return frames, rewards, ended | cut, infos

    def close(self) -> None:
        """Close the env."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the env, once for each of the worlds asked after."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute; it is that of all worlds, which are one env."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Call a method of the env, once for all; return its result once for each world."""
        result = getattr(self.env, method_name)(*args, **kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> list[bool]:
        """Tell that no single world has wrappers of its own."""
        return [False] * len(list(self._get_indices(indices)))


def _after(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return what is known after two steps: the last, and the chance of an end in either."""
    if "end_chance" not in now:
        return now
    lives = (1 - before.get("end_chance", 0.0)) * (1 - now["end_chance"])
    return now | {"end_chance": 1 - lives}


class ScaledRewards(VecEnvWrapper):
    """Multiplies rewards, so that what an agent has to guess is neither tiny nor huge."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self.scale = scale

    def reset(self) -> Any:
        """Begin everywhere."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Return what the worlds return, with other rewards."""
        frames, rewards, over, infos = self.venv.step_wait()
        return frames, rewards * np.float32(self.scale), over, infos
