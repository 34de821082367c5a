"""What the window may know of the world."""

from __future__ import annotations

from dataclasses import dataclass

from viewer.session import Moment
from worldsim.world import WorldSpec


@dataclass(frozen=True, eq=False)  # compared by identity: it holds an array
class View:
    """What the window may know, replaced as a whole after every change.

    Attributes:
        spec: None while the world is still being opened.
        moment: The world as it is now.
        fps: Steps a second really reached over the last seconds.
        agent_acts: An agent acts while no key is held.
        recorded_frames: Frames in the running recording, None when not recording.
        message: Last news for the person, with the number it came under.
        error: One line when the world has failed; nothing moves after that.
    """

    spec: WorldSpec | None = None
    moment: Moment | None = None
    dream: bool = True
    start: str = ""
    prompt: str = ""
    fps: float = 0.0
    paused: bool = False
    rewinding: bool = False
    agent_acts: bool = False
    recorded_frames: int | None = None
    message: tuple[int, str] = (0, "")
    error: str = ""
