import numpy as np
import pytest
import torch

from envs.given import as_array, pictures, sequence, whole_number
from worldsim.errors import WorldsimError


@pytest.mark.parametrize("value", [3, np.int64(3), np.array(3), torch.tensor(3)])
def test_a_whole_number_of_any_library_is_one(value):
    assert whole_number(value) == 3 and type(whole_number(value)) is int


@pytest.mark.parametrize("value", [3.0, True, "3", None, [3], float("nan")])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(WorldsimError, match=r"start .* is not a whole number"):
        whole_number(value, "start")


def test_pictures_are_bytes_of_four_axes_and_nothing_else():
    given = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    assert pictures(given).shape == (2, 8, 8, 3)
    for wrong in (given[0], given.float(), "a picture"):
        with pytest.raises(WorldsimError, match="are no pictures: give uint8"):
            pictures(wrong)


def test_a_sequence_has_one_value_a_step():
    assert sequence(np.array([1, 2])) == [1, 2]
    with pytest.raises(WorldsimError, match="no list of numbers"):
        sequence(5)
    with pytest.raises(WorldsimError, match="not an array"):
        as_array([[1], [1, 2]])
