"""Ways through rooms, in processes of their own: OpenGL of two worlds does not fit into one."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from agents.goal_list import list_goals
from agents.goals import Goal
from agents.navigate import NavigateConfig, find_goals, navigate
from agents.planner import PlannerConfig
from envs.collect import CollectConfig, collect
from envs.rooms import ROOMS
from tests.worldsim.tiny import make_checkpoint
from worldsim.data import Dataset, DatasetWriter
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
    """Run the program; return what it printed and what it wrote."""
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
    methods = ("cem", "shuffled_shooting", "random", "straight", "stay")
    said, found = run(folder, f"methods=[{','.join(methods)}]")
    rows, step = found["found"]["0.5 s"], found["meta"]["mean_step"]
    assert rows["steps"] == 8 and rows["goals"] == 2
    for method in methods:
        assert np.isfinite(rows[method]["ate"]) and len(rows[method]["each"]) == 2
        assert rows[method]["ate_steps"] == pytest.approx(rows[method]["ate"] / step)
    assert rows["stay"]["end"] > 0.25 * 8 * step, "goals are elsewhere"
    for method in methods[:-1]:
        walk = rows[method]["closed"]
        assert set(walk) == {"success", "spl", "collisions", "steps", "each"}
        assert 0 <= walk["spl"] <= walk["success"] and walk["steps"] <= 16
    assert "closed" not in rows["stay"]
    assert "| 0.5 s | cem |" in said
    assert "| 0.5 s | stay |" in (folder / "n.md").read_text()


def test_who_is_there_at_once_needs_one_step(folder):
    walk = run(folder, "near=50", "methods=[straight]")[1]["found"]["0.5 s"]["straight"]["closed"]
    assert (walk["success"], walk["spl"], walk["steps"]) == (1, 1, 1)


def test_another_run_has_the_same_goals_in_data_that_has_grown(folder, tmp_path):
    found = run(folder, "methods=[stay]", "closed=0")[1]
    held = Dataset(folder / "held")
    with DatasetWriter(tmp_path / "grown", held.spec, held.image_size) as writer:
        for seed in (1, 2, 3):  # come first, so that all numbers are others
            writer.append(replace(held.load(0), seed=seed))
        for info in held.episodes:
            writer.append(held.load(info.index))
    grown = Dataset(tmp_path / "grown")
    again = replace(config(folder), index=str(folder / "n.json"), seed=3)
    goals = find_goals(again, grown)["0.5 s"]
    assert list_goals(goals, grown)["goals"] == found["goals"] and len(goals) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["fly"]}, "methods=.'fly'.: use cem"),
        ({"seconds": []}, "seconds=.., goals=2"),
        ({"data": ""}, "where to"),
        ({"world": "kart"}, "goals are walked to in doom or rooms"),
        ({"world": "doom"}, "is of 'rooms', not of 'doom'"),
        ({"planner": PlannerConfig(horizon=8, every=9)}, "every=9: use 0 to horizon=8"),
        ({"index": "/nowhere.json"}, "cannot read index=/nowhere.json"),
    ],
)
def test_what_makes_no_sense_is_named(folder, changes, message):
    with pytest.raises(WorldsimError, match=message):
        navigate(replace(config(folder), **changes))


def test_an_index_without_goals_of_these_seconds_says_which_it_has(folder, tmp_path):
    dataset = Dataset(folder / "held")
    (tmp_path / "i.json").write_text(json.dumps(list_goals([Goal(0, 3, 10)], dataset)))
    wanted = replace(config(folder), index=str(tmp_path / "i.json"), seconds=[2.0])
    with pytest.raises(WorldsimError, match="no goals 2 s away: use some of its seconds="):
        navigate(wanted)


def test_a_model_of_other_actions_is_refused(folder, tmp_path):
    other = replace(ROOMS, actions=("stay", *ROOMS.actions[:0:-1]))
    model = replace(make_checkpoint(image_size=64), worlds={"rooms": other}, starts=[])
    model.save(tmp_path / "model")
    with pytest.raises(WorldsimError, match="the model has action 1 .*checkpoint="):
        navigate(replace(config(folder), checkpoint=str(tmp_path / "model")))
