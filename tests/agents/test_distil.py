import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from agents.collect import live
from agents.distil import DistilConfig, distil
from agents.play import play, summarize
from agents.policy import PolicyAgent
from agents.scripted import RandomActions
from agents.tasks import TASKS
from tests.agents.toy import SPEC, TASK, Colours
from worldsim.data import DatasetWriter
from worldsim.errors import WorldsimError

LEFT, RIGHT = (SPEC.action_index(words) for words in ("turn left", "turn right"))


class Dream(gym.vector.VectorEnv):
    """Dreams on in one colour: what is right then pays 1, staying may end it."""

    model_id = "digest"
    pays = 1.0
    dreamed = 0

    def __init__(self, num_envs, **options):
        self.num_envs, self.options = num_envs, options
        self.red = np.zeros(num_envs, bool)

    def reset(self, *, seed=None, options=None):
        self.red[options["reset_mask"]] = options["frames"][-1][0, 0, 0] > 127
        return None, {}

    def step(self, actions):
        Dream.dreamed += 1
        right = actions == np.where(self.red, LEFT, RIGHT)
        return None, right * self.pays, None, None, {"end_chance": 0.5 * (actions == 0)}

    def close_extras(self, **kwargs):
        pass


if "toy/Pays-v0" not in gym.registry:
    gym.register("toy/Pays-v0", vector_entry_point=Dream)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Play by chance."""
    path = tmp_path_factory.mktemp("distil") / "data"
    with DatasetWriter(path, SPEC, 36) as writer:
        for seed in range(6):
            agent = RandomActions(SPEC, seed)
            writer.append(replace(live(Colours(), agent, seed, 99), source="wall"))
    return path


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, dream="toy/Pays-v0"))


def config(data, out, **changes):
    few = {"moments": 48, "lanes": 4, "horizon": 3, "context": 2, "steps": 60, "batch_size": 32}
    return DistilConfig(
        "toy", str(data), out=str(out), **few | {"rate": 1e-3, "stack": 2} | changes
    )


def test_what_pays_in_the_dream_is_done_in_the_world(data, tmp_path, capsys):
    distil(config(data, tmp_path))
    agent = PolicyAgent.load(tmp_path / "agent", SPEC, greedy=True)
    assert summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] > 11
    about = json.loads((tmp_path / "agent" / "agent.json").read_text())
    assert (about["inside"], about["model"]) == ("dream", "digest")
    assert (about["steps"], about["real_frames"]) == (48 * 3 * 3, 6 * 12)
    assert "pays 3.000 more" in capsys.readouterr().out


def test_what_was_dreamed_is_not_dreamed_again(data, tmp_path):
    distil(config(data, tmp_path))
    before = Dream.dreamed
    distil(config(data, tmp_path))
    assert Dream.dreamed == before


@pytest.mark.parametrize("changes", [{"horizon": 4}, {"checkpoint": "another"}])
def test_dreams_of_other_options_are_not_taken_for_these(data, tmp_path, changes):
    distil(config(data, tmp_path))
    with pytest.raises(WorldsimError, match="other options"):
        distil(config(data, tmp_path, **changes))


def test_where_nothing_matters_nothing_is_learnt(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Dream, "pays", 0.0)
    with pytest.raises(WorldsimError, match="all actions pay the same"):
        distil(config(data, tmp_path))


def test_damaged_dreams_are_named(data, tmp_path):
    distil(config(data, tmp_path))
    (tmp_path / "foreseen" / "0000.safetensors").write_bytes(b"nothing")
    with pytest.raises(WorldsimError, match="0000.safetensors"):
        distil(config(data, tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moments": 0}, "moments=0"),
        ({"near_ends": 1.5}, "near_ends=1.5"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"context": 99}, "no episode of more than 98 steps"),
        ({"task": "toys"}, "unknown task"),
    ],
)
def test_what_makes_no_sense_is_named(data, tmp_path, changes, message):
    with pytest.raises(WorldsimError, match=message):
        distil(replace(config(data, tmp_path), **changes))


def test_who_begins_as_another_agent_knows_what_it_knew_and_counts_its_play_once(data, tmp_path):
    distil(config(data, tmp_path / "first"))
    first = str(tmp_path / "first" / "agent")
    distil(config(data, tmp_path / "next", init_from=first, steps=1, rate=1e-9))
    agent = PolicyAgent.load(tmp_path / "next" / "agent", SPEC, greedy=True)
    assert summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] > 11
    assert agent.about.real_frames == 6 * 12
    with pytest.raises(WorldsimError, match="another repeat"):
        distil(config(data, tmp_path / "other", init_from=first, repeat=2))
