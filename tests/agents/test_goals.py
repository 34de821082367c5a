import numpy as np
import pytest

from agents.goals import (
    absolute_error,
    choose_goals,
    follow_way,
    length,
    mean_step,
    relative_error,
    shortest_known,
    stuck,
    success_by_length,
)
from envs.grid import Grid
from tests.worldsim.sliding import write_dataset
from worldsim.errors import WorldsimError


def line(steps, yaw=0.0, turn=0.0):
    """A way of steps of a metre, turning by as many degrees before each."""
    poses = [np.array([0.0, 0.0, yaw])]
    for _ in range(steps):
        x, y, angle = poses[-1] + [0, 0, turn]
        poses.append(
            np.array([x + np.cos(np.radians(angle)), y + np.sin(np.radians(angle)), angle])
        )
    return np.stack(poses)


def test_the_same_way_has_no_error():
    assert absolute_error(line(5), line(5)) == relative_error(line(5), line(5)) == 0


def test_staying_is_off_by_the_distances_gone_and_by_a_step_each():
    still = np.zeros((4, 3))
    assert absolute_error(still, line(3)) == pytest.approx(np.sqrt((1 + 4 + 9) / 3))
    assert relative_error(still, line(3)) == pytest.approx(1)


def test_steps_are_compared_as_who_makes_them_sees_them():
    """The same walk with a wrong first turn goes elsewhere, by the right steps."""
    assert relative_error(line(6, yaw=90), line(6)) == pytest.approx(0, abs=1e-9)
    assert absolute_error(line(6, yaw=90), line(6)) > 4


def test_detours_cost_and_failures_count_nothing():
    assert success_by_length(True, 4.0, 4.0) == 1 and success_by_length(True, 8.0, 4.0) == 0.5
    assert success_by_length(False, 4.0, 4.0) == 0 and success_by_length(True, 0.1, 0.0) == 1


def plan(openings):
    """Two rooms side by side above two others, of 4 units; a unit is half a metre."""
    grid = Grid(2, 2, cell_size=3.75, wall_size=0.25, links={})
    grid.links = {cell: [] for cell in grid.cells}
    for a, b in openings:
        grid.link(a, b)
    return grid


ROUND = [((0, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 1), (1, 0))]  # not straight from west to east


def bent(*corners):
    """A way over corners, in metres."""
    return np.array([[x, y, 0.0] for x, y in corners])


def test_round_a_wall_the_shortest_way_is_no_straight_line():
    """Two metres as the crow flies: up, over and down through three doors is four at least."""
    walked = bent((1, 1), (0.2, 0.5), (1, 3.5), (3, 3.5), (3.5, 2), (3, 1))
    shortest = shortest_known(walked, plan(ROUND), metres=0.5)
    assert 4 < shortest < length(walked)
    assert success_by_length(True, shortest, shortest) == 1
    assert success_by_length(True, length(walked), shortest) < 1


def test_through_a_door_it_is_nearly_the_straight_line():
    walked = bent((1, 1), (1, 2), (3, 1))
    assert shortest_known(walked, plan([((0, 0), (1, 0))]), 0.5) == pytest.approx(2, abs=0.02)
    assert shortest_known(bent((1, 1), (1.5, 1.5), (1.2, 1)), plan([]), 0.5) == pytest.approx(0.2)


def test_who_cut_the_corners_or_walked_where_no_plan_is_knows_the_shortest_way():
    cut = bent((1, 1), (1.6, 2.1), (2.4, 2.1), (3, 1))
    assert shortest_known(cut, plan(ROUND), 0.5) == pytest.approx(length(cut))
    assert shortest_known(cut, None, 0.5) == length(cut) > 2


def test_stuck_is_who_wants_on_and_does_not_get_on():
    way = np.array([[0, 0, 0], [1, 0, 0], [1.01, 0, 0], [1.02, 0, 0]], float)
    assert stuck(way, [True, True, False], step=1.0) == 1


class Line:
    """A world of one dimension that ends at 3."""

    class spec_world:
        metres_per_unit = 0.5

    def get_wrapper_attr(self, name):
        return getattr(self, name)

    def __init__(self):
        self.at = 0

    def step(self, action):
        self.at += action
        return None, 0.0, self.at == 3, False, {"pose": np.array([self.at, 0, 90])}


def test_a_way_is_in_metres_and_stays_where_it_ends():
    way = follow_way(Line(), np.zeros(3), [1, 1, 1, 1, 1])
    assert way[:, 0].tolist() == [0, 0.5, 1, 1.5, 1.5, 1.5] and way[1, 2] == 90


def test_goals_are_the_same_each_time_and_somewhere_else(tmp_path):
    dataset = write_dataset(tmp_path, range(6))
    goals = choose_goals(dataset, 8, 4, context=3, seed=0)
    assert goals == choose_goals(dataset, 8, 4, context=3, seed=0)
    assert len({goal.episode for goal in goals}) == 4
    for goal in goals:
        pose = dataset.load_steps(goal.episode).pose
        assert goal.first >= 2
        gone = np.hypot(*(pose[goal.first + 8] - pose[goal.first])[:2])
        assert gone > 0.25 * 8 * mean_step(dataset)


def test_too_few_frames_are_said(tmp_path):
    with pytest.raises(WorldsimError, match="went anywhere within 80 steps"):
        choose_goals(write_dataset(tmp_path, range(2)), 80, 4, context=3, seed=0)
