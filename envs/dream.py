"""The learned world as a Gymnasium environment, single and natively batched.

Both are thin: spaces, seeds, starts and autoreset here, everything else in `worldsim.Simulator`.
They know no real simulator; the spaces are those of the real world the checkpoint learnt.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from worldsim.checkpoint import Start
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.world import WorldSpec

OPTIONS = ("start", "frames", "actions", "prompt", "snapshot")
Info = dict[str, Any]


class DreamEnv(gymnasium.Env[np.ndarray, int]):
    """One dreamed world.

    Args:
        world: Which of the checkpoint's worlds.
        checkpoint: A folder; None takes the bundled one.
        num_steps: Denoising passes a frame; None takes the checkpoint's own number.
        device: None takes a GPU where there is one.
        render_mode: ``"rgb_array"`` or None.

    Example:
        >>> env = gymnasium.make("worldsim/DreamDoom-v0")
        >>> frame, info = env.reset(seed=0, options={"start": 3})
        >>> frame, reward, terminated, truncated, info = env.step(9)  # forward
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 17.5}

    def __init__(
        self,
        world: str = "doom",
        checkpoint: str | None = None,
        num_steps: int | None = None,
        device: str | None = None,
        render_mode: str | None = None,
    ):
        self._dream = _Dream(world, checkpoint, 1, num_steps, device)
        self.spec_world = self._dream.spec
        self.metadata = {**self.metadata, "render_fps": self.spec_world.steps_per_second}
        self.observation_space = self._dream.observation_space
        self.action_space = self._dream.action_space  # type: ignore[assignment]
        self.render_mode = render_mode
        self._frame: np.ndarray | None = None

    @property
    def start_names(self) -> list[str]:
        """Names of the clips a dream can begin from."""
        return [start.name for start in self._dream.starts]

    @property
    def model_id(self) -> str:
        """Digest of the weights."""
        return self._dream.simulator.weights_id

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[np.ndarray, Info]:
        """Begin a dream.

        Args:
            seed: Of the choice of a start and of everything dreamed until the next reset.
            options: ``start`` (name or number), or ``frames`` uint8 ``(K, H, W, 3)`` with
                ``actions`` (K - 1 numbers); ``prompt``, a sentence that sets the scene;
                ``snapshot``, a state to go back to, instead of all others.
        """
        super().reset(seed=seed)
        if options and options.get("snapshot") is not None:
            self.restore(options["snapshot"])
            return self._seen(), {"start": "snapshot", "prompt": None}
        frames, infos = self._dream.reset([0], self.np_random, options)
        self._frame = frames[0]
        return self._seen(), infos[0]

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, Info]:
        """Dream the next frame; `action` 0 leaves the lead to a sentence said before."""
        self._seen()
        began = time.perf_counter()
        frames, rewards, terminated = self._dream.step([action])
        self._frame = frames[0]
        info = {
            "action_text": self.spec_world.action_text(action),
            "step_ms": 1e3 * (time.perf_counter() - began),
            **{f"{stage}_ms": ms for stage, ms in self._dream.simulator.stage_ms.items()},
        }
        return self._seen(), float(rewards[0]), bool(terminated[0]), False, info

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """Return the newest frame."""
        return None if self.render_mode is None else self._seen()

    def say(self, text: str) -> None:
        """Let a sentence steer, from the next step on, until an action other than 0 is taken."""
        self._dream.say([text])

    def append(self, frame: np.ndarray) -> None:
        """Replace the newest dreamed frame, uint8 ``(H, W, 3)``, by one really seen."""
        self._dream.simulator.append(torch.as_tensor(np.ascontiguousarray(frame))[None])
        self._frame = np.array(frame)

    def snapshot(self) -> Info:
        """Return the whole state, random numbers included."""
        random = self.np_random.bit_generator.state
        return {"dream": self._dream.snapshot(), "frame": self._seen(), "random": random}

    def restore(self, snapshot: Info) -> None:
        """Go back to a `snapshot`; what follows repeats exactly."""
        self._dream.restore(snapshot["dream"])
        self.np_random.bit_generator.state = snapshot["random"]
        self._frame = snapshot["frame"].copy()

    def _seen(self) -> np.ndarray:
        if self._frame is None:
            raise gymnasium.error.ResetNeeded("call reset() first")
        return self._frame.copy()


class DreamVectorEnv(VectorEnv[Any, Any, Any]):
    """Many dreamed worlds in one batch through the model.

    Args:
        num_envs: How many.
        world: Which of the checkpoint's worlds.
        checkpoint: A folder; None takes the bundled one.
        max_episode_steps: Truncate after so many steps; None or -1 never.
        output: ``"numpy"`` or ``"torch"`` (tensors on the model's device).
        autoreset_mode: SAME_STEP (the last frame is in ``info["final_obs"]``) or DISABLED
            (``reset(options={"reset_mask": bool array})``).
        num_steps: As in `DreamEnv`.
        device: As in `DreamEnv`.
        render_mode: ``"rgb_array"`` or None.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": ["rgb_array"],
                "render_fps": 17.5}  # fmt: skip

    def __init__(
        self,
        num_envs: int = 1,
        world: str = "doom",
        checkpoint: str | None = None,
        max_episode_steps: int | None = 512,
        output: Literal["numpy", "torch"] = "numpy",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        num_steps: int | None = None,
        device: str | None = None,
        render_mode: str | None = None,
    ):
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if self.autoreset_mode is AutoresetMode.NEXT_STEP or output not in ("numpy", "torch"):
            raise WorldsimError(
                f"autoreset_mode={autoreset_mode}, output={output} is not offered: "
                "use SameStep or Disabled, numpy or torch"
            )
        self._dream = _Dream(world, checkpoint, num_envs, num_steps, device)
        self.spec_world = self._dream.spec
        self.metadata = {
            **self.metadata,
            "render_fps": self.spec_world.steps_per_second,
            "autoreset_mode": self.autoreset_mode,
        }
        self.num_envs, self.output, self.render_mode = num_envs, output, render_mode
        self.limit = max_episode_steps if max_episode_steps and max_episode_steps > 0 else None
        self.single_observation_space = self._dream.observation_space
        self.single_action_space = self._dream.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._frames = np.zeros(self.observation_space.shape or (), np.uint8)
        self._steps = np.zeros(num_envs, np.int64)
        self._random: list[np.random.Generator] = []

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Info | None = None
    ) -> tuple[Any, Info]:
        """Begin dreams; options as in `DreamEnv.reset`, for all, and ``reset_mask`` for some."""
        options = dict(options or {})
        mask = options.pop("reset_mask", None)
        mask = np.ones(self.num_envs, bool) if mask is None else np.asarray(mask, bool)
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if seeds is not None or not self._random:
            fresh = seeds or [None] * self.num_envs
            made = [np.random.default_rng(s) for s in fresh]
            old = self._random or made
            self._random = [
                m if s is not None or not self._random else o
                for m, o, s in zip(made, old, fresh, strict=True)
            ]
        infos = self._begin(np.flatnonzero(mask), options)
        return self._out(self._frames), _stack(infos, self.num_envs)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Info]:
        """Dream one frame in every world."""
        actions = np.asarray(actions.cpu() if isinstance(actions, torch.Tensor) else actions)
        if actions.shape != (self.num_envs,):
            raise WorldsimError(
                f"actions of shape {actions.shape} for {self.num_envs} worlds: "
                f"give integers ({self.num_envs},)"
            )
        frames, rewards, terminated = self._dream.step(actions.tolist())
        self._frames = frames
        self._steps += 1
        truncated = np.zeros(self.num_envs, bool)
        if self.limit:
            truncated = (self._steps >= self.limit) & ~terminated
        info: Info = {}
        done = np.flatnonzero(terminated | truncated)
        if len(done) and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = np.full(self.num_envs, None, object)
            for lane in done:
                final[lane] = frames[lane].copy()
            mask = terminated | truncated
            info = {"final_obs": final, "_final_obs": mask,
                    "final_info": {"steps": self._steps.copy(), "_steps": mask}}  # fmt: skip
            info |= _stack(self._begin(done, {}), self.num_envs)
        return (
            self._out(self._frames), self._out(rewards), self._out(terminated),
            self._out(truncated), info,
        )  # fmt: skip

    def render(self) -> tuple[np.ndarray, ...] | None:  # type: ignore[override]
        """Return the newest frame of every world."""
        return tuple(self._frames.copy()) if self.render_mode else None

    def say(self, texts: Sequence[str | None]) -> None:
        """Let a sentence steer each world for which one is given."""
        self._dream.say(texts)

    def snapshot(self) -> Info:
        """Return the whole state of all worlds."""
        random = [generator.bit_generator.state for generator in self._random]
        return {"dream": self._dream.snapshot(), "frames": self._frames.copy(),
                "steps": self._steps.copy(), "random": random}  # fmt: skip

    def restore(self, snapshot: Info) -> None:
        """Go back to a `snapshot` of the same number of worlds."""
        self._dream.restore(snapshot["dream"])
        self._frames, self._steps = snapshot["frames"].copy(), snapshot["steps"].copy()
        for generator, state in zip(self._random, snapshot["random"], strict=True):
            generator.bit_generator.state = state

    def _begin(self, lanes: np.ndarray, options: Info) -> dict[int, Info]:
        infos: dict[int, Info] = {}
        for lane in lanes.tolist():
            frames, info = self._dream.reset([lane], self._random[lane], options)
            self._frames[lane] = frames[0]
            self._steps[lane] = 0
            infos[lane] = info[0]
        return infos

    def _out(self, value: np.ndarray) -> Any:
        if self.output == "numpy":
            return value.copy()
        return torch.as_tensor(value.copy(), device=self._dream.simulator.device)


class _Dream:
    """What both environments share: a simulator, a world, its starts and its spaces."""

    def __init__(
        self, world: str, checkpoint: str | None, lanes: int, steps: int | None, device: str | None
    ):
        self.simulator = Simulator.from_pretrained(checkpoint, lanes, steps, device)
        if world not in self.simulator.worlds:
            raise WorldsimError(
                f"this checkpoint does not dream '{world}': "
                f"it knows {', '.join(self.simulator.worlds)}"
            )
        self.spec: WorldSpec = self.simulator.worlds[world]
        self.starts = [start for start in self.simulator.starts if start.world == world]
        size = self.simulator.image_size
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = spaces.Discrete(len(self.spec.actions))
        self._led = [0] * lanes  # steps for which a sentence still leads

    def reset(
        self, lanes: list[int], random: np.random.Generator, options: Info | None
    ) -> tuple[np.ndarray, list[Info]]:
        """Begin the given lanes."""
        options = options or {}
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise WorldsimError(f"unknown reset option {unknown}: use {', '.join(OPTIONS)}")
        start, prompt = self._start(random, options), options.get("prompt")
        seeds = [int(random.integers(1 << 62)) for _ in lanes]
        count = len(lanes)
        frames = self.simulator.reset([start] * count, [prompt] * count, seeds, lanes)
        for lane in lanes:
            self._led[lane] = 0
        return frames.numpy(), [{"start": start.name, "prompt": prompt} for _ in lanes]

    def step(self, actions: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Turn numbers into words, or into silence where a sentence leads, and step."""
        words: list[str | None] = []
        for lane, action in enumerate(actions):
            text = self.spec.action_text(_whole(action))
            self._led[lane] = max(0, self._led[lane] - 1) if int(action) == 0 else 0
            words.append(None if self._led[lane] else text)
        out = self.simulator.step(words)
        return out.frames.numpy(), out.rewards.numpy().astype(np.float32), out.terminated.numpy()

    def say(self, texts: Sequence[str | None]) -> None:
        self.simulator.say(texts)
        for lane, text in enumerate(texts):
            if text is not None:
                self._led[lane] = self.simulator.config.window

    def snapshot(self) -> Info:
        return {"simulator": self.simulator.snapshot(), "led": list(self._led)}

    def restore(self, snapshot: Info) -> None:
        self.simulator.restore(snapshot["simulator"])
        self._led = list(snapshot["led"])

    def _start(self, random: np.random.Generator, options: Info) -> Start:
        if options.get("frames") is not None:
            frames = np.asarray(options["frames"])
            actions = options.get("actions")
            actions = [0] * (len(frames) - 1) if actions is None else list(actions)
            words = [self.spec.action_text(_whole(a)) for a in actions]
            return Start("given", self.spec.name, frames, words)
        if not self.starts:
            raise WorldsimError("this checkpoint has no start clips: give options={'frames': …}")
        wanted = options.get("start")
        if wanted is None:
            return self.starts[int(random.integers(len(self.starts)))]
        names = [start.name for start in self.starts]
        if isinstance(wanted, str) and not wanted.isdigit():
            if wanted not in names:
                raise WorldsimError(f"unknown start '{wanted}': use one of {', '.join(names)}")
            return self.starts[names.index(wanted)]
        if not 0 <= int(wanted) < len(names):
            raise WorldsimError(f"start {wanted} is out of range: use 0 to {len(names) - 1}")
        return self.starts[int(wanted)]


def _whole(action: Any) -> int:
    """Return an action as an int, or say what is wrong with it."""
    value = np.asarray(action)
    if value.size != 1 or not np.issubdtype(value.dtype, np.integer):
        raise WorldsimError(f"action {action!r} is not a whole number: give one of the Discrete space")
    return int(value.reshape(()))


def _stack(infos: dict[int, Info], count: int) -> Info:
    """Turn the infos of some lanes into arrays with masks, as Gymnasium's vector envs do."""
    stacked: Info = {}
    for lane, info in infos.items():
        for key, value in info.items():
            stacked.setdefault(key, np.full(count, None, object))[lane] = value
            stacked.setdefault(f"_{key}", np.zeros(count, bool))[lane] = True
    return stacked
