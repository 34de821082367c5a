"""From the name of a world to its Gymnasium environment. Knows ids, never classes."""

from __future__ import annotations

import importlib
import os
from typing import Any

import gymnasium

from worldsim.errors import WorldsimError

_NAMESPACE = "worldsim/"
_DREAM = "Dream"


def world_names(real: bool = False) -> list[str]:
    """Return the names of the worlds that can be opened, dreamed or real."""
    return sorted(name for name, _ in _registered(real))


def find_env_id(world: str, real: bool = False) -> str:
    """Return the id of a world (``"doom"``) or task (``"doom/take_cover"``), dreamed or `real`."""
    wanted = world.lower().replace("/", "").replace("_", "")
    for name, env_id in _registered(real, tasks=True):
        if name == wanted:
            return env_id
    raise WorldsimError(
        f"unknown world '{world}': choose one of {', '.join(world_names(real)) or '(none)'}"
    )


def is_dream(env_id: str) -> bool:
    """Say whether an id names a learned world."""
    return env_id.startswith(_NAMESPACE + _DREAM)


def make_env(
    env_id: str, checkpoint: str | None = None, data: str | None = None
) -> gymnasium.Env[Any, Any]:
    """Open a world without a step limit: a person decides when it is over.

    A dream may have weights of its own and begin in recorded play, in the folder `data`. A missing
    simulator becomes one WorldsimError; so does an id that is not one of ours (an id may come from
    a stranger's file, and Gymnasium would import any module named in it).
    """
    # A dream takes half the cores: the window, the film and the rest of the desk need some too, and
    # on a busy machine more threads make a single dream slower, not faster.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) // 2)))
    importlib.import_module("envs")  # registers the ids
    if env_id not in gymnasium.registry or not env_id.startswith(_NAMESPACE):
        known = ", ".join(sorted(name for name in gymnasium.registry if _NAMESPACE in name))
        raise WorldsimError(f"unknown environment '{env_id}': this worldsim has {known}")
    given = {"checkpoint": checkpoint, "data": data}
    for name, value in given.items():
        if value is not None and not is_dream(env_id):
            raise WorldsimError(f"{name}='{value}' means nothing to the real '{env_id}'")
    options = {"checkpoint": checkpoint, "dataset": data}
    options = {name: value for name, value in options.items() if value is not None}
    try:
        return gymnasium.make(
            env_id,
            render_mode="rgb_array",
            max_episode_steps=-1,
            disable_env_checker=True,
            **options,
        )
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        raise WorldsimError(f"cannot open '{env_id}': {error}") from error


def _registered(real: bool, tasks: bool = False) -> list[tuple[str, str]]:
    """Return (name, id) of every registered world of one kind, with dreams of tasks or without."""
    importlib.import_module("envs")
    found = []
    for env_id, spec in gymnasium.registry.items():
        # The dream of a task is its world's, from other starts that a checkpoint may not have.
        if is_dream(env_id) and spec.kwargs.get("place") and not tasks:
            continue
        if env_id.startswith(_NAMESPACE) and is_dream(env_id) != real:
            name = env_id.removeprefix(_NAMESPACE).removeprefix(_DREAM).rpartition("-v")[0]
            found.append((name.lower(), env_id))
    return found
