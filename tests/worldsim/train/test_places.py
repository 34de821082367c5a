from collections import Counter

import numpy as np
import pytest

from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.places import Places

STEPS = 4


def make_track(start, length, world="a", ended=False):
    return Track(start, [[0]] * length, [[]] * length, [0] * length, [0] * (length + 1), world,
                 ended)  # fmt: skip


def share_of_ends(places, world, draws=4000):
    rng, counts = np.random.default_rng(0), Counter()
    for track, first in (places(rng) for _ in range(draws)):
        assert 0 <= first <= len(track.actions) - STEPS
        at_end = track.ended and first == len(track.actions) - STEPS
        counts[track.world, at_end] += 1
    return counts[world, True] / (counts[world, True] + counts[world, False])


@pytest.fixture
def tracks():
    return [
        make_track(0, 40, ended=True),
        make_track(41, 60),
        make_track(102, 9, ended=True),
        make_track(112, 30, "b"),
    ]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_as_many_rows_come_to_an_end_as_is_asked_for(tracks, share):
    places = Places(tracks, STEPS, 0.0, {}, share)
    assert share_of_ends(places, "a") == pytest.approx(share, abs=0.03)
    assert share_of_ends(places, "b") == 0  # which has none


def test_without_a_share_ends_are_as_rare_as_they_are(tracks):
    assert share_of_ends(Places(tracks, STEPS, 0.0, {}), "a") == pytest.approx(2 / 100, abs=0.01)


def test_more_ends_leave_the_worlds_shares_as_they_are(tracks):
    places, rng = Places(tracks, STEPS, 0.0, {"a": 0.3, "b": 0.7}, 0.5), np.random.default_rng(0)
    drawn = [places(rng)[0].world for _ in range(4000)]
    assert drawn.count("a") / 4000 == pytest.approx(0.3, abs=0.03)


def test_where_every_row_is_an_end_nothing_changes():
    places = Places([make_track(0, STEPS, ended=True)], STEPS, 0.0, {}, 0.5)
    assert places(np.random.default_rng(0))[1] == 0


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_an_impossible_share_of_ends_is_named(tracks, share):
    with pytest.raises(WorldsimError, match=f"batch.end_share={share}"):
        Places(tracks, STEPS, 0.0, {}, share)
