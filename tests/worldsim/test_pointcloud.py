from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.worldsim.data.episodes import SIZE, SPEC, make_episode
from tests.worldsim.tiny import make_checkpoint
from worldsim.data import DatasetWriter
from worldsim.data.episode import DEPTH_SIDE
from worldsim.errors import WorldsimError
from worldsim.pointcloud import PointCloudConfig, plan, pointcloud


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cloud") / "model"
    make_checkpoint().save(path)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("cloud") / "data", np.random.default_rng(0)
    with DatasetWriter(path, SPEC, SIZE) as writer:
        depth = rng.integers(40, 900, (13, DEPTH_SIDE, DEPTH_SIDE)).astype(np.uint16)
        writer.append(make_episode(12, 0, depth=depth))
        writer.append(make_episode(12, 1, pose=None))
    return str(path)


def test_a_dream_becomes_a_file_and_a_picture_always_the_same(tmp_path, folder, capsys):
    for name in ("a", "b.ply"):
        pointcloud(PointCloudConfig(num_steps=4, out=str(tmp_path / name), checkpoint=folder))
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    assert Image.open(tmp_path / "a.png").size == (720, 360)
    assert "points of 5 frames" in capsys.readouterr().out


def test_recorded_play_has_the_truth_below_where_it_is_known(tmp_path, folder, data):
    for episode, height in ((0, 720), (1, 360)):
        pointcloud(
            PointCloudConfig(
                data=data, episode=episode, num_steps=5, out=str(tmp_path / "c"), checkpoint=folder
            )
        )
        assert Image.open(tmp_path / "c.png").size == (720, height)


def test_a_drive_is_actions_with_numbers_of_steps():
    spec = make_checkpoint().worlds["doom"]
    assert plan("forward*2, turn left ,stay*1", spec) == ["forward"] * 2 + ["turn left", "stay"]
    walk = plan("", spec)
    assert 0 < walk.count("turn left") < walk.count("forward") and "turn right" in walk
    for drive, says in (("fly*3", "unknown action 'fly'"), ("forward*x", r"'forward\*x' has no")):
        with pytest.raises(WorldsimError, match=says):
            plan(drive, spec)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"world": "moon"}, "no world 'moon': use doom"),
        ({"start": 99}, "start=99: 'doom' has"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"every": 0}, "every=0"),
        ({"out": "/nowhere/a"}, "out=/nowhere/a cannot be written"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_error(folder, tmp_path, changes, says):
    config = PointCloudConfig(num_steps=2, out=str(tmp_path / "x"), checkpoint=folder)
    with pytest.raises(WorldsimError, match=says):
        pointcloud(replace(config, **changes))


def test_a_world_seen_from_above_has_no_depth(tmp_path):
    checkpoint = make_checkpoint()
    spec = checkpoint.worlds["doom"]
    checkpoint.worlds["doom"] = replace(spec, field_of_view=0.0)
    checkpoint.save(tmp_path / "model")
    with pytest.raises(WorldsimError, match="'doom' is seen from above"):
        pointcloud(PointCloudConfig(checkpoint=str(tmp_path / "model")))


def test_an_episode_that_is_not_there_is_named(folder, data, tmp_path):
    config = PointCloudConfig(data=data, episode=7, out=str(tmp_path / "x"), checkpoint=folder)
    with pytest.raises(WorldsimError, match="episode=7: .* has 2"):
        pointcloud(config)
