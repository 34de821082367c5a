"""The dream in the hands of other libraries: Gymnasium's wrappers, stable-baselines3, TorchRL."""

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import envs  # noqa: F401
from tests.worldsim.tiny import SPEC, make_checkpoint

FORWARD = SPEC.action_index("forward")


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "model"
    make_checkpoint().save(path)
    return gymnasium.make("worldsim/DreamDoom-v0", checkpoint=str(path), render_mode="rgb_array")


def test_checkers_of_gymnasium_and_stable_baselines_pass(env):
    check_env(env.unwrapped)
    check_env_sb3(env.unwrapped)


def test_torchrl_can_learn_in_it(env):
    torchrl = pytest.importorskip("torchrl.envs")
    from torchrl.envs.utils import check_env_specs

    wrapped = torchrl.GymWrapper(env)
    check_env_specs(wrapped)
    rollout = wrapped.rollout(3, break_when_any_done=False)  # random weights end at random
    assert rollout["next", "pixels"].shape == (3, 32, 32, 3)


def test_wrappers_of_gymnasium_fit(env):
    grey = gymnasium.wrappers.GrayscaleObservation(env)
    stacked = gymnasium.wrappers.FrameStackObservation(grey, 3)
    watched = gymnasium.wrappers.RecordEpisodeStatistics(stacked)
    assert watched.reset(seed=0)[0].shape == (3, 32, 32)
    assert watched.step(FORWARD)[0].shape == (3, 32, 32)
