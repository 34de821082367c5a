import math
from dataclasses import replace

import numpy as np
import pytest

from agents.seek import Seek
from tests.worldsim import tiny
from worldsim.errors import WorldsimError

SPEC = replace(tiny.SPEC, things=["green torch", "red key"])
KEYS = ["stay", "forward", "turn left", "turn right"]
SIDE = 8


class Room:
    """A square room with one thing in it, and a reader that answers truly about it.

    A frame is the pose itself, ``(x, y, yaw in degrees)``.
    """

    def __init__(self, thing=(4.0, 0.0), yaw=0.0, walls=5.0, hidden_beyond=math.inf):
        self.pose_now, self.thing, self.walls = np.array([0.0, 0.0, yaw]), thing, walls
        self.hidden_beyond, self.worlds = hidden_beyond, {"doom": SPEC}
        self.asked = []

    def step(self, action):
        words = SPEC.actions[action]
        x, y, yaw = self.pose_now
        yaw += {"turn left": 10.0, "turn right": -10.0}.get(words, 0.0)
        if words == "forward":
            x, y = x + 0.25 * math.cos(math.radians(yaw)), y + 0.25 * math.sin(math.radians(yaw))
        self.pose_now = np.array([*np.clip([x, y], -self.walls, self.walls), yaw])
        return self.pose_now

    def _bearing(self, frame):
        dx, dy = self.thing[0] - frame[0], self.thing[1] - frame[1]
        if math.hypot(dx, dy) > self.hidden_beyond:
            return None
        return (math.degrees(math.atan2(dy, dx)) - frame[2] + 180) % 360 - 180

    def ask(self, frames, questions):
        self.asked += questions
        bearing = self._bearing(frames[0])
        if bearing is None or abs(bearing) > 45:
            return ["no", "none in sight"]
        return ["yes", "ahead" if abs(bearing) < 14 else "left" if bearing > 0 else "right"]

    def pose(self, befores, afters):
        (x, y, yaw), after = befores[0], afters[0]
        gone = math.hypot(after[0] - x, after[1] - y)
        return [(gone, 0.0, after[2] - yaw)]

    def depth(self, frames):
        x, y, yaw = frames[0]
        c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
        free = [
            ((self.walls if part > 0 else -self.walls) - at) / part
            for at, part in ((x, c), (y, s))
            if abs(part) > 1e-6
        ]
        return np.full((1, SIDE, SIDE), max(0.1, min(free)), np.float32)

    def distance(self):
        return math.hypot(*(self.pose_now[:2] - self.thing))


def walk(room, steps, thing=None):
    agent = Seek(room, thing or SPEC.things[0], "doom", KEYS)
    for step in range(steps):
        room.step(agent.act(room.pose_now, {}))
        if room.distance() < 0.5:
            return step
    return None


@pytest.mark.parametrize("yaw", [0.0, 90.0, 180.0, -100.0])
def test_a_thing_is_found_wherever_one_looks_first(yaw):
    room = Room(yaw=yaw)
    assert walk(room, 60) is not None
    assert all(SPEC.things[0] in question for question in room.asked)


def test_what_cannot_be_seen_from_here_is_looked_for_elsewhere():
    room = Room(thing=(9.0, 9.0), walls=10.0, hidden_beyond=5.0)
    assert walk(room, 400) is not None


def test_who_bumps_into_something_looks_about_again():
    room = Room(thing=(9.0, 9.0), hidden_beyond=0.0)
    agent = Seek(room, SPEC.things[0], "doom", KEYS)
    room.depth = lambda frames: np.full((1, SIDE, SIDE), 9.0, np.float32)  # glass walls
    places = [tuple(room.step(agent.act(room.pose_now, {}))) for _ in range(300)]
    turned = np.ptp([yaw for *_, yaw in places])
    assert turned > 500, "it went on looking instead of walking against a wall"


def test_who_has_surely_seen_a_thing_does_not_lose_it_for_one_doubtful_answer():
    room, doubts = Room(thing=(4.0, 1.5), yaw=0.0), iter([False, True, True, False] * 30)
    ask = room.ask
    room.ask = lambda frames, questions: (
        ["no", ask(frames, questions)[1]] if next(doubts) else ask(frames, questions)
    )
    agent = Seek(room, SPEC.things[0], "doom", KEYS)
    done = [SPEC.actions[agent.act(room.pose_now, {})] for _ in range(1)]
    for _ in range(25):
        room.step(SPEC.action_index(done[-1]))
        if room.distance() < 0.5:
            break
        done.append(SPEC.actions[agent.act(room.pose_now, {})])
    assert room.distance() < 0.5 and done.count("turn left") < 6


def test_a_new_episode_begins_with_looking_about():
    room = Room(hidden_beyond=0.0)
    agent = Seek(room, SPEC.things[0], "doom", KEYS)
    first = [agent.act(room.step(0), {}) for _ in range(3)]
    for _ in range(60):
        room.step(agent.act(room.pose_now, {}))
    agent.reset()
    assert [agent.act(room.step(0), {}) for _ in range(3)] == first


def test_what_is_not_in_the_world_or_cannot_be_walked_to_is_refused():
    with pytest.raises(WorldsimError, match="'moon' names nothing"):
        Seek(Room(), "moon", "doom", KEYS)
    with pytest.raises(WorldsimError, match="no world 'mars': use one of doom"):
        Seek(Room(), SPEC.things[0], "mars", KEYS)
    with pytest.raises(WorldsimError, match="needs the keys forward"):
        Seek(Room(), SPEC.things[0], "doom", ["turn left", "turn right"])
