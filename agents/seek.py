"""Finding a thing by asking the model about what is seen: nothing learnt from reward, no plan.

Where the thing is, how one has just turned and how far one can walk is all answered by the model
(`Reader.ask`, `pose`, `depth`); what to do about the answers is written down here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from agents.schema import check_schema
from agents.scores import find_thing
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

LEFT, RIGHT, AHEAD = "turn left", "turn right", "forward"
ROUND = 275.0  # degrees to turn until all was seen, as a picture shows ninety
FACING = 8.0  # degrees off that pass for facing a place
BACK = 60.0  # degrees to both sides of where one came from, which are the last to be tried
NEAREST = 0.7  # metres ahead within which one walks no further
SHARE = 0.8  # of the way one can see that is walked before one looks about again
STILL = 0.02  # metres; who has gone less has bumped into something
PATIENCE = 6  # steps after a thing was surely seen in which it is enough that it is somewhere


class Answers(Protocol):
    """What is asked of `worldsim.reader.Reader`."""

    worlds: dict[str, WorldSpec]

    def ask(self, frames: Sequence[np.ndarray], questions: Sequence[str]) -> list[str]:
        """Answer a question about each frame."""

    def pose(
        self, befores: Sequence[np.ndarray], afters: Sequence[np.ndarray]
    ) -> list[tuple[float, ...] | None]:
        """Say how the eye moved between frames."""

    def depth(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """Say how far everything is."""


class Seek:
    """Goes to a thing where the model says that it is; where it is not, looks about and walks on.

    It turns round once, walks to where there is most room, and turns round again. It remembers no
    places: a maze it walks by chance.

    Args:
        reader: The model.
        thing: Such as "red box", one of those in the world.
        world: Name of the world.
        keys: Words of the actions it may take; turning and walking must be among them.
        acts_in: The world it acts in, whose numbers must be the model's; None: taken for granted.

    Raises:
        WorldsimError: The model knows no such world or thing, or keys are lacking.
    """

    def __init__(
        self,
        reader: Answers,
        thing: str,
        world: str,
        keys: Sequence[str],
        acts_in: WorldSpec | None = None,
    ) -> None:
        if world not in reader.worlds:
            known = ", ".join(reader.worlds)
            raise WorldsimError(f"the model knows no world '{world}': use one of {known}")
        self._spec = reader.worlds[world]
        if acts_in:
            check_schema(self._spec, acts_in)
        self.reader, self.thing = reader, find_thing(thing, self._spec.things)
        if lacking := {LEFT, RIGHT, AHEAD} - set(keys):
            raise WorldsimError(f"who seeks needs the keys {', '.join(sorted(lacking))}")
        self.reset()

    def reset(self) -> None:
        """Begin an episode: nothing was seen yet."""
        self._before: np.ndarray | None = None
        self._done, self._patience = "", 0
        self._side = LEFT  # where the thing was last
        self._look_about(came_from=None)

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        """Return the world's number of the next action, for a frame uint8 ``(H, W, 3)``."""
        where = self._where(observation)
        if where is not None:
            self._look_about(came_from=None)
            self._side = where if where != AHEAD else self._side
            action = where
        else:
            action = self._search(observation, *self._motion(observation))
        self._before, self._done = observation, action
        return self._spec.action_index(action)

    def _where(self, frame: np.ndarray) -> str | None:
        """Return the key to get nearer to the thing; None where the model does not see it."""
        asked = [f"is there a {self.thing}", f"where is the {self.thing}"]
        there, where = self.reader.ask([frame, frame], asked)
        key = {"left": LEFT, "right": RIGHT, "ahead": AHEAD}.get(where)
        self._patience = PATIENCE if there == "yes" and key else self._patience - 1
        return key if self._patience > 0 else None

    def _motion(self, frame: np.ndarray) -> tuple[float, float]:
        """Return metres ahead and degrees to the left since the frame before."""
        if self._before is None:
            return 0.0, 0.0
        motion = self.reader.pose([self._before], [frame])[0]
        return (motion[0], motion[2]) if motion else (0.0, 0.0)

    def _look_about(self, came_from: float | None) -> None:
        """Begin to turn round; what lies in the direction one came from is left for last."""
        self._heading, self._seen = 0.0, list[tuple[float, float]]()  # degrees, metres of room
        self._came_from, self._left = came_from, 0.0
        self._target: float | None = None

    def _search(self, frame: np.ndarray, moved: float, turned: float) -> str:
        self._heading += turned
        room = self._room(frame)
        if self._target is None:
            self._seen.append((self._heading, room))
            if abs(self._heading) < ROUND:
                return self._side
            self._target, self._left = self._widest()
        off = (self._target - self._heading + 180) % 360 - 180
        if self._left > 0 and abs(off) > FACING:
            return LEFT if off > 0 else RIGHT
        bumped = self._done == AHEAD and moved < STILL
        self._left -= max(moved, 0.0)
        if bumped or room < NEAREST or self._left <= 0:
            self._look_about(came_from=180.0)
            return self._side
        self._target = self._heading  # a wobble on the way is not walked back
        return AHEAD

    def _room(self, frame: np.ndarray) -> float:
        """Return how many metres one can walk, as the middle of the picture says."""
        depth = self.reader.depth([frame])[0]
        middle = slice(len(depth) // 2 - 1, len(depth) // 2 + 1)
        return float(depth[middle, middle].min())

    def _widest(self) -> tuple[float, float]:
        """Return the heading with most room, and how far to walk there."""

        def worth(seen: tuple[float, float]) -> float:
            heading, room = seen
            if self._came_from is None:
                return room
            off = abs((heading - self._came_from + 180) % 360 - 180)
            return room if off > BACK else room / 4

        heading, room = max(self._seen, key=worth)
        return heading, SHARE * room
