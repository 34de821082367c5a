import numpy as np
import pytest

from worldsim.cloud import POINT, Cloud, draw, fuse, walk, write_ply
from worldsim.pose_text import motion


def looking(yaw, x=0.0, y=0.0):
    return np.array([[x, y, yaw]])


def test_adding_up_motions_gives_back_the_poses_they_were_measured_between():
    poses = np.array([[0, 0, 0], [1, 0.5, 30], [1, 2, 200], [-3, 2, 170.0]])
    way = walk([motion(a, b) for a, b in zip(poses, poses[1:], strict=False)])
    np.testing.assert_allclose(way[:, :2], poses[:, :2], atol=1e-9)
    np.testing.assert_allclose(way[:, 2] % 360, poses[:, 2] % 360, atol=1e-9)


@pytest.mark.parametrize(
    ("yaw", "middle"), [(0, (3, 0)), (90, (0, 3)), (180, (-3, 0)), (45, (2.121, 2.121))]
)
def test_a_wall_stands_where_the_eye_looked(yaw, middle):
    cloud = fuse(np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8), 3.0), looking(yaw), 90, 9)
    np.testing.assert_allclose(cloud.at.mean(axis=0), (*middle, 0), atol=1e-3)
    assert np.ptp(cloud.at[:, 2]) == pytest.approx(2 * 3 * 7 / 8)  # 90 degrees, middles of parts


def test_left_in_the_picture_is_left_and_the_upper_half_is_above():
    frame = np.zeros((1, 4, 4, 3), np.uint8)
    frame[0, :2, :2] = 200  # upper left
    cloud = fuse(frame, np.full((1, 4, 4), 2.0), looking(0), 60, 9)
    bright = cloud.at[cloud.colours[:, 0] == 200]
    assert len(bright) == 4 and (bright[:, 1] > 0).all() and (bright[:, 2] > 0).all()


def test_what_is_too_far_is_no_place():
    depth = np.array([[[1.0, 50.0], [2.0, 60.0]]])
    assert len(fuse(np.zeros((1, 2, 2, 3), np.uint8), depth, looking(0), 90, 12).at) == 2


def test_a_file_holds_every_point(tmp_path):
    cloud = Cloud(np.eye(3, dtype=np.float32), np.arange(9, dtype=np.uint8).reshape(3, 3), walk([]))
    write_ply(cloud, tmp_path / "a.ply")
    header, _, body = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 3" in header
    points = np.frombuffer(body, POINT)
    assert (points["at"] == cloud.at).all() and (points["colour"] == cloud.colours).all()


def test_the_picture_shows_what_is_ahead_above_what_is_left_to_the_left():
    at = np.array([[5, 0, 0], [0, 5, 0], [0, -5, 0]], np.float32)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    above = draw(Cloud(at, colours, walk([])), side=100)[:, :100].astype(int)
    where = [
        np.argwhere(above[..., k] - above[..., k - 1] - above[..., k - 2] > 200).mean(axis=0)
        for k in range(3)
    ]
    assert where[0][0] < where[1][0] - 30 and where[1][1] < where[0][1] - 30 < where[2][1] - 60


def test_an_empty_cloud_can_be_drawn():
    empty = Cloud(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), walk([]))
    assert draw(empty, side=40).shape == (40, 80, 3)
