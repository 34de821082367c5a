from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401
from envs.dream_starts import load_starts
from tests.worldsim.tiny import SPEC, make_checkpoint
from worldsim.data import Dataset, DatasetWriter, Episode
from worldsim.errors import WorldsimError

SIZE, FRAMES = 32, 6  # of the tiny checkpoint, whose window is as long


def episode(source, steps, seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (steps + 1, SIZE, SIZE, 3), dtype=np.uint8)
    actions = rng.integers(0, len(SPEC.actions), steps)
    return Episode(frames, actions, np.zeros(steps, np.float32), True, [""] * steps, source, seed)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("starts") / "data"
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed, (source, steps) in enumerate(
            [("take_cover", 30), ("maze-000001", 30), ("take_cover", 20), ("take_cover", 4)]
        ):
            writer.append(episode(source, steps, seed))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("starts") / "model"
    make_checkpoint().save(path)
    return str(path)


def test_starts_are_clips_of_recorded_play_with_its_actions(data):
    starts, dataset = load_starts(data, SPEC, "take_cover", SIZE, FRAMES), Dataset(data)
    assert len(starts) == (31 - FRAMES) + (21 - FRAMES)  # all there are, but for the last frames
    assert len({start.name for start in starts}) == len(starts)
    for start in starts:
        source, index, first = start.name.split("-")
        played = dataset.load(int(index))
        cut = slice(int(first), int(first) + FRAMES)
        assert source == "take_cover" and np.array_equal(start.frames, played.frames[cut])
        done = [SPEC.action_text(int(a)) for a in played.actions[cut][:-1]]
        assert start.actions == done and int(first) + FRAMES < len(played.frames)


def test_the_same_seed_draws_the_same_moments(data, monkeypatch):
    monkeypatch.setattr("envs.dream_starts.MOST", 6)
    names = [
        [start.name for start in load_starts(data, SPEC, "", SIZE, FRAMES, seed)]
        for seed in (0, 0, 1)
    ]
    assert names[0] == names[1] != names[2] and len(names[0]) == 6


def test_a_task_is_dreamt_from_recorded_play(data, model):
    env = gym.make("worldsim/DreamDoomTakeCover-v0", checkpoint=model, dataset=data)
    assert all(name.startswith("take_cover") for name in env.unwrapped.start_names)
    frame, info = env.reset(seed=0)
    start = next(s for s in env.unwrapped._core.starts if s.name == info["start"])
    assert frame.shape == (SIZE, SIZE, 3) and len(start.frames) == FRAMES
    env.step(0)
    many = gym.make_vec(
        "worldsim/DreamDoomTakeCover-v0", num_envs=2, checkpoint=model, dataset=data
    )
    _, infos = many.reset(seed=0)
    assert infos["start"][0] == info["start"] and infos["start"][1] != info["start"]


def test_without_clips_of_a_task_the_error_says_how_to_get_them(model):
    with pytest.raises(WorldsimError, match="no start clips of 'take_cover'.*dataset=.*collect"):
        gym.make("worldsim/DreamDoomTakeCover-v0", checkpoint=model)


def test_data_that_does_not_fit_is_refused(data, model):
    with pytest.raises(WorldsimError, match="frames of 32 pixels, the model dreams 64"):
        load_starts(data, SPEC, "", 64, FRAMES)
    with pytest.raises(WorldsimError, match="no episode of .* is of 'my_way_home'"):
        load_starts(data, SPEC, "my_way_home", SIZE, FRAMES)
    with pytest.raises(WorldsimError, match="no episode of .* longer than 40 frames"):
        load_starts(data, SPEC, "", SIZE, 40)


def test_each_of_many_worlds_may_begin_with_a_clip_of_its_own(model):
    env = gym.make_vec("worldsim/DreamDoom-v0", num_envs=3, checkpoint=model, draw_ends=False)
    clip, keys = make_checkpoint().starts[0].frames, np.array([2, 0, 9])
    clips = np.stack([clip, clip[::-1], np.roll(clip, 1, axis=2)])
    actions = np.repeat(keys[:, None], len(clip) - 1, axis=1)
    begun, _ = env.reset(seed=5, options={"frames": clips, "actions": actions})
    assert np.array_equal(begun, clips[:, -1])
    together = [env.step(keys)[0] for _ in range(3)]
    for lane in range(3):  # as if all had begun with it
        env.reset(seed=5, options={"frames": clips[lane], "actions": actions[lane]})
        for frames in together:
            alone = env.step(keys)[0]
            assert np.abs(alone[lane].astype(int) - frames[lane]).max() <= 1
    for wrong in ({"frames": clips[:2]}, *({"frames": clips, "actions": a} for a in ([0], 3))):
        with pytest.raises(WorldsimError, match="3 worlds: give each its own"):
            env.reset(options=wrong)


def test_play_with_other_actions_is_no_start(data):
    other = replace(SPEC, actions=[*SPEC.actions[1:], SPEC.actions[0]])
    with pytest.raises(WorldsimError, match="has action 0 .stay., the checkpoint has action 0"):
        load_starts(data, other, "", SIZE, FRAMES)
