"""What a planner may do, in whose world, and for how long it goes before it looks again."""

from dataclasses import replace

import numpy as np
import pytest

from agents.planner import Planner, PlannerConfig
from agents.scores import by_reward
from tests.agents.test_planner import (
    KNOWN,
    LEFT,
    LENGTH,
    STAY,
    WORDS,
    Strip,
    drive,
    make,
    near,
    view,
)
from worldsim.errors import WorldsimError


def watch(planner):
    """Return a list to which each round of ways tried is added, with its scores."""
    tried, original = [], planner._try
    planner._try = lambda ways: tried.append((ways, original(ways))) or tried[-1][1]
    return tried


def test_ways_are_made_of_what_is_allowed_alone():
    start = LENGTH // 2 - 2  # it pays on the right
    assert drive(make(allow=["right", "stay"]), start, 12) > LENGTH // 2
    planner = make(allow=["left", "stay"])
    assert set(planner.actions.tolist()) == {STAY, LEFT}
    assert drive(planner, start, 12) <= start


@pytest.mark.parametrize("word", ["hop", "fly"])  # no word of the world, and none that is offered
def test_a_word_that_cannot_be_allowed_is_named_with_those_that_can(word):
    with pytest.raises(WorldsimError, match=f"'{word}' is no action .* stay, left, right"):
        make(allow=["stay", word])


def test_a_dream_of_the_same_words_in_another_order_is_refused():
    def planner(world):
        return Planner(Strip(), [STAY], by_reward, PlannerConfig(), acts_in=world)

    swapped = ("stay", "down", "up", *WORDS[3:])
    with pytest.raises(WorldsimError, match="the world it acts in has action 1 'down', the model"):
        planner(replace(KNOWN, actions=swapped))
    planner(replace(KNOWN, steps_per_second=KNOWN.steps_per_second / 4, skip=4))  # longer steps


def test_shooting_tries_once_and_learns_nothing():
    planner = make(near(35), method="shooting", horizon=12, repeat=1, rounds=3)
    tried = watch(planner)
    for look in range(3):
        way = planner.plan([view(32)], [])
        ways, scores = tried[look]
        assert len(tried) == look + 1, "one round a look"
        assert np.array_equal(way, planner.actions[ways[scores.argmax()]])
        drawn = np.stack([(ways == k).mean() for k in range(3)])
        assert np.allclose(drawn, 1 / 3, atol=0.08), "each action as often"
        held = (ways == ways[:, :1]).all(axis=1)
        assert not held.any(), "nobody walks straight on by drawing twelve actions in a row"


def test_shooting_begins_anew_at_every_look():
    planner = make(near(60), method="shooting", every=1)
    tried = watch(planner)
    drive(planner, 32, 6)
    best = [ways[scores.argmax()] for ways, scores in tried]
    again = [np.array_equal(ways[0], old) for (ways, _), old in zip(tried[1:], best, strict=False)]
    assert len(tried) == 6 and not all(again)
    assert np.allclose(planner._chances, 1 / 3)


def test_until_it_looks_again_it_goes_along_the_way():
    planner = make(near(34), horizon=8, repeat=2, every=6)
    tried = watch(planner)
    done = [planner.act(view(32), {}) for _ in range(6)]
    assert len(tried) == planner.config.rounds, "it looked once"
    ways, scores = (np.concatenate(part) for part in zip(*tried, strict=True))
    way = planner.actions[ways[scores.argmax()]]
    assert done == np.repeat(way, 2)[:6].tolist() and len(set(done)) > 1


def test_a_dream_may_begin_with_one_frame():
    assert drive(make(context=1), LENGTH // 2 - 2, 12) > LENGTH // 2
