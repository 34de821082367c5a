"""A policy that sees a lot of a world on foot: what datasets are collected with.

It may look at what a learner must not: the layout of a maze, depth, the places of things. Each
episode is a string of stretches, each with one purpose and, mostly, one sentence that is true of
its frames. A stretch that a wall interrupts ends there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from envs.grid import Grid
from envs.walk_way import CLEAR, STUCK_UNITS, Steps, Wayfarer
from envs.walk_words import BUMP, EXPLORE, LOOK_AROUND, PHRASES, TURN_AROUND, WALK_TO
from worldsim.world import WorldSpec

STARE_STEPS = 8  # of staring at a wall: turn away
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
# Where one is shot at, one steps aside.
DODGING = {"dodge": 0.7, "single": 0.12, "burst": 0.12, "rest": 0.06}
UNDER_FIRE = ("take_cover",)


class Walker(Wayfarer):
    """Walks through one episode after another; call `reset`, then `act` once a step.

    It needs `info["depth"]` and `info["objects"]`, so the env must be made with `depth=True`.
    Arguments as those of `Wayfarer`.
    """

    def __init__(
        self, rng: np.random.Generator, spec: WorldSpec, turn_degrees: float, unit: float = 1.0
    ) -> None:
        """Keep the arguments; nothing is random yet."""
        super().__init__(rng, spec, turn_degrees, unit)
        self._kinds: dict[str, Callable[[], Steps]] = {
            "walk": self._walk,
            "object": self._to_object,
            "single": self._single,
            "burst": self._burst,
            "curve": self._curve,
            "look": self._look,
            "bump": self._bump,
            "rest": self._rest,
            "dodge": self._dodge,
        }

    def reset(self, info: dict[str, Any], layout: Grid | None) -> None:
        """Begin an episode; `layout` is None on maps, where it is not known."""
        super().reset(info, layout)
        self._steps: Steps = iter(())
        self._reached: set[tuple[float, float]] = set()
        usual = DODGING if info.get("source") in UNDER_FIRE else SHARES
        shares = np.array(list(usual.values())) * self.rng.uniform(0.4, 1.6, len(usual))
        self._chances = dict(zip(usual, shares / shares.sum(), strict=True))
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
            kind = str(self.rng.choice(list(self._chances), p=list(self._chances.values())))
            if self._things_in_view() and self._coin(SEE_AND_GO):
                kind = "object"
            self._steps = self._kinds[kind]()

    # Stretches; each yields action words until it is done

    def _walk(self) -> Steps:
        """Way-points over the layout where it is known, else wherever is open and new."""
        if self._coin(0.6):
            self.sentence = PHRASES[EXPLORE].say(self.rng)
        yield from self._along_path() if self._maze else self._roam()

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

    def _dodge(self) -> Steps:
        """Step to one side, then perhaps to the other."""
        for _ in range(self._steps_between(1, 3)):
            words = "strafe left" if self._coin(0.5) else "strafe right"
            yield from self._hold(words, self._steps_between(3, 14))

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
