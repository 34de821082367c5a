import json
from dataclasses import replace

import pytest

from agents.goal_list import list_goals, read_goals
from agents.goals import Goal, choose_goals
from tests.worldsim.sliding import write_dataset
from worldsim.data import Dataset
from worldsim.errors import WorldsimError


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "data", range(4))


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def test_goals_stay_the_same_when_the_data_grow(tmp_path, dataset):
    goals = choose_goals(dataset, 8, 3, context=3, seed=0)
    path = write(tmp_path / "n.json", list_goals(goals, dataset))
    grown = write_dataset(dataset.path, range(4, 12))
    assert len(grown) == 12
    assert choose_goals(grown, 8, 3, context=3, seed=0) != goals, "new ones would be others"
    assert read_goals(path, grown) == goals


def test_goals_are_found_again_where_episodes_have_other_numbers(tmp_path, dataset):
    path = write(tmp_path / "n.json", list_goals([Goal(3, 5, 20)], dataset))
    assert read_goals(path, write_dataset(tmp_path / "other", range(2, 5))) == [Goal(1, 5, 20)]


def test_a_list_says_where_goals_are_by_map_seed_frame_and_seconds(dataset):
    listed = list_goals([Goal(1, 5, 20)], dataset)
    assert listed["goals"] == [{"source": "maze-000001", "seed": 1, "first": 5, "seconds": 2.0}]


@pytest.mark.parametrize("goal", [Goal(0, 21, 20), Goal(3, 2, 4)])
def test_a_goal_that_is_not_in_the_data_is_named(tmp_path, dataset, goal):
    """The first is beyond the end of its episode, the second in one that is gone."""
    listed = list_goals([goal], dataset)
    fewer = write_dataset(tmp_path / "other", range(3))
    with pytest.raises(WorldsimError, match=f"after frame {goal.first} of .* does not hold"):
        read_goals(write(tmp_path / "n.json", listed), fewer)


@pytest.mark.parametrize("data", [[], {}, {"format": "worldsim-eval-index", "version": 1}])
def test_what_lists_no_goals_is_named(tmp_path, dataset, data):
    with pytest.raises(WorldsimError, match="n.json lists no goals"):
        read_goals(write(tmp_path / "n.json", data), dataset)


def test_no_file_and_another_world_are_named(tmp_path, dataset):
    with pytest.raises(WorldsimError, match="cannot read index="):
        read_goals(tmp_path / "none.json", dataset)
    path = write(tmp_path / "n.json", list_goals([Goal(0, 5, 20)], dataset))
    other = Dataset(dataset.path)
    other.spec = replace(dataset.spec, name="rooms")
    with pytest.raises(WorldsimError, match="is of 'sliding', not of 'rooms'"):
        read_goals(path, other)
