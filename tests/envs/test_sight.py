import numpy as np
import pytest

from envs.collect import play_episode
from envs.sight import coarse_depth, things_in_sight
from envs.worlds import find_world, make_explorer, make_world
from worldsim.data.episode import DEPTH_SIDE


def thing(**changes):
    return {
        "name": "box",
        "colour": "red",
        "bbox": (24.0, 30.0, 40.0, 50.0),
        "distance": 80.0,
    } | changes


def test_a_thing_straight_on_has_no_bearing_and_its_distance_in_metres():
    (seen,) = things_in_sight([thing()], 64, 0.025)
    assert seen == {"name": "box", "colour": "red", "bearing": 0, "distance": 2.0}


@pytest.mark.parametrize(("middle", "degrees"), [(0, 45), (64, -45), (16, 27), (48, -27)])
def test_bearings_are_those_of_a_picture_of_ninety_degrees(middle, degrees):
    box = (middle - 4.0, 30.0, middle + 4.0, 40.0)
    assert things_in_sight([thing(bbox=box)], 64, 1.0)[0]["bearing"] == degrees


def test_a_speck_is_not_in_sight():
    assert things_in_sight([thing(bbox=(10.0, 10.0, 12.0, 12.0))], 64, 1.0) == []


@pytest.mark.parametrize("side", [16, 32, 64, 100])
def test_coarse_depth_is_the_mean_of_each_part_in_centimetres(side):
    flat = coarse_depth(np.full((side, side), 3.0, np.float32), 0.5)
    assert flat.shape == (DEPTH_SIDE, DEPTH_SIDE) and flat.dtype == np.uint16
    assert (flat == 150).all()
    slope = coarse_depth(np.linspace(1, 2, side)[:, None] * np.ones(side), 1.0)
    assert (np.diff(slope.astype(int), axis=0) > 0).all() and slope.mean() == pytest.approx(150, 1)


def test_what_is_near_or_very_far_stays_within_what_can_be_said():
    assert (coarse_depth(np.zeros((16, 16)), 1.0) == 1).all()
    assert (coarse_depth(np.full((16, 16), 1e6), 1.0) == 65535).all()


@pytest.mark.parametrize(
    ("world", "needs"),
    [("doom", "vizdoom"), ("rooms", "envs.rooms_engine"), ("carracing", "Box2D")],
)
def test_every_frame_of_a_collected_episode_has_facts_and_where_there_is_any_depth(world, needs):
    pytest.importorskip(needs, exc_type=ImportError)
    env = make_world(world, **find_world(world).options, max_steps=40, image_size=32)
    episode = play_episode(env, make_explorer(world, np.random.default_rng(0)), 2)
    env.close()
    assert episode.facts is not None and len(episode.facts) == len(episode.frames)
    if world == "carracing":
        assert episode.depth is None
        assert {fact["on_road"] for fact in episode.facts} <= {True, False}
        assert all(abs(fact["bend"]) <= 180 for fact in episode.facts)
    else:
        assert episode.depth.shape == (len(episode.frames), DEPTH_SIDE, DEPTH_SIDE)
        assert 20 < np.median(episode.depth) < 2000  # centimetres of a room
        seen = [thing for fact in episode.facts for thing in fact["things"]]
        assert all(abs(thing["bearing"]) <= 45 for thing in seen)
