"""A driver that sees a lot of a world with a road: what datasets are collected with.

It knows the middle of the road, which a learner must not. Most of the time it races, well or badly;
between, it holds single keys, plays with them, leaves the road on purpose and finds its way back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from envs.drive_words import FOLLOW, LEAVE, RETURN
from envs.roads import course, winding
from worldsim.phrases import Phrases
from worldsim.world import WorldSpec

Steps = Iterator[str]  # of action words, one a step
FULL_LOCK_DEGREES = 14.0  # off course by this much: the wheel is held over
TILE = 3.5  # units of a pose from one point of a route to the next
AHEAD = 24  # tiles over which a bend is measured, by a car of pace 1
RECKLESS = 0.25  # of the drives do not know how fast a bend may be taken
STUCK = 10  # steps of gas without moving
SHARES = {"race": 0.46, "single": 0.26, "burst": 0.16, "leave": 0.08, "rest": 0.04}


class Driver:
    """Drives through one episode after another; call `reset`, then `act` once a step.

    Args:
        rng: Decides everything; the same one gives the same drive.
        spec: The world, whose actions are gas, brake and steering.
        phrases: What is said meanwhile, by action, `FOLLOW`, `LEAVE` and `RETURN`.
        pace: How fast its cars are; 1 for 90 units a second.
        grip_speed: Gas in a bend at more than this spins the car.
        reverses: Whether the brake drives a standing car backwards.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        spec: WorldSpec,
        phrases: Mapping[str, Phrases],
        pace: float = 1.0,
        grip_speed: float = math.inf,
        reverses: bool = False,
    ) -> None:
        """Keep the arguments; nothing is random yet."""
        self.rng, self.spec, self.phrases = rng, spec, phrases
        self.pace, self.grip_speed, self.reverses = pace, grip_speed, reverses
        self.sentence = ""
        self._kinds: dict[str, Callable[[], Steps]] = {
            "race": self._race,
            "single": self._single,
            "burst": self._burst,
            "leave": self._leave,
            "rest": self._rest,
        }

    def reset(self, info: dict[str, Any], layout: np.ndarray) -> None:
        """Begin an episode; `layout` is the middle of the road, ``(N, 2)``."""
        self._info, self._route = info, layout
        self._steps: Steps = self._race()
        self._lean = 0.0  # steering wished for but not yet done
        self._pushing = 0  # steps of gas without moving
        self._top_speed = self.pace * float(self.rng.uniform(35, 90))
        self._grip = self.grip_speed * (2 if self._coin(RECKLESS) else 1)
        shares = np.array(list(SHARES.values())) * self.rng.uniform(0.3, 1.7, len(SHARES))
        self._shares = shares / shares.sum()

    def act(self, info: dict[str, Any]) -> tuple[int, str]:
        """Return the next action index and the sentence of its stretch ("" for none)."""
        self._info = info
        if self.reverses and self._pushing > STUCK:
            self._pushing, self.sentence, self._steps = 0, "", self._back_out()
        while True:
            words = next(self._steps, None)
            if words is not None:
                moves = "gas" not in words or info["speed"] > 5 * self.pace
                self._pushing = 0 if moves else self._pushing + 1
                return self.spec.action_index(words), self.sentence
            self.sentence = ""
            kind = str(self.rng.choice(list(SHARES), p=self._shares))
            self._steps = self._kinds[kind]() if info["on_road"] else self._return()

    # Stretches; each yields action words until it is done

    def _race(self) -> Steps:
        """Follow the road, at a speed that its bends allow, more or less."""
        if self._coin(0.7):
            self.sentence = self.phrases[FOLLOW].say(self.rng)
        nerve = float(self.rng.uniform(0.7, 1.3))
        for _ in range(self._between(20, 80)):
            yield self._along(self._top_speed * nerve)

    def _return(self) -> Steps:
        """Find back onto the road from the grass."""
        self.sentence = self.phrases[RETURN].say(self.rng)
        for step in range(70):
            if self._info["on_road"] and step > 2 and abs(course(self._info, self._route, 6)) < 45:
                break
            yield self._along(22.0 * self.pace)

    def _leave(self) -> Steps:
        """Drive onto the grass and a little further."""
        self.sentence = self.phrases[LEAVE].say(self.rng)
        side = "left" if self._coin(0.5) else "right"
        far = self._between(2, 12)
        for _ in range(30):
            far -= not self._info["on_road"]
            if far < 0:
                break
            turning = self._info["on_road"] and self._coin(0.7)
            yield _words(self._info["speed"] < 35 * self.pace, False, side if turning else "")

    def _single(self) -> Steps:
        """Hold the keys of one action, and say which."""
        words = str(self.rng.choice(self.spec.actions[1:]))
        slow = self._info["speed"] < 8 * self.pace
        # nothing else does anything to a car that stands
        if slow and "gas" not in words and not (self.reverses and "brake" in words):
            words = "gas"
        self.sentence = self.phrases[words].say(self.rng)
        for _ in range(self._between(4, 12)):
            yield words

    def _burst(self) -> Steps:
        """Keyboard-like play: random combinations of keys, each held for a while."""
        for _ in range(self._between(1, 4)):
            words = str(self.rng.choice(self.spec.actions))
            for _ in range(self._between(3, 10)):
                yield words

    def _back_out(self) -> Steps:
        """Drive backwards, away from what is in the way, the nose towards the road."""
        side = "right" if course(self._info, self._route, 4) > 0 else "left"
        for _ in range(self._between(8, 18)):
            yield _words(False, True, side)

    def _rest(self) -> Steps:
        self.sentence = self.phrases["stay"].say(self.rng)
        yield from ["stay"] * self._between(4, 12)

    # Driving

    def _along(self, top_speed: float) -> str:
        """Return the keys that lead along the road at no more than a speed."""
        speed = self._info["speed"]
        ahead = max(6, round(AHEAD * self.pace))
        wish = top_speed / (1.0 + 1.6 * winding(self._info, self._route, ahead))
        off = course(self._info, self._route, 3 + int(speed / 8))
        # A key is down or up: what is wished for between the two adds up until it is worth a press.
        self._lean += max(-1.0, min(1.0, off / FULL_LOCK_DEGREES))
        side = "left" if self._lean > 0.5 else "right" if self._lean < -0.5 else ""
        self._lean -= {"left": 1.0, "right": -1.0, "": 0.0}[side]
        turned_away = abs(off) > 60
        most = 10.0 * self.pace if turned_away else min(wish, self._grip) if side else wish
        return _words(speed < most, speed > 1.25 * wish + 3 * self.pace, side)

    def _between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def _coin(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)


def _words(gas: bool, brake: bool, side: str) -> str:
    """Return the action of a pedal and a side; the brake wins over the gas."""
    pedal = "brake" if brake else "gas" if gas else ""
    return " ".join(filter(None, (pedal, f"steer {side}" if side else ""))) or "stay"
