"""Dreams that end by chance, and dreams that only say with what chance they would."""

import numpy as np
import pytest

from envs.dream_vector import DreamVectorEnv
from tests.worldsim.tiny import SPEC, make_checkpoint

KEYS = np.array([SPEC.action_index("forward"), 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "model"
    make_checkpoint().save(path)
    return str(path)


def test_a_world_that_may_not_end_says_with_what_chance_it_would(folder):
    """The pictures are the same: whether it ends is drawn after them."""
    lived = []
    for draw in (True, False):
        env = DreamVectorEnv(2, checkpoint=folder, draw_ends=draw, autoreset_mode="Disabled")
        env.reset(seed=0)
        lived.append([env.step(KEYS) for _ in range(12)])
    drawn, told = lived
    assert np.array_equal(drawn[0][0], told[0][0])
    assert np.array_equal(drawn[0][4]["end_chance"], told[0][4]["end_chance"])
    assert any(step[2].any() for step in drawn)
    assert not any(step[2].any() for step in told)


def test_the_chance_is_told_of_every_world_also_of_one_that_is_cut_off(folder):
    env = DreamVectorEnv(2, checkpoint=folder, max_episode_steps=2, draw_ends=False)
    env.reset(seed=0)
    for last in (False, True):
        *_, terminated, truncated, info = env.step(KEYS)
        told = info["final_info"] if last else info
        assert not terminated.any() and truncated.all() == last
        assert told["_end_chance"].all() and (told["end_chance"] > 0).all()
        assert (told["end_chance"] < 1).all()
