from dataclasses import replace

import numpy as np
import pytest

from agents.contenders import (
    CLOSED,
    METHODS,
    SEARCHES,
    Blind,
    check_methods,
    closed_loop,
    make_planner,
    open_loop,
)
from agents.planner import PlannerConfig
from tests.agents.test_planner import KNOWN, LEFT, RIGHT, STAY, Strip, near, view
from worldsim.errors import WorldsimError

OFFERED = [STAY, LEFT, RIGHT]
CONFIG = PlannerConfig(horizon=12, repeat=4, rounds=1, context=3)


class Counting(Strip):
    steps = 0

    def step(self, actions):
        self.steps += 1
        return super().step(actions)


@pytest.mark.parametrize(("steps", "dreamed"), [(140, 12), (8, 8)])
def test_who_looks_again_dreams_no_farther_than_it_was_told_and_than_the_goal(steps, dreamed):
    dream = Counting()
    planner = make_planner("cem", dream, OFFERED, near(40), closed_loop(CONFIG, steps), 0)
    for look in range(1, 3):
        for _ in range(CONFIG.repeat):
            planner.act(view(32), {})
        assert dream.steps == look * dreamed


def test_a_whole_way_is_dreamed_to_the_goal():
    dream = Counting()
    config = open_loop(replace(CONFIG, every=12), 20)
    assert make_planner("cem", dream, OFFERED, near(40), config, 0).plan([view(32)], []).shape == (
        20,
    )
    assert dream.steps == 20


def test_between_two_looks_there_are_no_more_steps_than_to_the_goal():
    assert closed_loop(replace(CONFIG, every=10), 8).every == 8
    assert closed_loop(replace(CONFIG, every=10), 140).every == 10


@pytest.mark.parametrize("method", SEARCHES)
def test_a_shuffled_dream_leads_elsewhere_and_a_true_one_there(method):
    config = open_loop(replace(CONFIG, rounds=3, repeat=2), 8)
    way = make_planner(method, Strip(), OFFERED, near(40), config, 0).plan([view(32)], [])
    gone = (way == RIGHT).sum() - (way == LEFT).sum()
    assert gone <= 0 if "shuffled" in method else gone >= 4


def test_who_does_not_look_goes_its_way_all_the_same():
    spec = replace(KNOWN, actions=("stay", "forward", "left"), keys={"w": "forward", "a": "left"})
    ways = {
        method: Blind(method, spec, [0, 1, 2], 10, 4, [0, 7, 3]) for method in METHODS
        if method not in SEARCHES
    }  # fmt: skip
    for agent in ways.values():
        agent.remember([view(1)], [])
        assert [agent.act(view(k), {}) for k in range(10)] == agent.plan([view(0)], []).tolist()
    assert set(ways["straight"].plan([], [])) == {1} and set(ways["stay"].plan([], [])) == {0}
    drawn = ways["random"].plan([], [])
    assert (drawn[:4] == drawn[0]).all() and (drawn[4:8] == drawn[4]).all(), "held for 4 steps"
    assert np.array_equal(drawn, Blind("random", spec, [0, 1, 2], 10, 4, [0, 7, 3]).plan([], []))


def test_all_but_who_stays_may_walk_in_the_closed_loop():
    assert set(METHODS) - set(CLOSED) == {"stay"}


@pytest.mark.parametrize("methods", [["cem", "fly"], []])
def test_methods_that_do_not_exist_are_named_with_those_that_do(methods):
    with pytest.raises(WorldsimError, match="use cem, mppi, shooting, shuffled"):
        check_methods(methods)
