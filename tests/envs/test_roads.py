import numpy as np
import pytest

from envs.roads import bend, course, evenly, winding


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


def test_a_course_points_at_the_road_ahead():
    road = circle(60)
    info = {"pose": (*road[0], 90.0), "tile": 0}
    assert course(info, road, 5) == pytest.approx(15, abs=1)  # half of the way round
    assert course(info | {"pose": (*road[0], -170.0)}, road, 5) == pytest.approx(-85, abs=1)


def test_a_ring_winds_by_what_it_turns_and_a_straight_road_does_not():
    road = circle(60)
    assert winding({"tile": 50}, road, 16) == pytest.approx(14 * 2 * np.pi / 60, abs=1e-6)
    straight = np.stack([np.arange(60.0), np.zeros(60)], axis=1)
    assert winding({"tile": 3}, straight, 16) == 0
