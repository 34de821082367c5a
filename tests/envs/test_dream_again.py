"""Dreams with nothing left of what they saw, on a tiny model with random weights."""

import gymnasium
import numpy as np
import pytest
import torch

import envs  # noqa: F401
from envs.dream import DreamEnv
from tests.worldsim.tiny import SPEC, make_checkpoint
from tests.worldsim.worn import wear_out
from worldsim.scene import GONE

FORWARD, LEFT = SPEC.action_index("forward"), SPEC.action_index("turn left")
KEYS = np.array([FORWARD, 0, LEFT])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "model"
    make_checkpoint().save(path)
    return str(path)


def many(folder, **options):
    """Three worlds; random weights would end their episodes at random."""
    return gymnasium.make_vec(
        "worldsim/DreamDoom-v0", num_envs=3, checkpoint=folder, draw_ends=False, **options
    )


@pytest.mark.parametrize("begins_again", [True, False])
def test_a_dream_with_nothing_left_of_what_it_saw_begins_again(folder, begins_again):
    """Worn out, it goes on as if its newest real frame had just been seen, if it may."""
    env = DreamEnv(checkpoint=folder, begins_again=begins_again)
    env.reset(seed=0, options={"start": 0})
    assert not any(env.step(FORWARD)[4]["again"] for _ in range(3))
    wear_out(env._core.simulator, [0])
    info = env.step(0)[4]
    assert info["again"] is begins_again and (info["worn"] < GONE) is begins_again
    rollout = env._core.simulator._rollout
    assert torch.equal(rollout.past[0, 1], rollout.scene.seen[0]) is begins_again
    assert env.step(0)[4]["again"] is False


def test_only_worlds_with_nothing_left_of_what_they_saw_begin_again(folder):
    env = many(folder)
    env.reset(seed=0)
    env.step(KEYS)
    wear_out(env.unwrapped._core.simulator, [1])
    _, _, _, truncated, info = env.step(KEYS)
    assert info["again"].tolist() == [False, True, False] and not truncated.any()
    assert info["worn"].max() < GONE


def test_a_lost_dream_is_cut_off_where_that_is_asked_for(folder):
    env = many(folder, cut_lost=True)
    env.reset(seed=0)
    env.step(KEYS)
    wear_out(env.unwrapped._core.simulator, [1])
    _, _, terminated, truncated, info = env.step(KEYS)
    assert truncated.tolist() == info["_final_obs"].tolist() == [False, True, False]
    assert not terminated.any() and not info["final_info"]["again"].any()
