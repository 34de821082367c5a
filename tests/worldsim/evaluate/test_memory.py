from dataclasses import replace

import numpy as np
import pytest

from tests.worldsim.sliding import SIZE, SPEC, SlidingDream, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.data.episode import DEPTH_SIDE
from worldsim.evaluate.clips import Clips
from worldsim.evaluate.memory import measure_memory
from worldsim.evaluate.returns import Gait, circle_steps, find_gait, free_places
from worldsim.evaluate.revisits import find_revisits, measure_real


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
    assert "differ" in found.pop("walk 2.0")["why"]
    found = {name: row for name, row in found.items() if "why" not in row}
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


def test_frames_of_a_pose_are_seen_again_only_after_being_elsewhere():
    there = np.concatenate([np.arange(15), np.arange(15)[::-1]]) * 0.2
    pose = np.stack([there, 0 * there, 0 * there], axis=1)
    pairs = find_revisits(pose, 1.0, 10.0)
    assert pairs[0] == (0, 29) and all(abs(there[a] - there[b]) < 0.1 for a, b in pairs)
    assert not find_revisits(np.zeros((40, 3)), 1.0, 10.0)  # never elsewhere
    assert not find_revisits(pose[:15], 1.0, 10.0)  # never back


def test_the_real_world_is_compared_with_itself(tmp_path):
    there = walk(1, 24)[0]
    for name in ("again", "never"):
        with DatasetWriter(tmp_path / name, SPEC, SIZE) as writer:
            episode = replace(there)
            way = np.arange(25.0)
            way = np.minimum(way, 24 - way) if name == "again" else way
            episode.pose = np.stack([way, 0 * way, 0 * way], axis=1).astype(np.float32)
            episode.frames = there.frames[way.astype(int)]
            writer.append(episode)

    again = measure_real(Dataset(tmp_path / "again"), pixels, SIZE)
    assert again["lpips"] < 0.03 and again["pairs"] > 0 and again["why"] is None
    never = measure_real(Dataset(tmp_path / "never"), pixels, SIZE)
    assert never["lpips"] is None and "no pose is seen again" in never["why"]


class Led(SlidingDream):
    """Goes by the oldest frame that it is shown, not by the newest."""

    def reset(self, starts, prompts=None, seeds=None):
        oldest = [replace(start, frames=start.frames[:1], actions=[]) for start in starts]
        return super().reset(oldest, prompts, seeds)


def test_whoever_needs_what_was_seen_before_loses_the_way_without_it(dataset, clips):
    still = replace(clips, frames=clips.frames[:, :1].repeat(8, axis=1))
    found = measure_memory(Led(dataset), dataset, still, pixels)
    assert found["0.25"]["model"] < 0.02 and found["0.25"]["shuffled"] > 0.2


def test_where_turns_are_not_steady_or_poses_unknown_there_is_no_circle(dataset, clips, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("shaky", "unknown"):
        with DatasetWriter(tmp_path / name, SPEC, SIZE) as writer:
            episode = walk(1, 40)[0]
            noise = rng.normal(0, 5, episode.pose.shape).astype(np.float32)
            episode.pose = episode.pose + noise if name == "shaky" else None
            writer.append(episode)
        assert circle_steps(Dataset(tmp_path / name)) is None
    found = measure_memory(SlidingDream(dataset), Dataset(tmp_path / "shaky"), clips, pixels)
    assert found["circle"] == found["2.0"] == {"why": "one cannot turn on the spot"}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Ways along which one may walk for the first half."""
    path = tmp_path_factory.mktemp("memory") / "straight"
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in range(5):
            episode = walk(seed, 40)[0]
            ahead = [
                ("forward" in SPEC.actions[a]) * 0.1 - ("back" in SPEC.actions[a]) * 0.1
                for a in episode.actions
            ]
            episode.pose = np.zeros((41, 3), np.float32)
            episode.pose[1:, 0] = np.cumsum(ahead)
            episode.depth = np.full((41, DEPTH_SIDE, DEPTH_SIDE), 500, np.uint16)
            episode.depth[20:] = 30
            writer.append(episode)
    return Dataset(path)


STEADY = Gait(0.0, 0.1, 0.1)


def test_walks_begin_where_the_way_ahead_is_free(straight, dataset):
    gait = find_gait(straight)
    assert gait == Gait(0.0, pytest.approx(0.1), pytest.approx(0.1))
    places = free_places(straight, 2.0, STEADY, context=4, count=50)
    assert {place.start for place in places} == {3, 11, 19}
    assert len({place.source for place in places[:5]}) > 1
    assert len(free_places(straight, 2.0, STEADY, context=4, count=7)) == 7
    assert not free_places(straight, 4.6, STEADY, context=4, count=7)
    assert not free_places(dataset, 0.1, STEADY, context=4, count=7)


def glide(actions, gait):
    """Where the keys lead, from rest: x and the speed at every frame."""
    adds = {"forward": gait.ahead, "back": -gait.back}
    x, speed = [0.0], [0.0]
    for action in actions:
        speed.append(gait.carry * speed[-1] + adds.get(action, 0.0))
        x.append(x[-1] + speed[-1])
    return np.array(x), np.array(speed)


@pytest.fixture(scope="module")
def momentum(tmp_path_factory):
    """Somebody who speeds up and coasts, and now and then runs into something."""
    gait, path = Gait(0.8, 0.1, 0.08), tmp_path_factory.mktemp("memory") / "momentum"
    rng = np.random.default_rng(0)
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in range(4):
            episode = walk(seed, 80)[0]
            names = rng.choice(["forward", "back", "stay"], 20).repeat(4)
            episode.actions = np.array([SPEC.action_index(name) for name in names])
            x, _ = glide(names, gait)
            x[40:] += rng.normal(0, 0.2)
            episode.pose = np.stack([x, 0 * x, 0 * x], axis=1).astype(np.float32)
            episode.depth = np.full((81, DEPTH_SIDE, DEPTH_SIDE), 900, np.uint16)
            writer.append(episode)
    return Dataset(path)


def test_how_one_walks_is_read_off_ways_with_momentum(momentum, dataset):
    found = find_gait(momentum)
    assert found == Gait(*(pytest.approx(v, rel=0.01) for v in (0.8, 0.1, 0.08)))
    assert found.rest == 14 and STEADY.rest == 0
    assert find_gait(dataset) is None  # nothing moves by a rule there


@pytest.mark.parametrize("every", [1, 2, 3])
def test_there_and_back_ends_at_the_start_whatever_the_momentum(every):
    for gait in (Gait(0.8, 0.1, 0.1), Gait(0.5, 0.2, 0.1), STEADY):
        drive, way = gait.there_and_back(20, every)
        x, _ = glide(drive, gait)
        assert x.max() == pytest.approx(way) and abs(x[-1]) < 0.06 * way
        assert drive.count("forward") == len(range(0, 20, every))


def test_with_momentum_walks_begin_at_rest(momentum):
    gait = find_gait(momentum)
    for place in free_places(momentum, 2.0, gait, context=4, count=50):
        pose = momentum.load_steps(
            next(i.index for i in momentum.episodes if i.seed == place.seed)
        ).pose
        assert abs(pose[place.start, 0] - pose[place.start - 1, 0]) <= 0.1 * 0.2 / 0.8 + 1e-6


def test_who_walks_there_and_back_is_at_the_start(straight, clips, monkeypatch):
    monkeypatch.setattr("worldsim.evaluate.memory.circle_steps", lambda _: 4)
    here = [straight.load(k) for k in range(5)]
    clips = replace(clips, frames=np.stack([episode.frames[:8] for episode in here]))
    found = measure_memory(SlidingDream(straight), straight, clips, pixels)
    assert {"walk 0.25", "walk 2.0"} <= found.keys() and found["walk 2.0"]["starts"] == len(clips)
    assert found["walk 2.0"]["model"] < 0.02 < found["walk 2.0"]["elsewhere"]
    assert found["walk 2.0"]["metres"] == pytest.approx(2.0)
