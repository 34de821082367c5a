"""The real worlds by name: where each lives and how it is explored. Loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from envs import drive_words
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec


class Explorer(Protocol):
    """A policy that datasets are collected with; it may look at what a learner must not."""

    def reset(self, info: dict[str, Any], layout: Any) -> None:
        """Begin an episode; `layout` is the env's attribute of that name."""

    def act(self, info: dict[str, Any]) -> tuple[int, str]:
        """Return the next action index and the sentence of its stretch ("" for none)."""


@dataclass(frozen=True)
class World:
    """Where a world's parts are.

    Attributes:
        env_id: Its Gymnasium id.
        spec: Module and name of its `WorldSpec`.
        explorer: Module and name of the class of its explorer.
        explorer_options: What else its explorer is made with.
        options: How its env is made for collecting.
        credits: Module and name of what returns its makers' own list of authors, if there is one.
        dull: An episode that spans less than this of its map, in the units of its pose, is
            left out of a dataset.
    """

    env_id: str
    spec: str
    explorer: str
    explorer_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    credits: str = ""
    dull: float = 0.0


WORLDS = {
    "doom": World(
        env_id="worldsim/Doom-v0",
        spec="envs.doom:DOOM",
        explorer="envs.walk:Walker",
        explorer_options={"turn_degrees": 6.0},
        options={"source": "mixed", "task_share": 0.25, "depth": True},
        dull=64.0,
    ),
    "rooms": World(
        env_id="worldsim/Rooms-v0",
        spec="envs.rooms:ROOMS",
        explorer="envs.walk:Walker",
        explorer_options={"turn_degrees": 5.0, "unit": 0.025},
        dull=1.6,
    ),
    "carracing": World(
        env_id="worldsim/CarRacing-v0",
        spec="envs.carracing:CARRACING",
        explorer="envs.drive:Driver",
        explorer_options={"phrases": drive_words.CARRACING, "grip_speed": 30.0},
        options={"colours": "mixed"},
        dull=30.0,
    ),
    "kart": World(
        env_id="worldsim/Kart-v0",
        spec="envs.kart:KART",
        explorer="envs.drive:Driver",
        explorer_options={"phrases": drive_words.KART, "pace": 0.28, "reverses": True},
        options={"depth": True},
        credits="worldsim.kart_assets:read_credits",
        dull=15.0,
    ),
}


def find_world(name: str) -> World:
    """Return a world by its short name, such as ``"doom"``.

    Raises:
        WorldsimError: There is no such world.
    """
    if name not in WORLDS:
        raise WorldsimError(f"unknown world '{name}': use one of {', '.join(WORLDS)}")
    return WORLDS[name]


def make_world(name: str, **options: Any) -> gym.Env:
    """Make the real environment of a world.

    Raises:
        WorldsimError: There is no such world, or it has no such option.
        ImportError: Its simulator is not installed.
    """
    try:
        return gym.make(find_world(name).env_id, disable_env_checker=True, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise WorldsimError(f"the world '{name}' cannot be made so: {error}") from error


def world_spec(name: str) -> WorldSpec:
    """Return the actions, keys and rate of a world; starts no simulator."""
    return _load(find_world(name).spec)


def read_credits(name: str) -> str:
    """Return the list of authors that came with a world's simulator; "" for none."""
    where = find_world(name).credits
    return _load(where)() if where else ""


def make_explorer(name: str, rng: np.random.Generator) -> Explorer:
    """Return a world's explorer; the same randomness gives the same walk."""
    world = find_world(name)
    return _load(world.explorer)(rng, world_spec(name), **world.explorer_options)


def _load(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
