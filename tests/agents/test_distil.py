import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import load_file

from agents import foresee
from agents.collect import live
from agents.distil import distil
from agents.options import DistilConfig
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
        self.red = options["frames"][:, -1, 0, 0, 0] > 127
        return None, {}

    def step(self, actions):
        Dream.dreamed += 1
        right = actions == np.where(self.red, LEFT, RIGHT)
        frames = np.zeros((self.num_envs, 36, 36, 3), np.uint8)
        frames[self.red, ..., 0] = frames[~self.red, ..., 2] = 200  # 255 in the world
        return frames, right * self.pays, None, None, {"end_chance": 0.5 * (actions == 0)}

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


def test_where_sides_are_not_alike_a_mirror_says_that_both_are_right(data, tmp_path):
    distil(config(data, tmp_path, mirror=True))
    agent = PolicyAgent.load(tmp_path / "agent", SPEC)
    assert 3 < summarize(play(Colours("heldout"), agent, range(100, 106)))["mean"] < 9


def test_what_was_dreamed_is_not_dreamed_again(data, tmp_path):
    distil(config(data, tmp_path))
    before = Dream.dreamed
    distil(config(data, tmp_path))
    assert Dream.dreamed == before


def test_more_moments_are_those_of_before_and_others(data, tmp_path, monkeypatch):
    monkeypatch.setattr("agents.foresee.PART", 4)  # 16 moments a part
    distil(config(data, tmp_path, moments=40))
    before = Dream.dreamed
    distil(config(data, tmp_path, moments=64))
    again = Dream.dreamed - before
    before = Dream.dreamed
    distil(config(data, tmp_path / "anew", moments=64))
    assert again == (Dream.dreamed - before) // 2, "two of four parts were whole"


@pytest.mark.parametrize("changes", [{"horizon": 4}, {"checkpoint": "another"}])
def test_dreams_of_other_options_are_not_taken_for_these(data, tmp_path, changes):
    distil(config(data, tmp_path))
    with pytest.raises(WorldsimError, match="other options"):
        distil(config(data, tmp_path, **changes))


def test_where_nothing_matters_nothing_is_learnt(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Dream, "pays", 0.0)
    with pytest.raises(WorldsimError, match="all actions pay the same"):
        distil(config(data, tmp_path))


def test_where_what_is_foreseen_is_no_number_the_model_is_named(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Dream, "pays", np.nan)
    with pytest.raises(WorldsimError, match="not a number at 48 of 48 moments: the model"):
        distil(config(data, tmp_path))
    assert not (tmp_path / "agent").exists()


def test_what_else_the_model_learnt_from_is_counted_once_if_it_is_named(data, tmp_path):
    other = tmp_path / "other"
    with DatasetWriter(other, replace(SPEC, skip=4), 36) as writer:
        lived = live(Colours(), RandomActions(SPEC, 9), 9, 99)
        writer.append(replace(lived, source="wall"))
    distil(config(data, tmp_path / "run", steps=1, model_data=f"{other},{data}, {other}"))
    about = json.loads((tmp_path / "run/agent/agent.json").read_text())
    assert about["real_frames"] == sum(about["data"].values()) == 6 * 12 + 4 * 12
    with pytest.raises(WorldsimError, match="nowhere"):
        distil(config(data, tmp_path / "run", model_data="nowhere"))


def test_damaged_dreams_are_named(data, tmp_path):
    distil(config(data, tmp_path))
    (tmp_path / "foreseen" / "0000-48.safetensors").write_bytes(b"nothing")
    with pytest.raises(WorldsimError, match="0000-48.safetensors"):
        distil(config(data, tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"moments": 0}, "moments=0"),
        ({"near_ends": 1.5}, "near_ends=1.5"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"hold": 1}, "hold=1, .*name who acts then with init_from="),
        ({"hold": 3, "init_from": "x"}, "hold=3, horizon=3: .*fewer steps"),
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


def foreseen(folder):
    return load_file(folder / "foreseen" / "0000-48.safetensors")["pays"]


def test_an_action_is_worth_what_an_agent_makes_of_it_where_one_acts_afterwards(data, tmp_path):
    distil(config(data, tmp_path / "first"))
    first = str(tmp_path / "first" / "agent")
    distil(config(data, tmp_path / "next", init_from=first, hold=1, steps=1))
    # Held to the end, what is right pays 3 and all else nothing. Then it does what is right twice;
    # after staying it lives to do so half of the time.
    assert np.array_equal(np.sort(foreseen(tmp_path / "first")), [[0, 0, 3]] * 48)
    assert np.abs(np.sort(foreseen(tmp_path / "next")) - [1, 2, 3]).mean() < 0.1


def test_who_acts_afterwards_sees_what_was_seen_before_and_then_what_is_dreamed(
    data, tmp_path, monkeypatch
):
    distil(config(data, tmp_path / "first", repeat=2))
    seen, act = list[np.ndarray](), foresee.logits
    monkeypatch.setattr(
        foresee, "logits", lambda policy, pixels: seen.append(pixels.numpy()) or act(policy, pixels)
    )
    changes = {"init_from": str(tmp_path / "first" / "agent"), "repeat": 2, "hold": 2}
    distil(config(data, tmp_path / "next", steps=1, horizon=5, lanes=1, moments=2, **changes))
    brightest = [[part.max() > 220 for part in np.split(pixels, 2, axis=1)] for pixels in seen]
    assert brightest == [[True, False], [False, False]] * 2, "really seen, then dreamed; held"


def test_another_kind_of_agent_cannot_act_afterwards(data, tmp_path):
    distil(config(data, tmp_path / "first"))
    first = str(tmp_path / "first" / "agent")
    with pytest.raises(WorldsimError, match="sees 2 frames and holds an action for 1"):
        distil(config(data, tmp_path / "next", init_from=first, hold=1, stack=3))
