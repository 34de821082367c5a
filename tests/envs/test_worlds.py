import subprocess
import sys

import gymnasium
import pytest

import envs  # noqa: F401
from envs.worlds import WORLDS, make_world, world_spec
from worldsim.errors import WorldsimError


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_described_without_starting_it(name):
    code = (
        "import sys; from envs.worlds import world_spec; "
        f"assert world_spec({name!r}).name == {name!r}; "
        "sys.exit(bool({'vizdoom', 'miniworld', 'Box2D', 'torch'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_and_its_dream_are_registered_and_doing_nothing_comes_first(name):
    env_id = WORLDS[name].env_id
    assert {env_id, env_id.replace("/", "/Dream")} <= gymnasium.registry.keys()
    spec = world_spec(name)
    assert spec.actions[0] == "stay"
    assert {spec.combine({word}) for word in spec.elements} <= set(range(1, len(spec.actions)))
    assert spec.steps_per_second >= 15


@pytest.mark.parametrize("function", [world_spec, make_world])
def test_an_unknown_world_is_named_beside_the_known_ones(function):
    with pytest.raises(WorldsimError, match="'moon'.*doom, rooms, carracing"):
        function("moon")


def test_an_option_that_a_world_does_not_have_is_one_error():
    pytest.importorskip("Box2D")
    with pytest.raises(WorldsimError, match="'carracing' cannot be made so: .*maze_share"):
        make_world("carracing", maze_share=0.5)
