import csv
import json
from dataclasses import replace

import pytest
from safetensors.numpy import load_file

from agents.play import play, summarize
from agents.policy import PolicyAgent
from agents.tasks import TASKS
from agents.teach import TeachConfig, teach
from tests.agents.toy import SPEC, TASK, Colours, Guide
from worldsim.errors import WorldsimError


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", TASK)


def config(out, **changes):
    few = {"rounds": 2, "moments": 60, "steps": 40, "batch_size": 32, "rate": 1e-3, "stack": 2}
    return TeachConfig("toy", str(out), **few | {"eval_every": 1, "eval_episodes": 2} | changes)


def weights(out):
    found = load_file(out / "agent" / "policy.safetensors")
    return {name: tensor.tobytes() for name, tensor in found.items()}


def test_who_is_taught_knows_what_is_right_in_places_never_seen(tmp_path, capsys):
    teach(config(tmp_path))
    agent = PolicyAgent.load(tmp_path / "agent", SPEC)
    assert summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] > 11
    about = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert (about["inside"], about["real_frames"], about["steps"]) == ("taught", 120, 2560)
    rows = list(csv.DictReader((tmp_path / "real.csv").open()))
    assert [row["real_frames"] for row in rows] == ["60", "120"] and float(rows[1]["mean"]) > 11
    assert "120 steps: return" in capsys.readouterr().out


def test_who_is_killed_between_rounds_goes_on_where_it_was(tmp_path, capsys):
    teach(config(tmp_path / "whole"))
    teach(config(tmp_path / "parts", rounds=1))
    first = (tmp_path / "parts" / "rounds" / "000.safetensors").stat().st_mtime_ns
    teach(config(tmp_path / "parts"))
    assert "going on after 60 steps" in capsys.readouterr().out
    assert (tmp_path / "parts" / "rounds" / "000.safetensors").stat().st_mtime_ns == first
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_guide_is_asked_once_a_step(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(Guide, "advise", lambda guide, info: asked.append(info) or "turn left")
    teach(config(tmp_path, rounds=1, wander=0.0, eval_every=0))
    assert len(asked) == 60


def test_nothing_is_learnt_twice(tmp_path):
    teach(config(tmp_path))
    before = weights(tmp_path)
    teach(config(tmp_path))
    assert weights(tmp_path) == before


def test_damaged_moments_are_named(tmp_path):
    teach(config(tmp_path, rounds=1))
    (tmp_path / "rounds" / "000.safetensors").write_bytes(b"nothing")
    with pytest.raises(WorldsimError, match="000.safetensors"):
        teach(config(tmp_path))


def test_advice_that_is_no_key_of_the_task_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, keys=("stay", "turn left")))
    with pytest.raises(WorldsimError, match="'turn right'"):
        teach(config(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"wander": 1.0}, "wander=1.0"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"task": "toys"}, "unknown task"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, changes, message):
    with pytest.raises(WorldsimError, match=message):
        teach(replace(config(tmp_path), **changes))


def test_a_task_without_a_guide_cannot_be_taught(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, guide=""))
    with pytest.raises(WorldsimError, match="nobody knows"):
        teach(config(tmp_path))
