from dataclasses import replace

import pytest

from agents.schema import check_schema
from tests.worldsim.tiny import SPEC
from worldsim.errors import WorldsimError


def test_longer_steps_of_the_same_world_are_understood():
    check_schema(replace(SPEC, steps_per_second=SPEC.steps_per_second / 4, skip=4), SPEC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": ("stay", *SPEC.actions[:0:-1])}, "has action 1"),
        ({"steps_per_second": 35.0}, "35.0 steps a second"),
        ({"name": "rooms"}, "the world 'rooms'"),
    ],
)
def test_numbers_that_mean_something_else_are_named_with_the_remedy(changes, message):
    with pytest.raises(WorldsimError, match=f"the world it acts in has.*{message}.*checkpoint="):
        check_schema(SPEC, replace(SPEC, **changes))
