import json
from dataclasses import replace

import pytest

from agents.clone import CloneConfig, clone
from agents.collect import live
from agents.play import play, summarize
from agents.policy import PolicyAgent
from agents.scripted import Stay
from agents.tasks import TASKS
from tests.agents.toy import SIZE, SPEC, TASK, Colours, Knowing
from worldsim.data import DatasetWriter
from worldsim.errors import WorldsimError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Play of one who knows and, as often, of one who does nothing."""
    path = tmp_path_factory.mktemp("clone") / "data"
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in range(16):
            agent = Knowing() if seed % 2 else Stay()
            writer.append(replace(live(Colours(), agent, seed, 99), source="wall"))
    return path


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", TASK)


def config(data, out, **changes):
    few = {"steps": 80, "batch_size": 32, "rate": 1e-3, "stack": 2, "best": 0.5}
    return CloneConfig("toy", str(data), out=str(out), **few | changes)


def test_a_clone_of_the_best_does_what_they_do(data, tmp_path, capsys):
    clone(config(data, tmp_path))
    agent = PolicyAgent.load(tmp_path / "agent", SPEC, greedy=True)
    assert summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] > 11
    about = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert about["inside"] == "play" and about["real_frames"] == 7 * 12
    assert "100%" in capsys.readouterr().out


def test_a_clone_of_all_hesitates(data, tmp_path):
    clone(config(data, tmp_path, best=1.0))
    agent = PolicyAgent.load(tmp_path / "agent", SPEC)
    assert summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] < 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best": 0.0}, "best=0.0"),
        ({"best": 0.05}, "best=0.05 of 16 episodes are 1"),
        ({"steps": 0}, "steps=0"),
        ({"task": "toys"}, "unknown task"),
    ],
)
def test_what_makes_no_sense_is_named(data, tmp_path, changes, message):
    with pytest.raises(WorldsimError, match=message):
        clone(replace(config(data, tmp_path), **changes))


def test_play_of_another_task_is_named(data, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, keys=("back turn left", "back")))
    with pytest.raises(WorldsimError, match="another task"):
        clone(config(data, tmp_path))
