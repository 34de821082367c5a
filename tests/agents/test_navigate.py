"""Ways through rooms, in processes of their own: OpenGL of two worlds does not fit into one."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from agents.navigate import NavigateConfig, navigate
from agents.planner import PlannerConfig
from envs.collect import CollectConfig, collect
from envs.rooms import ROOMS
from tests.worldsim.tiny import make_checkpoint
from worldsim.errors import WorldsimError

FEW = {"seconds": [0.5], "goals": 2, "closed": 1, "ways": 3}


def python(*arguments):
    """Run Python elsewhere; return its exit status and what it printed."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=250)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module", autouse=True)
def rooms():
    status, _, error = python("-c", "import envs.rooms_engine")
    if status:
        pytest.skip(f"rooms cannot be drawn here: {error.splitlines()[-1]}")


def run(folder, *changes):
    """Run the program; return its status, what it printed and what it wrote."""
    about = [f"{name}={value}" for name, value in FEW.items()]
    planner = ["planner.repeat=4", "planner.rounds=1", "planner.context=3"]
    files = [
        f"data={folder / 'held'}",
        f"out={folder / 'n.json'}",
        f"checkpoint={folder / 'model'}",
    ]
    verb = ["-m", "worldsim.cli", "agent", "navigate", "world=rooms"]
    status, said, error = python(*verb, *about, *planner, *files, *changes)
    assert status == 0, error
    return said, json.loads((folder / "n.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("navigate")
    collect(CollectConfig("rooms", str(path / "held"), 160, split="heldout", max_steps=60,
                          num_workers=1))  # fmt: skip
    replace(make_checkpoint(image_size=64), worlds={"rooms": ROOMS}, starts=[]).save(path / "model")
    return path


def config(folder, **changes):
    planner = PlannerConfig(repeat=4, rounds=1, context=3)
    return NavigateConfig("rooms", str(folder / "held"), str(folder / "n.json"), planner=planner,
                          checkpoint=str(folder / "model"), **FEW | changes)  # fmt: skip


def test_ways_are_taken_in_the_simulator_and_held_against_the_recorded_one(folder):
    said, found = run(folder)
    rows, step = found["found"]["0.5 s"], found["meta"]["mean_step"]
    assert rows["steps"] == 8 and rows["goals"] == 2
    for method in ("cem", "mppi", "shuffled", "random", "straight", "stay"):
        assert np.isfinite(rows[method]["ate"]) and len(rows[method]["each"]) == 2
        assert rows[method]["ate_steps"] == pytest.approx(rows[method]["ate"] / step)
    assert rows["stay"]["end"] > 0.25 * 8 * step, "goals are elsewhere"
    assert set(rows["cem"]["closed"]) == {"success", "spl", "collisions", "steps", "each"}
    assert rows["straight"]["closed"]["steps"] <= 16 and "closed" not in rows["stay"]
    assert "| 0.5 s | cem |" in said
    assert "| 0.5 s | stay |" in (folder / "n.md").read_text()


def test_who_is_there_at_once_needs_one_step(folder):
    walk = run(folder, "near=50", "methods=[straight]")[1]["found"]["0.5 s"]["straight"]["closed"]
    assert (walk["success"], walk["spl"], walk["steps"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["fly"]}, "methods=.'fly'.: use cem"),
        ({"seconds": []}, "seconds=.., goals=2"),
        ({"data": ""}, "where to"),
        ({"world": "kart"}, "goals are walked to in doom or rooms"),
        ({"world": "doom"}, "is of 'rooms', not of 'doom'"),
    ],
)
def test_what_makes_no_sense_is_named(folder, changes, message):
    with pytest.raises(WorldsimError, match=message):
        navigate(replace(config(folder), **changes))
