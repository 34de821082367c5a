"""Many dreams of the learned world in one batch, as a Gymnasium vector environment.

Thin: seeds, time limits and autoreset here, the dreams themselves in `dream_core`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from envs.dream_core import RENDER_MODES, DreamCore, DreamExtras, Info
from worldsim.errors import WorldsimError
from worldsim.scene import GONE


class DreamVectorEnv(DreamExtras, VectorEnv[Any, Any, Any]):
    """Many dreamed worlds in one batch through the model.

    Args:
        num_envs: How many.
        world: Which of the checkpoint's worlds.
        checkpoint: A folder; None takes the bundled one.
        max_episode_steps: Truncate after so many steps; None or -1 never.
        output: ``"numpy"`` or ``"torch"`` (tensors on the model's device).
        autoreset_mode: SAME_STEP (the last frame is in ``info["final_obs"]``) or DISABLED
            (``reset(options={"reset_mask": bool array})``; a world not reset dreams on).
        num_steps: As in `DreamEnv`.
        device: As in `DreamEnv`.
        render_mode: ``"rgb_array"`` or None.
        place: As in `DreamEnv`.
        dataset: As in `DreamEnv`.
        draw_ends: Whether worlds end; else they only say with what chance, ``info["end_chance"]``.
        begins_again: As in `DreamEnv`.
        cut_lost: Truncate dreams with too little left of what they saw.

    Raises:
        WorldsimError: As in `DreamEnv`.
    """

    metadata = {"render_modes": RENDER_MODES, "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        world: str = "doom",
        checkpoint: str | Path | None = None,
        max_episode_steps: int | None = 512,
        output: str = "numpy",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        num_steps: int | None = None,
        device: str | None = None,
        render_mode: str | None = None,
        place: str = "",
        dataset: str | Path | None = None,
        draw_ends: bool = True,
        begins_again: bool = True,
        cut_lost: bool = False,
    ):
        self.autoreset_mode = _offered(autoreset_mode, output)
        self._core = DreamCore(
            world, checkpoint, num_envs, num_steps, device, render_mode, place, dataset,
            begins_again and not cut_lost,
        )  # fmt: skip
        self.draw_ends = self._core.simulator.draw_ends = draw_ends
        self.spec_world = self._core.spec
        self.metadata = {
            **self.metadata,
            "render_fps": self.spec_world.steps_per_second,
            "autoreset_mode": self.autoreset_mode,
        }
        self.num_envs, self.output, self.render_mode = num_envs, output, render_mode
        self.cut_lost = cut_lost
        self.limit = max_episode_steps if max_episode_steps and max_episode_steps > 0 else None
        self.single_observation_space = self._core.observation_space
        self.single_action_space = self._core.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._steps = np.zeros(num_envs, np.int64)
        self._random: list[np.random.Generator | None] = [None] * num_envs

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None
    ) -> tuple[Any, Info]:
        """Begin dreams; options as in `DreamEnv.reset`, for all, and ``reset_mask`` for some.

        ``frames`` and ``actions`` may be one clip for all worlds or, ``(num_envs, K, H, W, 3)`` and
        ``(num_envs, K - 1)``, one for each, of which those of worlds not reset are not looked at.
        A number as seed stands for itself in the first world, plus one in the second, and so on;
        a world's dream is that of a `DreamEnv` with the same seed (but for rounding).
        """
        options = dict(options or {})
        lanes = self._lanes(options.pop("reset_mask", None))
        wanted = self._core.snapshot_wanted(options)
        if wanted is not None:
            self.restore(wanted)
            infos = [{"start": "snapshot", "prompt": None}] * self.num_envs
            return self._out(self._core.frames), self._collect(enumerate(infos))
        self._seed(seed, lanes)
        infos = self._begin(lanes, options)
        return self._out(self._core.frames), self._collect(zip(lanes, infos, strict=True))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Dream one frame in every world; `actions` are ``(num_envs,)`` integers."""
        self._need_reset()
        actions = actions.cpu() if isinstance(actions, torch.Tensor) else actions
        if np.shape(actions) != (self.num_envs,):
            raise WorldsimError(
                f"actions of shape {np.shape(actions)} for {self.num_envs} worlds: "
                f"give integers ({self.num_envs},)"
            )
        infos, rewards, terminated = self._core.step(list(np.asarray(actions)))
        self._steps += 1
        truncated = np.zeros(self.num_envs, bool)
        if self.limit:
            truncated = (self._steps >= self.limit) & ~terminated
        if self.cut_lost:
            truncated |= np.array([info["worn"] > GONE for info in infos]) & ~terminated
        done = np.flatnonzero(terminated | truncated).tolist()
        if done and self.autoreset_mode is AutoresetMode.SAME_STEP:
            last = [self._out(self._core.frames[lane]) for lane in done]
            for lane, frame, begun in zip(done, last, self._begin(done, {}), strict=True):
                infos[lane] = {"final_obs": frame, "final_info": infos[lane], **begun}
        return (
            self._out(self._core.frames), self._out(rewards), self._out(terminated),
            self._out(truncated), self._collect(enumerate(infos)),
        )  # fmt: skip

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return the newest frame of every world."""
        return tuple(self._core.frames.copy()) if self.render_mode else None

    def say(self, texts: Sequence[str | None]) -> None:
        """Let a sentence steer each world for which one is given, as in `DreamEnv.say`."""
        self._need_reset()
        self._core.say(texts)

    def append(self, frames: Any) -> None:
        """Replace the newest frames, uint8 ``(num_envs, H, W, 3)``, by ones really seen."""
        self._need_reset()
        self._core.append(frames)

    def snapshot(self) -> Info:
        """Return the whole state of all worlds, step counts included."""
        self._need_reset()
        random = [g.bit_generator.state for g in self._random if g is not None]
        return {**self._core.snapshot(), "random": random, "steps": self._steps.copy()}

    def restore(self, snapshot: Info) -> None:
        """Go back to a `snapshot` of the same number of worlds; what follows repeats exactly."""
        self._core.restore(snapshot)
        self._random = [seeding.np_random(0)[0] for _ in range(self.num_envs)]
        for generator, state in zip(self._random, snapshot["random"], strict=True):
            assert generator is not None
            generator.bit_generator.state = state
        self._steps = np.array(snapshot.get("steps", np.zeros(self.num_envs, np.int64)))

    def _lanes(self, mask: Any) -> list[int]:
        """Return the worlds a reset is about."""
        if mask is None:
            return list(range(self.num_envs))
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise WorldsimError(
                f"reset_mask {mask.tolist()} does not say which of {self.num_envs} worlds to "
                "reset: give as many booleans, at least one of them true"
            )
        return np.flatnonzero(mask).tolist()

    def _seed(self, seed: int | Sequence[int | None] | None, lanes: list[int]) -> None:
        if seed is None or isinstance(seed, (int, np.integer)):
            seed = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise WorldsimError(f"{len(seed)} seeds for {self.num_envs} worlds: give one each")
        for lane in lanes:
            if seed[lane] is not None or self._random[lane] is None:
                self._random[lane] = seeding.np_random(seed[lane])[0]

    def _begin(self, lanes: list[int], options: Info) -> list[Info]:
        random = [generator for lane in lanes if (generator := self._random[lane]) is not None]
        infos = self._core.reset(lanes, random, options)
        self._steps[lanes] = 0
        return infos

    def _collect(self, infos: Iterable[tuple[int, Info]]) -> Info:
        """Turn infos of single worlds into arrays with masks, Gymnasium's own way."""
        collected: Info = {}
        for lane, info in infos:
            collected = self._add_info(collected, info, lane)
        return collected

    def _need_reset(self) -> None:
        if None in self._random:
            raise gymnasium.error.ResetNeeded("call reset() for all worlds first")

    def _out(self, value: np.ndarray) -> Any:
        if self.output == "numpy":
            return value.copy()
        return torch.as_tensor(value.copy(), device=self._core.simulator.device)


def _offered(mode: AutoresetMode | str, output: str) -> AutoresetMode:
    offered = {m.value: m for m in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)}
    name = mode.value if isinstance(mode, AutoresetMode) else mode
    if name not in offered or output not in ("numpy", "torch"):
        raise WorldsimError(
            f"autoreset_mode={name}, output={output} is not offered: "
            f"use {' or '.join(offered)}, numpy or torch"
        )
    return offered[name]
