"""How somebody on foot finds the way: along a layout, by sight, round what is in the way.

What for is not known here; `walk` decides that.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from envs.grid import Cell, Grid
from envs.walk_sight import best_bearing, room_ahead, square, wrap
from envs.walk_words import PHRASES
from worldsim.world import WorldSpec

Steps = Iterator[str]  # of action words, one a step
# Lengths are in a walker's own unit, of which 40 are a metre: somebody's own radius is 16.
AGAINST_WALL = 27.0
CLEAR = 75.0
STUCK_UNITS = 1.5  # moved in a step while wanting to move
STARE_UNITS = 44.0  # so near, a wall is stared at


class Wayfarer:
    """Knows where it is and what is ahead, and steers.

    Args:
        rng: Decides everything; the same one gives the same walk.
        spec: The world; its keys are those of somebody on foot.
        turn_degrees: What one step of turning turns.
        unit: How much of the world's unit of length a 40th of a metre is.
    """

    _wants_exit: bool

    def __init__(
        self, rng: np.random.Generator, spec: WorldSpec, turn_degrees: float, unit: float = 1.0
    ) -> None:
        """Keep the arguments; nothing is random yet."""
        self.rng, self.spec, self.turn_degrees, self.unit = rng, spec, turn_degrees, unit
        self.sentence = ""

    def reset(self, info: dict[str, Any], layout: Grid | None) -> None:
        """Begin an episode; `layout` is None on maps, where it is not known."""
        self._maze = layout
        self._x, self._y = (float(value) / self.unit for value in info["pose"][:2])
        self._moved, self._stare = 99.0, 0
        self._visits: dict[tuple[int, int], int] = {}

    def _observe(self, info: dict[str, Any]) -> None:
        x, y = (float(value) / self.unit for value in info["pose"][:2])
        self._moved = math.hypot(x - self._x, y - self._y)
        self._x, self._y, self._yaw = x, y, float(info["pose"][2])
        self._depth = info["depth"] / self.unit
        self._things = [self._scaled(thing) for thing in info["objects"]]
        here = square(x, y)
        self._visits[here] = self._visits.get(here, 0) + 1
        self._stare = self._stare + 1 if self._ahead() < STARE_UNITS else 0

    def _scaled(self, thing: dict[str, Any]) -> dict[str, Any]:
        x, y = thing["position"]
        return thing | {
            "position": (x / self.unit, y / self.unit),
            "distance": thing["distance"] / self.unit,
        }

    # What is in front

    def _ahead(self) -> float:
        return room_ahead(self._depth)

    def _towards(self, x: float, y: float) -> float:
        """Return the turn to face a point, in degrees, left positive, -180 to 180."""
        return wrap(math.degrees(math.atan2(y - self._y, x - self._x)) - self._yaw)

    def _steps_between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _coin(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    # Ways; each yields action words until it is done

    def _along_path(self) -> Steps:
        maze = self._maze
        assert maze is not None
        here, exit_cell = maze.cell_at(self._x * self.unit, self._y * self.unit), maze.exit_cell
        free = [cell for cell in maze.cells if cell not in (here, exit_cell)]
        if not free:  # two cells, and one is the exit's
            yield from self._roam()
            return
        goal = free[int(self.rng.integers(len(free)))]
        last = None
        pickups = [thing for thing in maze.things[1:] if thing.kind.pickup]
        if self._wants_exit and self._coin(0.5):
            goal, last = exit_cell, self._middle(exit_cell)
        elif pickups and self._coin(0.4):
            thing = pickups[int(self.rng.integers(len(pickups)))]
            last = (thing.x / self.unit, thing.y / self.unit)
            goal = maze.cell_at(thing.x, thing.y)
        way = maze.path(here, goal)[1:]
        if last is None:
            way = way[: self._steps_between(2, 9)]
        shift = 0.15 * maze.cell_size / self.unit
        for cell in way:
            x, y = self._middle(cell)
            dx, dy = self.rng.uniform(-shift, shift, 2)
            if cell == exit_cell and last is None:
                return
            if not (yield from self._go(x + dx, y + dy, near=40)):
                return
        if last is not None and way and way[-1] == goal:
            yield from self._go(last[0], last[1], near=16)

    def _middle(self, cell: Cell) -> tuple[float, float]:
        assert self._maze is not None
        x, y = self._maze.centre(cell)
        return x / self.unit, y / self.unit

    def _go(self, x: float, y: float, near: float) -> Generator[str, None, bool]:
        """Steer to a point like a person at a keyboard; return False when stuck."""
        stuck, side, side_left = 0, "", 0
        for _ in range(120):
            if math.hypot(x - self._x, y - self._y) < near:
                return True
            turn = self._towards(x, y)
            words = [] if abs(turn) > 50 else ["forward"]
            if abs(turn) > self.turn_degrees * 0.6:
                words.append("turn left" if turn > 0 else "turn right")
            if side_left == 0 and self._coin(0.02):
                side, side_left = str(self.rng.choice(["strafe left", "strafe right"])), 5
            if side_left > 0:
                side_left -= 1
                words.append(side)
            stuck = stuck + 1 if "forward" in words and self._moved < STUCK_UNITS else 0
            if stuck > 4:
                yield from self._turn_away()
                return False
            yield " ".join(words)
        return False

    def _roam(self) -> Steps:
        """Walk to what is far and little visited, as depth shows it; for maps without layout."""
        for _ in range(self._steps_between(2, 5)):
            pose = (self._x, self._y, self._yaw)
            bearing, far = best_bearing(self._depth, pose, self._visits, self.rng)
            if far < CLEAR:
                yield from self._turn_away()
                continue
            reach = min(far - 40, self.rng.uniform(150, 700))
            angle = math.radians(self._yaw + bearing)
            x, y = self._x + reach * math.cos(angle), self._y + reach * math.sin(angle)
            if not (yield from self._go(x, y, near=40)):
                return

    def _turn_away(self) -> Steps:
        """Turn until there is room ahead, to the side that shows more of it."""
        depth = self._depth
        half = len(depth) // 2
        left = float(depth[:, :half].mean()) > float(depth[:, half:].mean())
        words = "turn left" if left != self._coin(0.2) else "turn right"
        if self._ahead() < AGAINST_WALL and self._coin(0.3):
            self.sentence = PHRASES["back"].say(self.rng)
            yield from ["back"] * self._steps_between(4, 8)
        self.sentence = PHRASES[words].say(self.rng)
        extra = self._steps_between(0, 5)
        for _ in range(45):
            if self._ahead() > 1.5 * CLEAR:
                extra -= 1
            if extra < 0:
                break
            yield words
        self.sentence = ""
