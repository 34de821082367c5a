import math

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401  registers the names
from envs.guides import CoverGuide, HealthGuide, HomeGuide, RoadGuide, RoomsGuide


def follow(name, guide, seed):
    """Return what a guide gets in a held-out place, and whether the world ended it."""
    env = gym.make(name, split="heldout", image_size=16)
    try:
        _, info = env.reset(seed=seed)
        world, total = env.unwrapped, 0.0
        guide.reset(info, world.layout)
        while True:
            action = world.spec_world.action_index(guide.advise(info))
            _, reward, ended, cut, info = env.step(action)
            total += float(reward)
            if ended or cut:
                return total, ended
    finally:
        env.close()


def test_a_road_is_followed_to_its_end():
    pytest.importorskip("Box2D")
    assert follow("worldsim/CarRacing-v0", RoadGuide(), 0)[0] > 700


@pytest.mark.parametrize("task", ["Duck", "Four"])
def test_the_duck_is_found(task):
    pytest.importorskip("envs.rooms_engine", exc_type=ImportError)
    assert all(follow(f"worldsim/Rooms{task}-v0", RoomsGuide(), seed)[1] for seed in range(3))


def test_who_steps_aside_lives_longer_than_who_stays():
    pytest.importorskip("vizdoom")
    lived = [follow("worldsim/DoomTakeCover-v0", CoverGuide(), seed)[0] for seed in range(6)]
    assert np.mean(lived) > 450  # standing still has 152, chance 264


def test_who_runs_from_kit_to_kit_does_not_die():
    pytest.importorskip("vizdoom")
    assert follow("worldsim/DoomHealthGathering-v0", HealthGuide(), 0) == (2100, False)


def test_the_armour_is_found_from_wherever_one_begins():
    pytest.importorskip("vizdoom")
    for seed in range(4):
        total, ended = follow("worldsim/DoomMyWayHome-v0", HomeGuide(), seed)
        assert ended and total > 0.9, seed


def sees(y, *balls):
    """Return what is seen at a place by who looks east: balls at places."""
    flying = [{"name": "fireball", "position": ball} for ball in balls]
    return {"pose": (-416.0, y, 0.0), "objects": flying}


def dodge(ball, seen):
    """Return where one is, step by step, while a ball flies west and is seen for so many steps."""
    guide, y, speed, places = CoverGuide(), 384.0, 0.0, []
    guide.reset(sees(y), None)
    for step in range(16):
        balls = [(-216.0 - 20 * step, ball)] if step < seen else []
        side = CoverGuide.SIDES[guide.advise(sees(y, *balls))]
        speed = CoverGuide.GLIDE * speed + CoverGuide.PUSH * side
        y += speed
        places.append(y)
    return places


@pytest.mark.parametrize("ball", [370.0, 384.0, 393.0])
@pytest.mark.parametrize("seen", [16, 4])  # what left the picture still flies
def test_a_ball_is_out_of_the_way_when_it_comes(ball, seen):
    places = dodge(ball, seen)
    assert min(abs(y - ball) for y in places[8:12]) > 22


def test_where_nothing_flies_one_goes_back_to_the_middle():
    guide = CoverGuide()
    guide.reset(sees(100.0), None)
    assert guide.advise(sees(100.0)) == "strafe left"


def test_a_guide_turns_to_where_the_road_goes():
    angle = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    ring = 60 * np.stack([np.cos(angle), np.sin(angle)], axis=1)  # to the left, all the way
    info = {"pose": (60.0, 0.0, 90.0), "tile": 0, "speed": 20.0, "on_road": True}
    guide = RoadGuide()
    guide.reset(info, ring)
    assert "steer left" in guide.advise(info)
    info |= {"pose": (60.0, 0.0, 270.0)}
    guide.reset(info, ring[::-1])
    assert "steer right" in guide.advise(info)


def test_a_guide_that_spins_brakes_until_it_is_over():
    road = np.stack([np.zeros(90), 4.0 * np.arange(90)], axis=1)  # straight up
    info = {"pose": (0.0, 0.0, 90.0), "tile": 0, "speed": 20.0, "on_road": False}
    guide = RoadGuide()
    guide.reset(info, road)
    assert guide.advise(info | {"pose": (0.0, 0.0, 120.0)}) == "brake"
    assert "steer right" in guide.advise(info | {"pose": (0.0, 0.0, 121.0)})
