"""A policy that sees a lot of a world on foot: what datasets are collected with.

It may look at what a learner must not: the layout of a maze, depth, the places of things. Each
episode is a string of stretches, each with one purpose and, mostly, one sentence that is true of
its frames. A stretch that a wall interrupts ends there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np

from envs.grid import Cell, Grid
from envs.walk_sight import best_bearing, room_ahead, square, wrap
from envs.walk_words import BUMP, EXPLORE, LOOK_AROUND, PHRASES, TURN_AROUND, WALK_TO
from worldsim.world import WorldSpec

Steps = Iterator[str]  # of action words, one a step
# Lengths are in a walker's own unit, of which 40 are a metre: somebody's own radius is 16.
AGAINST_WALL = 27.0
CLEAR = 75.0
STUCK_UNITS = 1.5  # moved in a step while wanting to move
STARE_STEPS, STARE_UNITS = 8, 44.0  # so long so near a wall: turn away
SEE_AND_GO = 0.35  # how often a thing in view is walked up to instead
SHARES = {
    "walk": 0.19,
    "object": 0.16,
    "single": 0.31,
    "burst": 0.19,
    "curve": 0.06,
    "look": 0.03,
    "bump": 0.02,
    "rest": 0.04,
}


class Walker:
    """Walks through one episode after another; call `reset`, then `act` once a step.

    It needs `info["depth"]` and `info["objects"]`, so the env must be made with `depth=True`.

    Args:
        rng: Decides everything; the same one gives the same walk.
        spec: The world; its keys are those of somebody on foot.
        turn_degrees: What one step of turning turns.
        unit: How much of the world's unit of length a 40th of a metre is.
    """

    def __init__(
        self, rng: np.random.Generator, spec: WorldSpec, turn_degrees: float, unit: float = 1.0
    ) -> None:
        """Keep the arguments; nothing is random yet."""
        self.rng, self.spec, self.turn_degrees, self.unit = rng, spec, turn_degrees, unit
        self.sentence = ""
        self._kinds: dict[str, Callable[[], Steps]] = {
            "walk": self._walk,
            "object": self._to_object,
            "single": self._single,
            "burst": self._burst,
            "curve": self._curve,
            "look": self._look,
            "bump": self._bump,
            "rest": self._rest,
        }

    def reset(self, info: dict[str, Any], layout: Grid | None) -> None:
        """Begin an episode; `layout` is None on maps, where it is not known."""
        self._maze = layout
        self._x, self._y = (float(value) / self.unit for value in info["pose"][:2])
        self._steps: Steps = iter(())
        self._moved, self._stare = 99.0, 0
        self._visits: dict[tuple[int, int], int] = {}
        self._reached: set[tuple[float, float]] = set()
        shares = np.array(list(SHARES.values())) * self.rng.uniform(0.4, 1.6, len(SHARES))
        self._shares = shares / shares.sum()
        self._wants_exit = self.rng.random() < 0.6

    def act(self, info: dict[str, Any]) -> tuple[int, str]:
        """Return the next action index and the sentence of its stretch ("" for none)."""
        self._observe(info)
        if self._stare >= STARE_STEPS:
            self._stare, self._steps = 0, self._turn_away()
        while True:
            words = next(self._steps, None)
            if words is not None:
                return self.spec.combine(self._split(words)), self.sentence
            self.sentence = ""
            kind = str(self.rng.choice(list(SHARES), p=self._shares))
            if self._things_in_view() and self._coin(SEE_AND_GO):
                kind = "object"
            self._steps = self._kinds[kind]()

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

    # Stretches; each yields action words until it is done

    def _walk(self) -> Steps:
        """Way-points over the layout where it is known, else wherever is open and new."""
        if self._coin(0.6):
            self.sentence = PHRASES[EXPLORE].say(self.rng)
        yield from self._along_path() if self._maze else self._roam()

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

    def _to_object(self) -> Steps:
        """Walk up to a thing in view, and say which."""
        things = self._things_in_view()
        if not things:
            return
        thing = things[int(self.rng.integers(len(things)))]
        words = f"{thing['colour']} {thing['name']}".strip()
        self.sentence = PHRASES[WALK_TO].say(self.rng, thing=words)
        self._reached.add(thing["position"])
        pickup = thing["pickup"]
        x, y = thing["position"]
        yield from self._go(x, y, near=16 if pickup else 56)
        if not pickup and self._coin(0.3):
            yield from ["stay"] * self._steps_between(1, 4)

    def _things_in_view(self) -> list[dict[str, Any]]:
        return [thing for thing in self._things if self._worth(thing)]

    def _worth(self, thing: dict[str, Any]) -> bool:
        if thing["position"] in self._reached:
            return False
        if thing["exit"] and not self._wants_exit:
            return False
        x0, y0, x1, y1 = thing["bbox"]
        big = (x1 - x0) * (y1 - y0) >= len(self._depth) ** 2 / 700
        return big and 80 < thing["distance"] < 900

    def _single(self) -> Steps:
        """Hold one key, and say which."""
        words = str(
            self.rng.choice(
                ["forward", "back", "turn left", "turn right", "strafe left", "strafe right"],
                p=[0.28, 0.14, 0.14, 0.14, 0.15, 0.15],
            )
        )
        if words == "forward" and self._ahead() < CLEAR:
            words = "turn left" if self._coin(0.5) else "turn right"
        yield from self._hold(words, self._steps_between(5, 16))

    def _curve(self) -> Steps:
        if self._ahead() > CLEAR:
            words = "forward turn left" if self._coin(0.5) else "forward turn right"
            yield from self._hold(words, self._steps_between(5, 14))

    def _hold(self, words: str, steps: int) -> Steps:
        """Hold keys under one true sentence, until a wall stops what they do."""
        moves, stuck = "turn" not in words or "forward" in words, 0
        self.sentence = PHRASES[words].say(self.rng)
        for step in range(steps):
            stuck = stuck + 1 if moves and step > 2 and self._moved < STUCK_UNITS else 0
            if stuck > 1:
                break
            yield words
        self.sentence = ""

    def _burst(self) -> Steps:
        """Keyboard-like play: random combinations of keys, each held for a while."""
        for _ in range(self._steps_between(1, 4)):
            action = int(self.rng.integers(1, len(self.spec.actions)))
            words = self.spec.action_text(action)
            stuck = 0
            for _ in range(self._steps_between(3, 12)):
                stuck = stuck + 1 if self._moved < STUCK_UNITS and "turn" not in words else 0
                if stuck > 3:
                    break
                yield words

    def _look(self) -> Steps:
        """Turn on the spot: a half turn, or a look around."""
        words = "turn left" if self._coin(0.5) else "turn right"
        if self._coin(0.4):
            self.sentence = PHRASES[TURN_AROUND].say(self.rng)
            yield from [words] * round(180 / self.turn_degrees)
        else:
            self.sentence = PHRASES[LOOK_AROUND].say(self.rng)
            yield from [words] * self._steps_between(20, round(360 / self.turn_degrees))

    def _bump(self) -> Steps:
        """Walk into a wall on purpose: that it stops one has to be learned, too."""
        if self._ahead() > 3 * CLEAR:
            return
        self.sentence = PHRASES[BUMP].say(self.rng)
        pressed, limit = 0, self._steps_between(3, 8)
        for _ in range(40):
            pressed += self._moved < STUCK_UNITS
            if pressed > limit:
                break
            yield "forward"
        yield from self._turn_away()

    def _rest(self) -> Steps:
        self.sentence = PHRASES["stay"].say(self.rng)
        yield from ["stay"] * self._steps_between(4, 10)

    def _split(self, words: str) -> set[str]:
        return {element for element in self.spec.elements if f" {element} " in f" {words} "}
