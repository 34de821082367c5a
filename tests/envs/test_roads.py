import numpy as np
import pytest

from envs.roads import bend, evenly


def circle(count, radius=50.0):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_a_circle_bends_left_by_its_share_of_a_turn_and_right_the_other_way_round():
    assert bend(circle(60), 0) == pytest.approx(60, abs=1)
    assert bend(circle(60)[::-1], 7) == pytest.approx(-60, abs=1)


def test_the_end_of_a_road_meets_its_start():
    assert bend(circle(60), 58) == bend(circle(60), 0)


def test_points_along_a_road_are_evenly_apart_whatever_they_were():
    corners = np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [40.0, 10.0, 5.0], [0.0, 10.0, 5.0]])
    points = evenly(corners, 2.0)
    gaps = np.linalg.norm(np.diff(np.concatenate([points, points[:1]]), axis=0), axis=1)
    assert points.shape[1] == 3 and (points[0] == corners[0]).all()
    assert gaps.min() > 1.4 and gaps.max() < 2.1
