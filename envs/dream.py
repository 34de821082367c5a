"""The learned world as a Gymnasium environment.

Thin: seeds and the life cycle of an episode here, the dream itself in `dream_core`. It knows no
real simulator; its spaces are those of the world the checkpoint learnt.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np

from envs.dream_core import RENDER_MODES, DreamCore, DreamExtras, Info
from envs.given import as_array


class DreamEnv(DreamExtras, gymnasium.Env[np.ndarray, np.int64]):
    """One dreamed world.

    Args:
        world: Which of the checkpoint's worlds.
        checkpoint: A folder; None takes the bundled one.
        num_steps: Denoising passes a frame; None takes the checkpoint's own number.
        device: None takes a GPU where there is one.
        render_mode: ``"rgb_array"`` or None.
        place: Begin only in clips of places whose name begins so, such as "take_cover".
        dataset: Folder of recorded play to begin in, instead of the checkpoint's clips.
        begins_again: Go on from the newest frame that was really seen where too little is left of
            it, and say so in ``info["again"]``; how little, ``info["worn"]``, see `scene.GONE`.

    Raises:
        WorldsimError: An argument, an action, an option or a sentence makes no sense. The dream
            can go on afterwards.

    Example:
        >>> env = gymnasium.make("worldsim/DreamDoom-v0")
        >>> frame, info = env.reset(seed=0, options={"start": 3})
        >>> frame, reward, terminated, truncated, info = env.step(9)  # forward
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 17.5}

    def __init__(
        self,
        world: str = "doom",
        checkpoint: str | Path | None = None,
        num_steps: int | None = None,
        device: str | None = None,
        render_mode: str | None = None,
        place: str = "",
        dataset: str | Path | None = None,
        begins_again: bool = True,
    ):
        self._core = DreamCore(
            world, checkpoint, 1, num_steps, device, render_mode, place, dataset, begins_again
        )
        self.spec_world = self._core.spec
        self.metadata = {**self.metadata, "render_fps": self.spec_world.steps_per_second}
        self.observation_space = self._core.observation_space
        self.action_space = self._core.action_space
        self.render_mode = render_mode
        self._begun = False

    def reset(
        self, *, seed: int | None = None, options: Info | None = None
    ) -> tuple[np.ndarray, Info]:
        """Begin a dream.

        Args:
            seed: Of the choice of a start and of everything dreamed until the next reset.
            options: ``start`` (name or number), or ``frames`` uint8 ``(K, H, W, 3)`` with
                ``actions`` (K - 1 numbers, 0 if left out); ``prompt``, a sentence that sets the
                scene; or, alone, ``snapshot``, a state to go back to.
        """
        super().reset(seed=seed)
        wanted = self._core.snapshot_wanted(options or {})
        if wanted is not None:
            self.restore(wanted)
            return self._seen(), {"start": "snapshot", "prompt": None}
        (info,) = self._core.reset([0], [self.np_random], options or {})
        self._begun = True
        return self._seen(), info

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, Info]:
        """Dream the next frame; `action` 0 leaves the lead to a sentence said before."""
        self._seen()
        (info,), rewards, terminated = self._core.step([action])
        return self._seen(), float(rewards[0]), bool(terminated[0]), False, info

    def render(self) -> np.ndarray | None:
        """Return the newest frame."""
        return None if self.render_mode is None else self._seen()

    def say(self, text: str) -> None:
        """Let a sentence steer, from the next step on, until an action other than 0 is taken.

        Words that training never saw are spelled out byte by byte and are no error; whether they
        steer anything is another matter.
        """
        self._seen()
        self._core.say([text])

    def append(self, frame: np.ndarray) -> None:
        """Replace the newest dreamed frame, uint8 ``(H, W, 3)``, by one really seen."""
        self._seen()
        self._core.append(as_array(frame)[None])

    def snapshot(self) -> Info:
        """Return the whole state, random numbers included.

        A time limit put around the environment keeps its own count, which is not in it.
        """
        self._seen()
        return {**self._core.snapshot(), "random": [self.np_random.bit_generator.state]}

    def restore(self, snapshot: Info) -> None:
        """Go back to a `snapshot`; what follows repeats exactly on the same machine."""
        self._core.restore(snapshot)
        self.np_random.bit_generator.state = snapshot["random"][0]
        self._begun = True

    def _seen(self) -> np.ndarray:
        if not self._begun:
            raise gymnasium.error.ResetNeeded("call reset() first")
        return self._core.frames[0].copy()
