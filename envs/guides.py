"""Who knows the way: a guide for each kind of task, the scripted reference that agents are held to.

A guide may look at what a learner must not: the middle of the road, the plan of the rooms, where
things are. It says in words what it would do *now*, whoever acted up to here, so that it can also
teach: see `agents.teach`. It has no luck and makes no mistakes on purpose; datasets are collected
with explorers (`envs.walk`, `envs.drive`), which do.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from envs.doom_plan import DoomPlan
from envs.grid import Grid
from envs.roads import course, winding
from envs.walk_sight import wrap

FULL_LOCK_DEGREES = 6.0  # off course by so much: a key is worth a press
SWING_STEPS = 2.0  # steps ahead that the car's own turning is taken into account
SPIN_DEGREES = 12.0  # turned in a step: more is a spin, in which no key but the brake helps
GRIP = 32.0  # units a second at which the wheels hold in a bend with the gas on
STEP_DEGREES = 5.0  # that a step of turning turns, about
GREEN_ARMOUR = 2018  # Doom's number of it
DOOR_METRES = 0.7  # so near the middle of a door one looks through it


class Guide(Protocol):
    """Says what to do."""

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Begin an episode; `layout` is the env's attribute of that name."""

    def advise(self, info: dict[str, Any]) -> str:
        """Return the words of the action to take at a moment."""


class RoadGuide:
    """Follows the middle of a road as fast as its bends allow."""

    def reset(self, info: dict[str, Any], layout: np.ndarray) -> None:
        """Learn the road, ``(N, 2)``."""
        self._route, self._heading = layout, float(info["pose"][2])

    def advise(self, info: dict[str, Any]) -> str:
        """Return pedal and steering."""
        speed, heading = info["speed"], float(info["pose"][2])
        turning, self._heading = wrap(heading - self._heading), heading
        if abs(turning) > SPIN_DEGREES:
            return "brake"
        off = course(info, self._route, 3 + int(speed / 9)) - SWING_STEPS * turning
        side = "left" if off > FULL_LOCK_DEGREES else "right" if off < -FULL_LOCK_DEGREES else ""
        most = 85.0 / (1.0 + 1.3 * winding(info, self._route, 22))
        if side:
            most = min(most, GRIP)
        if not info["on_road"] or abs(off) > 60:
            most = min(most, 20.0)
        if speed > 1.25 * most + 3 and not side:
            return "brake"
        return " ".join(filter(None, ("gas" * (speed < most), f"steer {side}" * bool(side)))) or (
            "stay"
        )


class RoomsGuide:
    """Goes to the duck by the shortest way through the rooms."""

    def reset(self, info: dict[str, Any], layout: Grid[Any]) -> None:
        """Learn the plan."""
        self._plan = layout

    def advise(self, info: dict[str, Any]) -> str:
        """Return the keys that lead on."""
        x, y, heading = (float(value) for value in info["pose"])
        return _towards(self._next_point(x, y), (x, y, heading))

    def _next_point(self, x: float, y: float) -> tuple[float, float]:
        """Return what to walk to: the duck, a door, or the middle of the room behind it."""
        plan, duck = self._plan, self._plan.things[0]
        way = plan.path(plan.cell_at(x, y), plan.exit_cell)
        if len(way) == 1:
            return duck.x, duck.y
        (ax, ay), (bx, by) = plan.centre(way[0]), plan.centre(way[1])
        door = (ax + bx) / 2, (ay + by) / 2
        return (bx, by) if math.dist(door, (x, y)) < DOOR_METRES else door


class HealthGuide:
    """Runs from one medical kit in sight to the next, the one that takes the fewest steps."""

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Nothing is to be remembered."""

    def advise(self, info: dict[str, Any]) -> str:
        """Return the keys that lead on."""
        x, y, heading = (float(value) for value in info["pose"])
        kits = [t["position"] for t in info["objects"] if t["name"] == "medikit"]
        if not kits:
            return "forward turn left"

        def steps(kit: tuple[float, float]) -> float:
            return math.dist(kit, (x, y)) / 15 + abs(_off(kit, (x, y, heading))) / STEP_DEGREES

        return _towards(min(kits, key=steps), (x, y, heading))


class HomeGuide:
    """Goes to the green armour of ViZDoom's my_way_home by the shortest way."""

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Learn the plan, which is in the scenario's file and always the same."""
        self._plan = DoomPlan.of_scenario("my_way_home", GREEN_ARMOUR)

    def advise(self, info: dict[str, Any]) -> str:
        """Return the keys that lead on."""
        x, y, heading = (float(value) for value in info["pose"])
        return _towards(self._plan.next_point(x, y), (x, y, heading))


class CoverGuide:
    """Steps out of the way of what flies: plays every short way of its own through in its head.

    Heading, room and speed are those of ViZDoom's take_cover, where one always looks east; what
    leaves the picture is taken to fly on.
    """

    SIDES = {"stay": 0.0, "strafe left": 1.0, "strafe right": -1.0}
    WALLS = (16.0, 752.0)  # from where to where one gets
    GLIDE, PUSH = 0.8285, 2.83  # a step's speed is so much of the last one's, and this by a key
    BODY = 27.0  # half a player and half a ball of fire, with some room
    STEPS, SWITCHES = 26, (3, 7, 12)  # looked ahead, and where a way may change its key

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Forget what flew."""
        self._balls = np.zeros((0, 4))  # position and motion in a step
        self._last = float(info["pose"][1])
        keys = list(self.SIDES.values())
        ways = [(a, b, at) for a in keys for b in keys for at in self.SWITCHES]
        self._first = np.array([a for a, _, _ in ways])
        when = np.arange(self.STEPS)
        self._held = np.array([np.where(when < at, a, b) for a, b, at in ways])

    def advise(self, info: dict[str, Any]) -> str:
        """Return a step to a side, or stay."""
        x, y = float(info["pose"][0]), float(info["pose"][1])
        seen = [t["position"] for t in info["objects"] if t["name"] == "fireball"]
        self._balls = _tracked(self._balls, np.reshape(seen, (-1, 2)), x)
        moving, self._last = y - self._last, y
        place, speed = np.full(len(self._first), y), np.full(len(self._first), moving)
        spare, room = np.full(len(self._first), 2 * self.BODY), np.zeros(len(self._first))
        for step in range(self.STEPS):
            speed = self.GLIDE * speed + self.PUSH * self._held[:, step]
            place = np.clip(place + speed, *self.WALLS)
            room += np.abs(place - np.mean(self.WALLS)) / self.STEPS
            balls = self._balls[:, :2] + (step + 1) * self._balls[:, 2:]
            beside = np.abs(balls[:, 0] - x) < self.BODY
            for ball in balls[beside]:
                spare = np.minimum(spare, np.abs(ball[1] - place))
        # Of ways that are as safe the one with most room to both sides.
        side = self._first[np.argmax(np.minimum(spare, 1.5 * self.BODY) - 0.01 * room)]
        return next(words for words, sign in self.SIDES.items() if sign == side)


def _off(goal: tuple[float, float], pose: tuple[float, float, float]) -> float:
    """Return the turn to face a point, in degrees, left positive."""
    x, y, heading = pose
    return wrap(math.degrees(math.atan2(goal[1] - y, goal[0] - x)) - heading)


def _towards(goal: tuple[float, float], pose: tuple[float, float, float]) -> str:
    """Return the keys that lead to a point in the open."""
    off = _off(goal, pose)
    keys = ["forward"] if abs(off) < 35 else []
    if abs(off) > 0.6 * STEP_DEGREES:
        keys.append("turn left" if off > 0 else "turn right")
    return " ".join(keys)


def _tracked(balls: np.ndarray, seen: np.ndarray, x: float) -> np.ndarray:
    """Return what flies, ``(N, 4)``, from what flew a step ago and what is seen now, ``(M, 2)``."""
    there, found = balls[:, :2] + balls[:, 2:], []
    missing = np.ones(len(balls), bool)
    for place in seen:
        known = np.linalg.norm(there - place, axis=1) if len(balls) else np.zeros(0)
        near = int(known.argmin()) if len(known) else 0
        if len(known) and known[near] < 60:
            old, missing[near] = balls[near, :2], False
            found.append([*place, *(place - old)])
        else:
            found.append([*place, 0.0, 0.0])
    flying = missing & (there[:, 0] > x - 60) & (balls[:, 2] < -1)
    unseen = np.concatenate([there, balls[:, 2:]], axis=1)[flying]
    return np.concatenate([np.reshape(found, (-1, 4)), unseen])
