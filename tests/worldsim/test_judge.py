from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.worldsim.sliding import SPEC, walk
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID
from worldsim.judge import Judge, action_codes, axes_of
from worldsim.judge_training import JudgeConfig, Real, train_judge, train_odometer
from worldsim.odometer import Odometer
from worldsim.watcher import motions, stacks_of

TINY = JudgeConfig(channels=8, num_steps=150, batch_size=48)


class Walks:
    spec = SPEC

    def __init__(self, count: int) -> None:
        self.episodes = [walk(seed, 40)[0] for seed in range(count)]

    def __len__(self) -> int:
        return len(self.episodes)

    def load(self, index):
        return self.episodes[index]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(Real(Walks(24), TINY), TINY)


def test_the_judge_learns_to_name_actions_on_frames_it_has_not_seen(judge):
    assert judge.accuracy["exact"] > 0.8
    assert judge.accuracy["forward/back"] > 0.9 and judge.accuracy["turn left/turn right"] > 0.9
    episode = walk(1000, 40)[0]
    named = judge.name(episode.frames[None])
    assert named.shape == (1, 41 - 4)
    assert (named[0] == episode.actions[2:-1]).mean() > 0.75


@pytest.fixture(scope="module")
def odometer() -> Odometer:
    odometer = train_odometer(Real(Walks(24), TINY), TINY)
    assert odometer is not None
    return odometer


def test_the_odometer_learns_to_read_motion_off_frames_it_has_not_seen(odometer):
    accuracy = odometer.accuracy
    # Where a plane slides, which way is ahead cannot be seen; how far it turned can.
    assert accuracy["degrees"] < 0.6 * accuracy["still_degrees"]
    clip = walk(1000, 40)[0].frames[None]
    there, back = odometer.read(clip)[0], odometer.read(clip[:, ::-1].copy())[0, ::-1]
    assert there.shape == (41 - 4, 3)
    assert (there * back).sum(axis=0)[2] < 0  # backwards it is the other way round


def test_a_saved_odometer_is_the_same_odometer(odometer, tmp_path):
    odometer.save(tmp_path)
    again, frames = Odometer.load(tmp_path), walk(7, 30)[0].frames[None]
    assert np.allclose(again.read(frames), odometer.read(frames), atol=1e-4)
    assert again.accuracy == odometer.accuracy and Odometer.exists(tmp_path)
    assert not Judge.exists(tmp_path)


def test_without_poses_there_is_no_odometer():
    walks = Walks(2)
    walks.episodes[0].pose = None
    assert train_odometer(Real(walks, TINY), TINY) is None


def test_a_saved_judge_is_the_same_judge(judge, tmp_path):
    judge.save(tmp_path)
    again, frames = Judge.load(tmp_path), walk(7, 30)[0].frames[None]
    assert (again.name(frames) == judge.name(frames)).all()
    assert again.accuracy == judge.accuracy and again.spec == SPEC


def test_training_is_reproducible_and_leaves_the_random_state_alone():
    config = JudgeConfig(channels=4, num_steps=3, batch_size=8)
    torch.manual_seed(5)
    first = train_judge(Real(Walks(4), config), config)
    drawn = torch.rand(1)
    second = train_judge(Real(Walks(4), config), config)
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn


def test_every_action_has_its_own_code():
    codes = action_codes(SPEC)
    assert axes_of(SPEC) == [["forward", "back"], ["turn left", "turn right"]]
    assert len({tuple(row) for row in codes.tolist()}) == len(SPEC.actions)
    assert codes[0].tolist() == [0, 0]


def test_pictures_of_any_size_move_alike_and_colours_do_not_count():
    frames = walk(3, 12)[0].frames[None]
    large = frames.repeat(4, axis=2).repeat(4, axis=3)
    moved = motions(frames)
    assert moved.shape == (1, 13, 3, GRID, GRID) and not moved[:, 0].any()
    off = (motions(large)[:, :, :2] - moved[:, :, :2]).abs().float()
    assert off.mean() < 0.02, "in widths of a picture"
    other = motions((frames * 0.7).astype(np.uint8) + 40)
    assert (other[:, :, :2] - moved[:, :, :2]).abs().float().mean() < 0.02
    assert sum(len(part) for part in stacks_of(frames)) == 13 - 4


def test_a_judge_that_saw_motion_otherwise_is_refused(judge, tmp_path):
    judge.save(tmp_path)
    about = json.loads((tmp_path / "judge.json").read_text())
    (tmp_path / "judge.json").write_text(json.dumps(about | {"looks": about["looks"] - 1}))
    with pytest.raises(WorldsimError, match="of another version"):
        Judge.load(tmp_path)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_episodes_are_an_error(count):
    with pytest.raises(WorldsimError, match="at least two episodes"):
        Real(Walks(count), TINY)


def test_a_missing_and_a_damaged_judge_are_errors_that_name_the_folder(judge, tmp_path):
    with pytest.raises(WorldsimError, match="no judge"):
        Judge.load(tmp_path / "none")
    judge.save(tmp_path)
    (tmp_path / "judge.safetensors").write_bytes(b"half")
    with pytest.raises(WorldsimError, match="damaged"):
        Judge.load(tmp_path)
    (tmp_path / "judge.json").write_text(json.dumps([1]))
    with pytest.raises(WorldsimError, match="damaged"):
        Judge.load(tmp_path)
