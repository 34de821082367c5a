"""One visit to a world: reset, step, say, rewind, record. No window, no thread, no clock.

The window, the headless recorder and the replayer all drive worlds through this class, so what is
recorded by one is reproduced by another. It meets a world by Gymnasium id, and uses the extras of
a dreamed one (`say`, `snapshot`, `restore`, `start_names`, `model_id`) only where they exist.
"""

from __future__ import annotations

import difflib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from viewer.history import History, Kept
from viewer.recorder import Event, Recorder, frame_sha256
from viewer.video import RecordingError
from viewer.worlds import is_dream, make_env
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec


@dataclass(eq=False)
class Moment:
    """What is known after a step, all that the window shows of it.

    Attributes:
        frame: uint8 (H, W, 3), the world as it is now.
        step: Steps since the last reset.
        reward: Of the last step; `total_reward` since the last reset.
        ended: The episode is over: only a reset or a rewind goes on.
        step_ms: Milliseconds the world took for the last step.
        action: Words of the last action, "" after a reset.
        sentence: What was last said since the reset, "" for nothing.
        known: Of a dream, how much of the detail that was once seen is left, 0 to 1.
    """

    frame: np.ndarray
    step: int = 0
    reward: float = 0.0
    total_reward: float = 0.0
    ended: bool = False
    step_ms: float = 0.0
    action: str = ""
    sentence: str = ""
    known: float | None = None


class Session:
    """Drives one world and, on request, films it.

    Example:
        >>> session = Session("worldsim/DreamDoom-v0", seed=0)
        >>> session.step(session.spec.action_index("forward")).frame.shape
        (64, 64, 3)
    """

    def __init__(
        self,
        env_id: str,
        *,
        seed: int = 0,
        start: str | None = None,
        prompt: str | None = None,
        rewind_seconds: float = 0.0,
        checkpoint: str | None = None,
        data: str | None = None,
    ) -> None:
        """Open the world and enter it.

        Args:
            env_id: Gymnasium id.
            seed: Of the first reset; every reset names its seed, so each can be replayed alone.
            start: Name or number of a start; None lets the seed choose.
            prompt: What the world is told about itself, where it listens.
            rewind_seconds: World time that `rewind` can go back; snapshots are kept that long.
            checkpoint: Folder of the weights of a dream; None uses the bundled ones.
            data: Folder of recorded play that a dream begins in; None uses the checkpoint's clips.
        """
        self.env_id = env_id
        self.env = make_env(env_id, checkpoint, data)
        self._world = cast(Any, self.env.unwrapped)
        self.spec: WorldSpec = self._world.spec_world
        self.model_id: str | None = getattr(self._world, "model_id", None)
        self.start_names: list[str] = list(getattr(self._world, "start_names", []))
        self.can_say = hasattr(self._world, "say")
        self.can_rewind = rewind_seconds > 0 and hasattr(self._world, "snapshot")
        num_steps = round(rewind_seconds * self.spec.steps_per_second)
        self._history = History(num_steps if self.can_rewind else 0)
        self._past: list[Event] = []
        self._recorder: Recorder | None = None
        self.info: dict[str, Any] = {}
        self.reset(start, prompt, seed)

    # -- driving -----------------------------------------------------------------------------

    def reset(self, start: str | None, prompt: str | None, seed: int) -> Moment:
        """Enter the world anew; the same three arguments always give the same frames."""
        self.start = self._known_start(start, seed)
        self.prompt, self.seed = prompt, int(seed)
        options: dict[str, Any] = {"start": self.start, "prompt": prompt}
        options = {key: value for key, value in options.items() if value is not None}
        frame, self.info = self.env.reset(seed=self.seed, options=options or None)
        self.now = Moment(np.array(frame))
        self._history.clear()
        self._past.clear()
        self._happened({"reset": {"seed": self.seed, "start": self.start, "prompt": prompt}})
        return self.now

    def reset_again(self) -> Moment:
        """Go back to the first frame of the current start."""
        return self.reset(self.start, self.prompt, self.seed)

    def next_start(self, direction: int = 1) -> Moment:
        """Enter the next start (or the previous, -1); a world without a list gets a new seed."""
        if not self.start_names:
            return self.reset(self.start, self.prompt, max(0, self.seed + direction))
        position = self.start_names.index(self.start or self.start_names[0])
        name = self.start_names[(position + direction) % len(self.start_names)]
        return self.reset(name, self.prompt, self.seed)

    def step(self, action: int) -> Moment:
        """Do an action for one step of the world."""
        if self.now.ended:
            raise WorldsimError("the episode has ended: reset, or rewind")
        words = self.spec.action_text(action)
        if self._history.wants(self.now.step):
            take, now = self._world.snapshot, self.now
            self._history.keep(take, now.step, now, self.info, len(self._past))
        began = time.perf_counter()
        frame, reward, terminated, truncated, self.info = self.env.step(action)
        took = (time.perf_counter() - began) * 1000.0
        self.now = Moment(
            frame=np.array(frame),
            step=self.now.step + 1,
            reward=float(reward),
            total_reward=self.now.total_reward + float(reward),
            ended=bool(terminated or truncated),
            step_ms=float(self.info.get("step_ms", took)),
            action=words,
            sentence=self.now.sentence,
            known=2 ** -self.info["worn"] if "worn" in self.info else None,
        )
        self._happened(
            {
                "step": self.now.step,
                "action": words,
                "action_index": int(action),
                "reward": self.now.reward,
                "terminated": bool(terminated),
                "truncated": bool(truncated),
            }
        )
        return self.now

    def say(self, sentence: str) -> None:
        """Say a sentence to the world; it shows in the steps that follow."""
        if not self.can_say:
            raise WorldsimError(f"'{self.env_id}' does not listen to sentences: use the keys")
        if not sentence.strip():
            raise WorldsimError("an empty sentence says nothing: type some words")
        self._world.say(sentence)
        self.now.sentence = sentence
        self._happened({"say": sentence}, with_frame=False)

    def rewind(self, steps: int = 1) -> bool:
        """Go back at least `steps` steps, or as far as it is kept; False when nothing is kept."""
        target = self._history.back_to(self.now.step - steps)
        if target is None:
            return False
        self._go_to(target)
        return True

    def restore_step(self, step: int) -> bool:
        """Go back to exactly a step of this episode; False when it is not kept."""
        return self._history.has(step) and self.rewind(self.now.step - step)

    def _go_to(self, kept: Kept) -> None:
        self._world.restore(kept.snapshot)
        self.now, self.info = kept.moment, kept.info
        # The recording keeps what was seen; the log only needs the way to where we are now.
        del self._past[kept.num_past :]
        if self._recorder:
            self._film({"restore_step": self.now.step, **self._digest()}, self.now.frame)

    # -- filming -----------------------------------------------------------------------------

    @property
    def recording(self) -> Recorder | None:
        """The recording being written, if any."""
        return self._recorder

    def start_recording(self, path: str | Path, scale: int = 4) -> Path:
        """Film from now on, beginning with the present frame; returns the video's path.

        What happened since the last reset goes into the sidecar without frames, so that the film
        can be replayed. Raises RecordingError when the file cannot be written.
        """
        self.stop_recording()
        recorder = Recorder(path, self._header(), scale)
        try:
            for event in self._past[:-1]:
                recorder.append({**event, "frame": None}, None)
            last = self._past[-1]
            # A sentence has no frame of its own: film the present frame with the last event that
            # has one, or simply begin with the next step.
            has_frame = "frame_sha256" in last
            recorder.append(last, self.now.frame if has_frame else None)
        except RecordingError:
            recorder.close()
            raise
        self._recorder = recorder
        return recorder.path

    def stop_recording(self) -> Path | None:
        """Finish the recording and return its path, None when there was none."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return None
        recorder.close()
        return recorder.path

    def close(self) -> None:
        """Finish the recording and leave the world."""
        try:
            self.stop_recording()
        finally:
            self.env.close()

    def _header(self) -> Event:
        return {
            "world": self.spec.name,
            "dream": is_dream(self.env_id),
            "model": self.model_id,
            "seed": self.seed,
            "start": self.start,
            "prompt": self.prompt,
            "env_id": self.env_id,
            "steps_per_second": self.spec.steps_per_second,
            "size": list(self.now.frame.shape[:2]),
        }

    def _happened(self, event: Event, with_frame: bool = True) -> None:
        """Remember an event since the reset and film it."""
        if with_frame:
            event.update(self._digest())
        self._past.append(event)
        if self._recorder:
            self._film(event, self.now.frame if with_frame else None)

    def _film(self, event: Event, frame: np.ndarray | None) -> None:
        assert self._recorder is not None
        try:
            self._recorder.append(event, frame)
        except RecordingError:
            self._recorder = None  # it has closed itself; the world goes on
            raise

    def _digest(self) -> Event:
        return {"frame_sha256": frame_sha256(self.now.frame)}

    def _known_start(self, start: str | None, seed: int) -> str | None:
        """Return the name of a start given by name, by number or by nothing but the seed."""
        names = self.start_names
        if not names:
            return start
        if start is None:
            return names[seed % len(names)]
        if start in names:
            return start
        if start.isdecimal() and int(start) < len(names):
            return names[int(start)]
        near = difflib.get_close_matches(start, names, n=3, cutoff=0.3) or names[:3]
        raise WorldsimError(
            f"unknown start '{start}': use 0 to {len(names) - 1} or a name such as "
            f"{', '.join(near)}"
        )
