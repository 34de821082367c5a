import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor

from agents.batched import BatchedEnv, ScaledRewards, _after
from tests.agents.toy import KEYS, SPEC, Colours
from worldsim.errors import WorldsimError

ACTIONS = [SPEC.action_index(words) for words in KEYS]
LEFT, RIGHT = 1, 2  # of the keys on offer


def make(count=3, mode=AutoresetMode.SAME_STEP, steps=4):
    return SyncVectorEnv([lambda: Colours(steps=steps)] * count, autoreset_mode=mode)


def right(frames):
    return np.where(frames[:, 0, 0, 0] > 0, LEFT, RIGHT)


def test_the_keys_on_offer_are_the_worlds_actions():
    env = BatchedEnv(make(), ACTIONS)
    assert env.num_envs == 3 and env.action_space.n == 3
    frames = env.reset()
    for _ in range(3):
        frames, rewards, over, _ = env.step(right(frames))
        assert rewards.tolist() == [1, 1, 1] and rewards.dtype == np.float32 and not over.any()
    frames, rewards, *_ = env.step(np.zeros(3, int))
    assert rewards.tolist() == [0, 0, 0]


def test_the_last_frame_of_an_episode_is_kept_and_the_next_one_begun():
    env = BatchedEnv(gym.wrappers.vector.RecordEpisodeStatistics(make(2, steps=2)), ACTIONS)
    env.reset()
    env.step(np.zeros(2, int))
    frames, _, over, infos = env.step(np.zeros(2, int))
    assert over.all()
    for frame, info in zip(frames, infos, strict=True):
        assert info["terminal_observation"].shape == frame.shape
        assert info["TimeLimit.truncated"] is False
    assert not env.step(np.zeros(2, int))[2].any()


def test_an_action_can_be_held_and_rewards_add_up_until_the_end():
    env = BatchedEnv(make(2, steps=7), ACTIONS, repeat=3)
    single = BatchedEnv(make(2, steps=7), ACTIONS)
    for each in (env, single):
        each.seed(1)
        each.reset()
    for _ in range(2):
        frames, rewards, over, _ = env.step(np.array([LEFT, RIGHT]))
        each = [single.step(np.array([LEFT, RIGHT])) for _ in range(3)]
        assert np.array_equal(frames, each[-1][0]) and not over.any()
        assert rewards.tolist() == sum(paid for _, paid, *_ in each).tolist()
    last = single.step(np.array([LEFT, RIGHT]))  # the seventh step is the last
    frames, rewards, over, infos = env.step(np.array([LEFT, RIGHT]))
    assert over.all() and rewards.tolist() == last[1].tolist(), "the next episode pays nothing yet"
    for info, known in zip(infos, last[3], strict=True):
        assert np.array_equal(info["terminal_observation"], known["terminal_observation"])


def test_the_chance_of_an_end_in_any_of_the_steps_held_is_told():
    assert _after({"end_chance": 0.5}, {"end_chance": 0.2})["end_chance"] == pytest.approx(0.6)
    assert _after({}, {"x": 1}) == {"x": 1}


def test_being_cut_off_is_told_from_an_end():
    cut = SyncVectorEnv(
        [lambda: gym.wrappers.TimeLimit(Colours(steps=9), 2)] * 2,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    env = BatchedEnv(cut, ACTIONS)
    env.reset()
    env.step(np.zeros(2, int))
    *_, over, infos = env.step(np.zeros(2, int))
    assert over.all() and all(info["TimeLimit.truncated"] for info in infos)


def test_a_seed_gives_the_same_frames_again():
    env = BatchedEnv(make(), ACTIONS)
    env.seed(5)
    first = env.reset()
    other = env.reset()
    env.seed(5)
    assert np.array_equal(first, env.reset()) and not np.array_equal(first, other)


def test_rewards_are_scaled_for_the_learner_and_not_for_the_monitor():
    env = ScaledRewards(VecMonitor(BatchedEnv(make(2), ACTIONS)), 0.25)
    stacked = VecFrameStack(env, 3)
    frames = stacked.reset()
    assert frames.shape == (2, 36, 36, 9)
    for _ in range(4):
        frames, rewards, _, infos = stacked.step(right(frames[..., -3:]))
        assert rewards.tolist() == [0.25, 0.25]
    assert [info["episode"]["r"] for info in infos] == [4, 4]


def test_another_kind_of_autoreset_is_refused():
    with pytest.raises(WorldsimError, match="SAME_STEP"):
        BatchedEnv(make(mode=AutoresetMode.NEXT_STEP), ACTIONS)


def test_a_reward_that_is_no_number_stops_everything():
    inner = make()
    step = inner.step
    inner.step = lambda actions: (step(actions)[0], np.array([0, np.nan, 0]), *step(actions)[2:])
    env = BatchedEnv(inner, ACTIONS)
    env.reset()
    with pytest.raises(WorldsimError, match="reward of world 1 is nan"):
        env.step(np.zeros(3, int))
