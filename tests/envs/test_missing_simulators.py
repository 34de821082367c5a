"""Worlds whose simulator is not installed: one line says what to install, everywhere."""

from __future__ import annotations

import sys

import gymnasium
import pytest

from envs.collect import CollectConfig, collect, main
from envs.worlds import WORLDS
from viewer.worlds import find_env_id, make_env
from worldsim.errors import WorldsimError

# World -> (module of its simulator, what was imported with it).
SIMULATORS = {
    "doom": ("vizdoom", ()),
    "rooms": ("miniworld", ("envs.rooms_engine",)),
    "carracing": ("Box2D", ("envs.carracing_engine", "gymnasium.envs.box2d")),
    "kart": ("pystk2", ("envs.kart_engine",)),
}


@pytest.fixture(params=list(WORLDS))
def lacking(request, monkeypatch):
    """The name of a world whose simulator cannot be imported."""
    module, users = SIMULATORS[request.param]
    for name in list(sys.modules):
        if name.startswith((f"{module}.", *users)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    return request.param


def says_what_to_install(error, world):
    return f'pip install "worldsim[{world}]"' in str(error) and "\n" not in str(error)


def test_making_its_environment_says_what_to_install(lacking):
    with pytest.raises(ImportError) as error:
        gymnasium.make(WORLDS[lacking].env_id)
    assert says_what_to_install(error.value, lacking)


def test_collecting_from_it_says_what_to_install_before_anything_is_written(lacking, tmp_path):
    with pytest.raises(WorldsimError) as error:
        collect(CollectConfig(world=lacking, path=str(tmp_path / "data"), num_frames=10))
    assert says_what_to_install(error.value, lacking)
    assert not list(tmp_path.iterdir())


def test_playing_it_for_real_says_what_to_install(lacking):
    with pytest.raises(WorldsimError) as error:
        make_env(find_env_id(lacking, real=True))
    assert says_what_to_install(error.value, lacking)


def test_karts_without_tracks_say_so_before_anything_is_collected(monkeypatch, tmp_path):
    pytest.importorskip("pystk2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("worldsim.kart_assets.PACKAGED", tmp_path / "nowhere")
    with pytest.raises(WorldsimError, match="apt install supertuxkart-data"):
        main(CollectConfig(world="carracing,kart", path=str(tmp_path / "data"), num_frames=10))
    assert not list(tmp_path.iterdir())
