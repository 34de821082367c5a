"""The bundled checkpoint dreams every world on a machine that has none of the simulators."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401  (registers the worlds)
from envs.worlds import WORLDS, world_spec
from viewer.record import RecordConfig, record
from worldsim.checkpoint import BUNDLED
from worldsim.json_files import read_json
from worldsim.starts import load_starts
from worldsim.world import WorldSpec

FEWEST_STARTS = 8
SIMULATORS = {"vizdoom", "miniworld", "Box2D", "pystk2"}


@pytest.fixture
def no_simulators(monkeypatch):
    """Make importing any simulator fail, also one that was imported before."""
    for name in [name for name in sys.modules if name.split(".")[0] in SIMULATORS]:
        monkeypatch.delitem(sys.modules, name)
    for name in SIMULATORS:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_has_clips_of_its_own_to_begin_from(world):
    starts = [start for start in load_starts(BUNDLED) if start.world == world]
    assert len({start.name for start in starts}) == len(starts) >= FEWEST_STARTS
    pictures = {start.frames[-1].tobytes() for start in starts}
    assert len(pictures) == len(starts), "some clips end in the same picture"
    for start in starts:
        assert start.frames.dtype == np.uint8 and len(start.actions) == len(start.frames) - 1
        assert set(start.actions) <= set(world_spec(world).actions)


@pytest.mark.parametrize("world", WORLDS)
def test_numbers_mean_in_the_dream_what_they_mean_in_the_world(world):
    dreamed = WorldSpec.from_dict(read_json(BUNDLED / "worlds.json", lambda texts: texts[world]))
    world_spec(world).check_same(dreamed, "the world", "the dream", "train it again")


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_is_dreamed_without_any_simulator(world, no_simulators):
    env = gymnasium.make(WORLDS[world].env_id.replace("/", "/Dream"), disable_env_checker=True)
    assert len(env.unwrapped.start_names) >= FEWEST_STARTS
    first, info = env.reset(seed=0, options={"start": FEWEST_STARTS - 1})
    assert info["start"] == env.unwrapped.start_names[FEWEST_STARTS - 1]
    frame, reward, *_ = env.step(1)
    assert frame.shape == first.shape == env.observation_space.shape and np.isfinite(reward)
    assert frame.std() > 1 and not np.array_equal(frame, first)
    assert not {name for name in SIMULATORS if sys.modules.get(name)}


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_can_be_filmed_without_any_simulator(world, no_simulators, tmp_path):
    film = tmp_path / "film.mp4"
    assert record(RecordConfig(world=world, out=str(film), steps=4)) == 0
    assert film.stat().st_size > 0
