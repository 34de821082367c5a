import json
from dataclasses import replace

import pytest

from tests.worldsim.tiny import SPEC
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec, key_combinations


def test_doing_nothing_comes_first_and_every_combination_occurs_once():
    actions = key_combinations(("forward", "back"), ("turn left", "turn right"))
    assert actions[0] == "stay"
    assert len(set(actions)) == len(actions) == 9
    assert "forward turn left" in actions and "forward back" not in actions


def test_words_and_numbers_of_actions_belong_together():
    for index, words in enumerate(SPEC.actions):
        assert SPEC.action_text(index) == words
        assert SPEC.action_index(words) == index


@pytest.mark.parametrize("text", ["turn left forward", "Forward  TURN left", " forward turn left "])
def test_the_order_of_words_does_not_matter(text):
    assert SPEC.action_index(text) == SPEC.action_index("forward turn left")


@pytest.mark.parametrize("text", ["jump", "forward jump", "left", "turn", "forwardturn left"])
def test_words_the_world_does_not_know_are_refused(text):
    with pytest.raises(WorldsimError, match=f"unknown action '{text}'.*forward, back"):
        SPEC.action_index(text)


@pytest.mark.parametrize("index", [-1, 27, 1000])
def test_a_number_out_of_range_is_refused_with_the_range(index):
    with pytest.raises(WorldsimError, match=f"action {index} .*0 to 26"):
        SPEC.action_text(index)


def test_keys_held_together_combine_and_opposites_cancel():
    assert SPEC.combine([]) == 0
    assert SPEC.combine(["turn left", "forward"]) == SPEC.action_index("forward turn left")
    assert SPEC.combine(["forward", "back"]) == 0
    assert SPEC.combine(["forward", "back", "strafe left"]) == SPEC.action_index("strafe left")
    assert SPEC.combine(SPEC.elements) == 0


def test_a_description_survives_json():
    assert WorldSpec.from_dict(json.loads(json.dumps(SPEC.to_dict()))) == SPEC


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "moon"}, "b has the world 'moon', a has the world 'doom'"),
        ({"actions": SPEC.actions[:5]}, f"b has no action 5, a has action 5 '{SPEC.actions[5]}'"),
        ({"actions": (*SPEC.actions, "jump")}, "b has action 27 'jump', a has no action 27"),
        ({"actions": ("stay", "jump", *SPEC.actions[2:])}, "b has action 1 'jump', a has action 1"),
        ({"steps_per_second": 10.0}, "b has 10.0 steps a second, a has 17.5 steps a second"),
        ({"metres_per_unit": 0.5}, "b has 0.5 m a unit, a has 1.0 m a unit"),
        ({"steps_per_second": 10.0, "metres_per_unit": 0.5}, "b has 10.0 steps a second"),
    ],
)
def test_the_first_thing_that_numbers_mean_otherwise_is_named_with_the_remedy(changes, says):
    with pytest.raises(WorldsimError, match=f"'doom' .*{says}.*: do this") as error:
        SPEC.check_same(replace(SPEC, **changes), "a", "b", "do this")
    assert "\n" not in str(error.value)


def test_sentences_keys_and_credits_may_differ():
    other = replace(SPEC, phrases={}, keys={}, description="d", credits="c", things=["red box"])
    SPEC.check_same(WorldSpec.from_dict(json.loads(json.dumps(other.to_dict()))), "a", "b", "")


@pytest.mark.parametrize("change", [{"colour": "red"}, {"name": None}, {"actions": None}])
def test_a_wrong_description_is_refused(change):
    data = SPEC.to_dict() | change
    data = {key: value for key, value in data.items() if value is not None}
    with pytest.raises(WorldsimError, match="not a world description"):
        WorldSpec.from_dict(data)


@pytest.mark.parametrize("data", [[], 3, "doom", None])
def test_what_is_no_description_at_all_is_refused(data):
    with pytest.raises(WorldsimError, match="not a world description"):
        WorldSpec.from_dict(data)


def test_a_place_is_described_by_how_its_name_begins_and_else_as_the_world():
    places = {"maze": "A maze.", "maze-big": "A big maze."}
    spec = WorldSpec("toy", ("stay",), {}, 10.0, "A world.", places=places)
    assert [spec.describe(name) for name in ("maze-1", "maze-big-1", "map")] == [
        "A maze.",
        "A big maze.",
        "A world.",
    ]
    assert WorldSpec.from_dict(spec.to_dict()) == spec
