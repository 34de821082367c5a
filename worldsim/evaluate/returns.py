"""What the data says of going away and coming back: how far a turn goes, where one may walk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from worldsim.data import Dataset
from worldsim.data.reader import Steps
from worldsim.evaluate.index import Window
from worldsim.pose_text import motion
from worldsim.world import WorldSpec

LEFT, AHEAD, BACK, STAY = "turn left", "forward", "back", "stay"
STEADY = 0.1  # turns or steps that differ by more than this share cannot be counted on
AHEAD_OF_ONE = (slice(6, 9), slice(6, 10))  # of a depth picture: the horizon's middle
ROOM = 1.1  # metres free for each that one is to walk
COAST = 0.1  # metres that one may still go without a key where a walk begins
STRAIGHT = 0.1  # degrees; a step that turns more is not straight
FEWEST_STEPS = 10  # with each key, to tell how one walks
SPACING = 8  # frames between two places of an episode, at least


def circle_steps(dataset: Dataset, episodes: int = 20) -> int | None:
    """Return how many steps of turning left make a circle; None where turns are not steady."""
    spec = dataset.spec
    if LEFT not in spec.actions:
        return None
    left, turns = spec.action_index(LEFT), list[float]()
    for index in np.linspace(0, len(dataset) - 1, min(episodes, len(dataset))).astype(int):
        steps = dataset.load_steps(int(index))
        if steps.pose is None:
            return None
        yaw = np.diff(steps.pose[:, 2])[np.asarray(steps.actions) == left]
        turns += ((yaw + 180.0) % 360.0 - 180.0).tolist()
    if not turns:
        return None
    low, middle, high = np.percentile(turns, (10, 50, 90))
    return round(360 / middle) if middle > 0 and high - low <= STEADY * middle else None


@dataclass(frozen=True)
class Gait:
    """How one walks: each step goes `carry` times the last one, and what a pressed key adds.

    As motion adds up, the way of any keys ends, once at rest, where the sum of what they add says:
    with as much back as ahead one is where one began, however fast one was in between.

    Attributes:
        carry: 0 where one stops at once, below 1.
        ahead: Metres that the key ahead adds.
        back: Metres that the key back takes off.
    """

    carry: float
    ahead: float
    back: float

    @property
    def rest(self) -> int:
        """Steps until one as good as stands: a twentieth of the way is left."""
        return math.ceil(math.log(0.05) / math.log(self.carry)) if self.carry > 0 else 0

    def coast(self, speed: float | np.ndarray) -> Any:
        """Return the metres that one still goes without a key, from metres a step."""
        return speed * self.carry / (1 - self.carry)

    def there_and_back(self, steps: int, every: int) -> tuple[list[str], float]:
        """Walk away for `steps` steps, the key pressed at every so many of them, and back.

        Returns:
            What to press, step by step, and how far ahead that leads, in metres.
        """
        presses = len(range(0, steps, every))
        backs = round(presses * self.ahead / self.back)
        drive = [AHEAD if k % every == 0 else STAY for k in range(steps)]
        drive += [BACK if k % every == 0 else STAY for k in range(backs * every)]
        adds, speed, at, farthest = {AHEAD: self.ahead, BACK: -self.back, STAY: 0.0}, 0.0, 0.0, 0.0
        for pressed in drive:
            speed = self.carry * speed + adds[pressed]
            at += speed
            farthest = max(farthest, at)
        return drive + [STAY] * self.rest, farthest


def find_gait(dataset: Dataset) -> Gait | None:
    """Fit how one walks to straight ways in the data; None where no such rule explains them.

    Walls, stairs and who gets in the way are outliers: the best four of five steps count.
    """
    spec = dataset.spec
    if {AHEAD, BACK, STAY} - set(spec.actions):
        return None
    steps = [_straight(dataset.load_steps(info.index), spec) for info in dataset.episodes]
    now, before, *pressed = np.concatenate([*steps, np.zeros((0, 4))]).T
    if not all(sum(key) >= FEWEST_STEPS for key in pressed):
        return None
    lengths = now[pressed[0] > 0]
    low, middle, high = np.percentile(lengths, (25, 50, 75))  # a quarter may end at walls
    if middle > 0 and high - low <= STEADY * middle:
        back = -float(np.median(now[pressed[1] > 0]))
        return Gait(0.0, float(middle), back) if back > 0 else None
    known, good = np.stack([before, *pressed], axis=1), np.ones(len(now), bool)
    for _ in range(20):
        (carry, ahead, back), *_ = np.linalg.lstsq(known[good], now[good])
        wrong = np.abs(known @ (carry, ahead, back) - now)
        good = wrong <= np.quantile(wrong, 0.8)
    fits = 0 < carry < 1 and ahead > 0 > back and np.median(wrong) <= STEADY * ahead
    return Gait(float(carry), float(ahead), -float(back)) if fits else None


def _straight(steps: Steps, spec: WorldSpec) -> np.ndarray:
    """Return the straight steps ahead, back or on the spot that follow straight ones.

    Returns:
        ``(K, 4)``: metres ahead, those of the step before, whether the key ahead, that back.
    """
    if steps.pose is None or len(steps.actions) < 2:
        return np.zeros((0, 4))
    actions = np.asarray(steps.actions)
    ways = [motion(a, b, spec.metres_per_unit) for a, b in pairwise(steps.pose)]
    ahead, turn = np.array(ways)[:, 0], np.abs(np.array(ways)[:, 2])
    keys = {name: actions[1:] == spec.action_index(name) for name in (AHEAD, BACK, STAY)}
    kept = (turn[1:] < STRAIGHT) & (turn[:-1] < STRAIGHT) & np.any(list(keys.values()), axis=0)
    return np.stack([ahead[1:], ahead[:-1], keys[AHEAD], keys[BACK]], axis=1)[kept]


def free_places(
    dataset: Dataset, metres: float, gait: Gait, context: int, count: int
) -> list[Window]:
    """Return up to `count` places, spread over the data, from which one may walk so far ahead.

    One stands still there, or as good as: coasting would add to the way.
    """
    found: list[list[Window]] = []
    for info in dataset.episodes:
        steps = dataset.load_steps(info.index)
        if steps.depth is None or steps.pose is None:
            continue
        free = steps.depth[:, *AHEAD_OF_ONE].min(axis=(1, 2)) / 100 > ROOM * metres
        ways = np.hypot(*np.diff(steps.pose[:, :2], axis=0).T) * dataset.spec.metres_per_unit
        rests = np.concatenate([[False], gait.coast(ways) <= COAST])
        good, row = free & rests, list[Window]()
        for at in range(context - 1, len(good)):
            if good[at] and (not row or at >= row[-1].start + SPACING):
                row.append(Window(info.source, info.seed, at))
        found.append(row)
    turns = max((len(row) for row in found), default=0)
    return [row[turn] for turn in range(turns) for row in found if turn < len(row)][:count]
