import numpy as np
import pytest
import torch

from tests.worldsim.sliding import SIZE, SPEC, SlidingDream, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.evaluate.rewards import AHEAD, choose_moments, measure_rewards


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("rewards") / "d", range(8))


class Ending(SlidingDream):
    """Ends in some places, more likely than not in four steps: on planes of even numbers."""

    def step(self, actions):
        out = super().step(actions)
        out.end_chances = torch.tensor([0.3 * (p.plane % 2 == 0) for p in self.lanes])
        return out


def test_a_dream_that_pays_as_the_world_does_correlates_fully(dataset):
    found = measure_rewards(SlidingDream(dataset), dataset, 21, context=4)
    assert found["correlation"] == pytest.approx(1)
    assert found["steps"] == 21 * AHEAD and found["end"] is None
    assert "cut off after at most 40 steps" in found["why"]


def test_a_dream_that_never_pays_has_no_correlation(dataset):
    assert measure_rewards(SlidingDream(dataset, noisy=True), dataset, 9, 4)["correlation"] is None


def test_ends_are_counted_by_moment_beside_who_says_that_all_do(tmp_path):
    with DatasetWriter(tmp_path, SPEC, SIZE) as writer:
        for seed in range(8):
            episode = walk(seed, 12)[0]
            episode.rewards[:] = 0
            episode.terminated = seed % 4 == 0  # half of those where it says so
            writer.append(episode)
    dataset = Dataset(tmp_path)
    moments = choose_moments(dataset, 20, seed=0)
    assert {(0, 11), (4, 11)} <= set(moments)
    found = measure_rewards(Ending(dataset), dataset, 20, context=4)
    even = sum(index % 2 == 0 for index, _ in moments)
    assert (found["ends"], found["said"]) == (2, even)
    assert found["end"]["recall"] == 1 and found["end"]["precision"] == pytest.approx(2 / even)
    assert found["end"]["model"] == pytest.approx(2 * 2 / (even + 2))
    assert found["end"]["always"] == pytest.approx(2 * 2 / (len(moments) + 2))


def test_without_ends_half_of_the_moments_pay_where_there_are_enough(dataset):
    moments = choose_moments(dataset, 40, seed=1)
    rewards = [float(dataset.load_steps(index).rewards[step]) for index, step in moments]
    assert len(set(moments)) == 40 and 19 <= max(rewards.count(0.0), rewards.count(1.0)) <= 21
    assert choose_moments(dataset, 40, seed=1) == moments
    assert choose_moments(dataset, 40, seed=2) != moments


def write_ends(path):
    """Every second episode ends, and a good many steps pay."""
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in range(16):
            episode = walk(seed, 24)[0]
            episode.rewards[:] = np.arange(24) % 3 == 0
            episode.terminated = seed % 2 == 0
            writer.append(episode)
    return Dataset(path)


class Oracle(SlidingDream):
    """Ends with the last steps of episodes that end, or never."""

    def __init__(self, dataset, never=False):
        super().__init__(dataset)
        self.ends = {f"reward-{k}-23" for k in range(len(dataset)) if k % 2 == 0 and not never}

    def reset(self, starts, prompts, seeds):
        self.names, self.taken = [start.name for start in starts], 0
        return super().reset(starts, prompts, seeds)

    def step(self, actions):
        out, self.taken = super().step(actions), self.taken + 1
        ends = [self.taken == AHEAD and name in self.ends for name in self.names]
        out.end_chances = torch.tensor(ends).float()
        return out


def test_a_third_ends_a_third_pays_and_what_ends_are_missing_others_share(tmp_path):
    dataset = write_ends(tmp_path)
    moments = choose_moments(dataset, 18, seed=0)
    steps = [dataset.load_steps(index) for index in range(len(dataset))]
    ends = [m for m in moments if steps[m[0]].terminated and m[1] == 23]
    paid = [m for m in moments if m not in ends and steps[m[0]].rewards[m[1]] == 1]
    assert (len(ends), len(paid), len(set(moments))) == (6, 6, 18)
    moments = choose_moments(dataset, 40, seed=0)
    ends = [m for m in moments if steps[m[0]].terminated and m[1] == 23]
    paid = [m for m in moments if m not in ends and steps[m[0]].rewards[m[1]] == 1]
    assert (len(ends), len(paid), len(set(moments))) == (8, 16, 40), "all ends there are"


def test_who_knows_the_ends_has_f1_1_and_who_never_says_so_has_0(tmp_path):
    dataset = write_ends(tmp_path)
    right = measure_rewards(Oracle(dataset), dataset, 18, context=4)
    assert right["ends"] == right["said"] == 6 and right["moments"] == 18
    assert (right["end"]["model"], right["end"]["precision"], right["end"]["recall"]) == (1, 1, 1)
    never = measure_rewards(Oracle(dataset, never=True), dataset, 18, context=4)
    assert right["end"]["chance"] == 1 and right["end"]["otherwise"] == 0
    assert never["ends"] == 6 and never["said"] == 0
    assert (never["end"]["model"], never["end"]["recall"]) == (0, 0)
    assert never["end"]["precision"] is None
