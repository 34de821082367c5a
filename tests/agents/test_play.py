from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from agents.play import Held, Played, in_steps_of, make_real, missing, play, summarize
from agents.scripted import Stay
from agents.tasks import TASKS, Task, find_task
from tests.agents.toy import SPEC, TASK, Colours, Knowing
from worldsim.errors import WorldsimError


def test_who_knows_gets_everything_and_who_rests_nothing():
    played = play(Colours(), Knowing(), range(3), keep=True)
    assert [episode.total for episode in played] == [12, 12, 12] and played[0].ended
    assert len(played[0].frames) == 13 and not played[1].frames  # the best one's are kept
    assert summarize(play(Colours(), Stay(), range(3)))["mean"] == 0


def test_the_interval_holds_the_mean_and_narrows_with_more_episodes():
    rng = np.random.default_rng(0)
    many = [Played(k, [x], True, [0], []) for k, x in enumerate(rng.normal(5, 1, 400))]
    few, all_of_them = summarize(many[:10]), summarize(many)
    for found in (few, all_of_them):
        assert found["low"] < found["mean"] < found["high"]
    assert all_of_them["high"] - all_of_them["low"] < 0.4 < few["high"] - few["low"]
    assert all_of_them["low"] < 5 < all_of_them["high"]


def test_a_clock_is_no_end():
    cut = gym.wrappers.TimeLimit(Colours(steps=20), 5)
    assert not play(cut, Stay(), [0])[0].ended


def test_tasks_are_the_same_in_both_worlds_and_their_keys_exist():
    import envs  # noqa: F401

    for task in TASKS.values():
        for name in (task.real, task.dream):
            assert name.removeprefix("envs:") in gym.registry
        assert task.keys[0] == "stay" and len(set(task.keys)) == len(task.keys)
    with pytest.raises(WorldsimError, match="unknown task 'doom/dance': use one of doom/take"):
        find_task("doom/dance")


def test_a_missing_simulator_says_that_the_dream_needs_none(monkeypatch):
    def missing(*_, **__):
        raise ImportError("ViZDoom is not installed: pip install vizdoom")

    monkeypatch.setattr(gym, "make", missing)
    with pytest.raises(WorldsimError, match="ViZDoom is not installed.*in=dream eval_every=0"):
        make_real(TASK, "train")


def test_what_a_simulator_lacks_is_known_before_anything_is_played():
    assert missing(TASK) == ""
    assert missing(replace(TASK, real="toy/Missing-v0")).endswith("run pip install toys")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_reward_that_is_no_number_names_who_got_it_where_and_when(wrong):
    class Broken(Colours):
        def step(self, action):
            frame, reward, *rest = super().step(action)
            return frame, wrong if self.left == 9 else reward, *rest

    with pytest.raises(
        WorldsimError, match=f"stay, dream: the reward of step 3 with seed 7 is {wrong}, not a"
    ):
        play(Broken(), Stay(), [7], desc="stay, dream")


def test_pain_is_for_tasks_in_which_there_is_health_to_lose():
    assert make_real(TASK, "train", pain=0.5).unwrapped.pain == 0.5
    with pytest.raises(WorldsimError, match=r"pain=0.5: there is no health to lose"):
        make_real(find_task("carracing"), "train", pain=0.5)


class Counting:
    """Does what it is asked the how manieth time."""

    def reset(self):
        self.seen = []

    def act(self, observation, info):
        self.seen.append(observation)
        return len(self.seen)


def test_who_thinks_in_longer_steps_chooses_as_much_more_seldom():
    agent = in_steps_of(Counting(), replace(SPEC, skip=6), replace(SPEC, skip=2))
    assert isinstance(agent, Held)
    for _ in range(2):
        agent.reset()
        assert [agent.act(k, {}) for k in range(7)] == [1, 1, 1, 2, 2, 2, 3]
        assert agent.agent.seen == [0, 3, 6], "it sees what there is when it chooses"
    assert isinstance(in_steps_of(Counting(), SPEC, SPEC), Counting)
    with pytest.raises(
        WorldsimError, match="for 3 steps of the simulator, .* is 2: it cannot act here"
    ):
        in_steps_of(Counting(), replace(SPEC, skip=3), replace(SPEC, skip=2))


def test_the_toys_task_is_one():
    assert isinstance(make_real(TASK, "heldout").unwrapped, Colours) and isinstance(TASK, Task)
