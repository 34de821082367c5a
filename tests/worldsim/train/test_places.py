import numpy as np
import pytest

from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.places import Places

STEPS = 4


def make_track(start, length, world="a", action=0, ended=False):
    answers = [0] * (length + 1)
    return Track(start, [[action]] * length, [[]] * length, [0] * length, answers, world, ended)


@pytest.fixture
def tracks():
    return [make_track(0, 40), make_track(41, 9), make_track(51, 30, "b")]


def draw(places, draws=4000):
    rng = np.random.default_rng(0)
    return [places(rng) for _ in range(draws)]


def test_every_place_with_enough_steps_after_it_is_drawn_and_no_other(tracks):
    drawn = {(track.start, first) for track, first in draw(Places(tracks, STEPS, 0.0, {}))}
    assert drawn == {(t.start, k) for t in tracks for k in range(len(t.actions) - STEPS + 1)}


def test_an_end_is_come_to_after_one_step_as_often_as_after_many():
    track = make_track(0, 20, ended=True)
    firsts = [first for _, first in draw(Places([track], STEPS, 0.7, {}))]
    assert set(firsts) == set(range(20))
    assert np.bincount(firsts).min() > 0.7 * np.bincount(firsts).max()


def test_worlds_are_drawn_as_often_as_their_shares_say(tracks):
    drawn = draw(Places(tracks, STEPS, 0.0, {"a": 0.3, "b": 0.7}))
    assert sum(t.world == "a" for t, _ in drawn) / len(drawn) == pytest.approx(0.3, abs=0.03)


def test_rare_actions_are_drawn_more_often_than_they_are_played():
    common, rare = make_track(0, 83), make_track(84, 13, action=1)
    plain, balanced = (
        sum(t is rare for t, _ in draw(Places([common, rare], STEPS, balance, {})))
        for balance in (0.0, 1.0)
    )
    assert plain / 4000 == pytest.approx(10 / 90, abs=0.02) and balanced > 2 * plain


@pytest.mark.parametrize("shares", [{"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "c": 1.0}])
def test_shares_are_one_for_each_world(tracks, shares):
    with pytest.raises(WorldsimError, match="batch.shares="):
        Places(tracks, STEPS, 0.0, shares)
