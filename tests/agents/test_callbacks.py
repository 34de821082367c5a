"""What goes on beside learning, held against numbers worked out by hand."""

from types import SimpleNamespace

import numpy as np
import torch

from agents.callbacks import WeighedEnds


class Brightness:
    """Values a frame by its first pixel."""

    def obs_to_tensor(self, frames):
        return torch.from_numpy(frames).float(), True

    def predict_values(self, frames):
        return frames[:, 0, 0, 0][:, None]


def weigh(infos, dones, rewards):
    model = SimpleNamespace(gamma=0.5, policy=Brightness(), logger=None)
    callback = WeighedEnds()
    vars(callback)["model"] = model  # stands in for a whole learner
    callback._on_rollout_start()
    frames = np.full((len(infos), 3, 4, 4), 10, np.uint8)
    callback.locals = {"infos": infos, "dones": dones, "rewards": rewards, "new_obs": frames}
    assert callback._on_step()
    return rewards


def test_a_chance_of_an_end_takes_off_that_share_of_what_comes_after():
    rewards = np.array([1, 1, 1], np.float32)
    found = weigh([{"end_chance": 0.2}, {"end_chance": 0.0}, {}], np.zeros(3, bool), rewards)
    assert found is rewards, "the learner reads the very array"
    np.testing.assert_allclose(rewards, [1 - 0.5 * 0.2 * 10, 1, 1])


def test_of_a_dream_cut_off_its_own_last_frame_counts_and_of_one_that_ended_nothing():
    last = np.full((3, 4, 4), 40, np.uint8)
    cut = {"end_chance": 0.5, "TimeLimit.truncated": True, "terminal_observation": last}
    ended = cut | {"TimeLimit.truncated": False}
    rewards = weigh([cut, ended], np.ones(2, bool), np.array([1, 1], np.float32))
    np.testing.assert_allclose(rewards, [1 - 0.5 * 0.5 * 40, 1])


def test_where_no_chance_is_told_nothing_changes():
    rewards = weigh([{}, {}], np.array([True, False]), np.array([3, 4], np.float32))
    assert rewards.tolist() == [3, 4]
