import numpy as np
import pytest

from agents.skip import Skip
from tests.agents.toy import SPEC, Colours
from worldsim.errors import WorldsimError

LEFT = SPEC.action_index("turn left")


def test_an_action_is_held_its_rewards_add_up_and_the_last_frame_is_shown():
    long, usual = Skip(Colours(), 4), Colours()
    assert np.array_equal(long.reset(seed=3)[0], usual.reset(seed=3)[0])
    for _ in range(3):
        frame, total, ended, _, info = long.step(LEFT)
        lived = [usual.step(LEFT) for _ in range(4)]
        assert np.array_equal(frame, lived[-1][0]) and info == lived[-1][4]
        assert total == sum(step[1] for step in lived) and ended == lived[-1][2]
    assert ended


def test_an_episode_may_end_in_the_middle_of_a_step():
    long = Skip(Colours(steps=6), 4)
    long.reset(seed=0)
    assert not long.step(LEFT)[2]
    assert long.step(LEFT)[2] and long.unwrapped.left == 0


def test_the_world_says_how_long_its_steps_are_and_what_they_are_of():
    spec = Skip(Skip(Colours(), 2), 3).spec_world
    assert (spec.skip, spec.steps_per_second) == (6, SPEC.steps_per_second / 6)
    assert spec.in_own_steps() == SPEC


def test_no_step_is_shorter_than_the_worlds_own():
    with pytest.raises(WorldsimError, match="skip=0"):
        Skip(Colours(), 0)
