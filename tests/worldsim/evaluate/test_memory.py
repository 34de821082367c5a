from dataclasses import replace

import numpy as np
import pytest

from tests.worldsim.sliding import SIZE, SPEC, SlidingDream, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.evaluate.clips import Clips
from worldsim.evaluate.memory import circle_steps, measure_memory


def pixels(one, other):
    return (one - other).abs().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("memory") / "d", range(8))


@pytest.fixture(scope="module")
def clips(dataset):
    loaded = [dataset.load(k) for k in range(5)]
    frames = np.stack([episode.frames[:8] for episode in loaded])
    return Clips(SPEC, frames, np.stack([episode.actions[:7] for episode in loaded]), context=4)


class Forgetful(SlidingDream):
    """Is somewhere else whenever it turns right."""

    def step(self, actions):
        if "turn right" in actions:
            self.lanes = self.lanes[1:] + self.lanes[:1]
        return super().step(actions)


def test_a_circle_is_as_many_steps_as_the_poses_of_the_data_say(dataset):
    assert circle_steps(dataset) == round(360 / (3 * 360 / 128))


def test_who_remembers_comes_back_and_who_forgets_is_elsewhere(dataset, clips):
    found = measure_memory(SlidingDream(dataset), dataset, clips, pixels)
    for name, row in found.items():
        # recorded frames have the grain of video; a circle ends a pixel beside its start
        assert row["model"] < (0.02 if name != "circle" else row["elsewhere"] / 2)
        assert row["elsewhere"] > 0.2 and row["codec"] == 0
        assert row["shuffled"] == pytest.approx(
            row["model"]
        )  # a plane is known by its newest frame alone
    assert found["2.0"]["steps"] == 40
    lost = measure_memory(Forgetful(dataset), dataset, clips, pixels)
    assert lost["0.25"]["model"] > 0.2


class Led(SlidingDream):
    """Goes by the oldest frame that it is shown, not by the newest."""

    def reset(self, starts, prompts=None, seeds=None):
        oldest = [replace(start, frames=start.frames[:1], actions=[]) for start in starts]
        return super().reset(oldest, prompts, seeds)


def test_whoever_needs_what_was_seen_before_loses_the_way_without_it(dataset, clips):
    still = replace(clips, frames=clips.frames[:, :1].repeat(8, axis=1))
    found = measure_memory(Led(dataset), dataset, still, pixels)
    assert found["0.25"]["model"] < 0.02 and found["0.25"]["shuffled"] > 0.2


def test_where_turns_are_not_steady_or_poses_unknown_there_is_no_circle(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("shaky", "unknown"):
        with DatasetWriter(tmp_path / name, SPEC, SIZE) as writer:
            episode = walk(1, 40)[0]
            noise = rng.normal(0, 5, episode.pose.shape).astype(np.float32)
            episode.pose = episode.pose + noise if name == "shaky" else None
            writer.append(episode)
        assert circle_steps(Dataset(tmp_path / name)) is None
