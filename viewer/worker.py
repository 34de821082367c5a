"""Drives a session in its own thread at the world's rate. Knows no pygame.

So a slow world never freezes the window, which reads `view` and posts commands.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from viewer.controls import HeldKeys
from viewer.session import Moment, Session
from viewer.video import RecordingError
from viewer.view import View
from viewer.worlds import is_dream
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

REST_SECONDS = 2.0  # between an agent's episodes


class Agent(Protocol):
    """Whoever acts."""

    def reset(self) -> None:
        """Begin an episode."""

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the next action."""


class Worker:
    """The thread that owns the session. Commands are obeyed between two steps, in order."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        held: HeldKeys,
        *,
        record: Path | None = None,
        name_recording: Callable[[], Path] | None = None,
        make_agent: Callable[[WorldSpec], Agent] | None = None,
    ) -> None:
        """Take what opens the world (called in the thread: loading takes seconds).

        Args:
            open_session: Opens the world.
            held: Keys held in the window; read once a step.
            record: Film from the first frame into this file.
            name_recording: Names the file when recording is switched on by key.
            make_agent: Makes an agent that acts while no key is held (called in the thread).
        """
        self.view = View()
        self.held = held
        self.last_recording: Path | None = None
        self.exception: BaseException | None = None
        self._open_session = open_session
        self._record = record
        self._name_recording = name_recording or (lambda: Path("recording.mp4"))
        self._commands: queue.SimpleQueue[Callable[[Session], None] | None] = queue.SimpleQueue()
        self._make_agent = make_agent
        self._agent: Agent | None = None
        self._agent_acts = make_agent is not None
        self._paused = self._rewinding = False
        self._ended_at: float | None = None  # when a watched agent's episode ended
        self._times: deque[float] = deque(maxlen=60)
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    # -- called by the window ------------------------------------------------------------------

    def start(self) -> None:
        """Begin to open the world."""
        self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """Finish the recording and end the thread; waits for a step under way to finish."""
        self._commands.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    def toggle_pause(self) -> None:
        """Hold the world still, or let it go on."""
        self._commands.put(lambda session: self._set_paused(not self._paused))

    def step_once(self) -> None:
        """Hold the world still and do one step."""

        def once(session: Session) -> None:
            self._set_paused(True)
            self._step(session)

        self._commands.put(once)

    def reset(self) -> None:
        """Go back to the first frame of this start."""
        self._commands.put(lambda session: self._entered(session.reset_again()))

    def next_start(self, direction: int) -> None:
        """Enter the next (1) or previous (-1) start."""
        self._commands.put(lambda session: self._entered(session.next_start(direction)))

    def rewind(self, on: bool) -> None:
        """Run backwards for as long as this is on."""

        def turn(session: Session) -> None:
            if on and not session.can_rewind:
                raise WorldsimError("this world cannot be rewound")
            self._rewinding = on
            if self._agent:
                self._agent.reset()

        self._commands.put(turn)

    def say(self, sentence: str) -> None:
        """Say a sentence to the world."""
        self._commands.put(lambda session: session.say(sentence))

    def toggle_agent(self) -> None:
        """Let the agent act, or leave the keys to the person alone."""

        def toggle(session: Session) -> None:
            if self._agent is None:
                raise WorldsimError("nobody is here to take over: open the world with agent=…")
            self._agent_acts = not self._agent_acts

        self._commands.put(toggle)

    def toggle_recording(self) -> None:
        """Start to film into a new file, or finish the film."""
        self._commands.put(self._toggle_recording)

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        session: Session | None = None
        try:
            session = self._open_session()
            self.held.bind(session.spec.keys)
            if self._make_agent:
                self._agent = self._make_agent(session.spec)
            if self._record:
                self.last_recording = session.start_recording(self._record)
            self._publish(session)
            self._drive(session)
        except Exception as error:  # whatever happened, the window must say it and stay alive
            self._failed(error)
        finally:
            self._close(session)

    def _drive(self, session: Session) -> None:
        """Step at the world's rate; a late step is not made up for."""
        period = 1.0 / session.spec.steps_per_second
        due = time.monotonic()
        while self._obey_until(session, due):
            due = max(due + period, time.monotonic())
            if self._rewinding:
                before = session.now.step
                self._guard(session, lambda s: self._set_rewinding(s.rewind()))
                # Large snapshots lie some steps apart: go back no faster than it went forward.
                due += period * max(0, before - session.now.step - 1)
            elif not self._paused and not session.now.ended:
                self._step(session)
            elif not self._paused and self._agent and self._agent_acts:
                self._rest(session)
            self._publish(session)

    def _obey_until(self, session: Session, due: float) -> bool:
        """Obey commands until the next step is due; False when asked to close."""
        while True:
            left = max(0.0, due - time.monotonic())
            try:
                command = self._commands.get(left > 0.0, left)
            except queue.Empty:
                return True
            if command is None:
                return False
            self._guard(session, command)
            self._publish(session)

    def _guard(self, session: Session, command: Callable[[Session], None]) -> None:
        """Obey a command; what the person did wrong is told, not fatal."""
        try:
            command(session)
        except WorldsimError as error:
            self._tell(str(error))

    def _step(self, session: Session) -> None:
        if session.now.ended:
            return
        try:
            session.step(self._choose(session))
        except RecordingError as error:
            self._tell(f"recording stopped: {error}")
        if session.info.get("again"):
            self._tell("little was left of this place: back to what was seen of it")
        self._times.append(time.monotonic())

    def _rest(self, session: Session) -> None:
        """Show how an agent's episode ended for a moment, then its next one."""
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        if now - self._ended_at >= REST_SECONDS:
            self._guard(session, lambda s: self._entered(s.next_start()))

    def _choose(self, session: Session) -> int:
        """Return what the person does, or where that is nothing what the agent does."""
        wanted = self.held.take(session.spec)
        if self._agent is None or not self._agent_acts:
            return wanted
        # It is asked even when overruled: what it sees is its memory.
        offered = int(self._agent.act(session.now.frame, session.info))
        return wanted or offered

    def _entered(self, moment: Moment) -> None:
        self._rewinding, self._ended_at = False, None
        if self._agent:
            self._agent.reset()
        self._times.clear()

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self._times.clear()

    def _set_rewinding(self, moved: bool) -> None:
        self._times.clear()
        self._ended_at = None
        if not moved:
            self._rewinding = False
            self._tell("this is as far back as it is kept")

    def _toggle_recording(self, session: Session) -> None:
        if session.recording:
            self._tell(f"saved {session.stop_recording()}")
        else:
            self.last_recording = session.start_recording(self._name_recording())
            self._tell(f"recording to {self.last_recording}")

    def _tell(self, text: str) -> None:
        self.view = replace(self.view, message=(self.view.message[0] + 1, text))

    def _publish(self, session: Session) -> None:
        recording = session.recording
        self.view = replace(
            self.view,
            spec=session.spec,
            moment=replace(session.now),  # a copy: the session may still note a sentence in it
            dream=is_dream(session.env_id),
            start=str(session.start or session.info.get("start") or f"seed {session.seed}"),
            prompt=session.prompt or "",
            fps=self._fps(),
            paused=self._paused,
            rewinding=self._rewinding,
            agent_acts=self._agent is not None and self._agent_acts,
            recorded_frames=recording.num_frames if recording else None,
        )

    def _fps(self) -> float:
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(1e-6, self._times[-1] - self._times[0])

    def _failed(self, error: Exception) -> None:
        self.exception = error
        known = isinstance(error, WorldsimError)
        if not known:
            traceback.print_exc()
        line = " ".join(str(error).split()) or "no message"
        text = line if known else f"{type(error).__name__}: {line}"
        self.view = replace(self.view, error=text)

    def _close(self, session: Session | None) -> None:
        if session is None:
            return
        try:
            session.close()
        except Exception as error:
            if self.exception is None:
                self._failed(error)
        self.view = replace(self.view, recorded_frames=None)
