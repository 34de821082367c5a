import pytest
import torch

from tests.worldsim.sliding import SIZE, SPEC, SlidingDream, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.evaluate.rewards import AHEAD, choose_moments, measure_rewards


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("rewards") / "d", range(8))


class Ending(SlidingDream):
    """Ends in some places: where the plane's number is even."""

    def step(self, actions):
        out = super().step(actions)
        out.terminated = torch.tensor([place.plane % 2 == 0 for place in self.lanes])
        return out


def test_a_dream_that_pays_as_the_world_does_correlates_fully(dataset):
    found = measure_rewards(SlidingDream(dataset), dataset, 21, context=4)
    assert found["correlation"] == pytest.approx(1)
    assert found["steps"] == 21 * AHEAD and found["end"] is None


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
    assert found["ends"] == 2
    assert found["end"]["model"] == pytest.approx(2 * 2 / (even + 2))
    assert found["end"]["always"] == pytest.approx(2 * 2 / (len(moments) + 2))


def test_half_of_the_moments_are_special_where_there_are_enough(dataset):
    moments = choose_moments(dataset, 40, seed=1)
    rewards = [float(dataset.load_steps(index).rewards[step]) for index, step in moments]
    assert len(set(moments)) == 40 and 19 <= max(rewards.count(0.0), rewards.count(1.0)) <= 21
    assert choose_moments(dataset, 40, seed=1) == moments
    assert choose_moments(dataset, 40, seed=2) != moments
