import json
from dataclasses import replace

import numpy as np
import pytest

from agents.collect import AgentCollectConfig, collect
from agents.policy import About, PolicyAgent, make_policy
from agents.tasks import TASKS
from tests.agents.toy import KEYS, SIZE, SPEC, TASK
from worldsim.data import Dataset
from worldsim.errors import WorldsimError


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", TASK)


def test_play_of_a_task_knows_its_keys_alone_and_goes_on_where_it_was(tmp_path):
    path = tmp_path / "d"
    collect(AgentCollectConfig("toy", str(path), steps=20))
    collect(AgentCollectConfig("toy", str(path), steps=40))
    dataset = Dataset(path)
    assert [episode.length - 1 for episode in dataset.episodes] == [12, 8, 12, 8]
    done = np.concatenate([dataset.load_steps(k).actions for k in range(len(dataset))])
    assert {SPEC.actions[a] for a in done} == set(KEYS), "not forward nor back"
    assert len({episode.seed for episode in dataset.episodes}) == 4
    assert json.loads((path / "summary.json").read_text())["frames"] == 44
    assert (path / "contact_sheet.png").stat().st_size > 100
    assert (path / "ATTRIBUTION.md").read_text().startswith("# Attribution")


def test_a_trained_agent_can_be_the_one_that_plays(tmp_path):
    about = About("toy", list(KEYS), stack=1, image_size=SIZE, inside="real")
    policy = make_policy(about)
    policy.action_net.bias.data = policy.action_net.bias.data.new_tensor([-99.0, 99.0, -99.0])
    PolicyAgent(policy, about, [0, 1, 2]).save(tmp_path / "agent")
    path = str(tmp_path / "d")
    collect(AgentCollectConfig("toy", path, agent=str(tmp_path / "agent"), steps=12))
    done = Dataset(path).load_steps(0).actions
    assert {SPEC.actions[a] for a in done} == {KEYS[1]}


def test_what_hurts_is_recorded_as_taken_off_the_reward(tmp_path):
    for pain in (0.0, 0.5):
        collect(AgentCollectConfig("toy", str(tmp_path / f"{pain}"), steps=24, pain=pain))
    right, felt = (
        np.concatenate([Dataset(tmp_path / name).load_steps(k).rewards for k in range(2)])
        for name in ("0.0", "0.5")
    )
    assert set(right) == {0, 1} and np.array_equal(felt, np.where(right, 1, -0.5))


def test_long_steps_are_recorded_as_a_world_of_its_own_with_keys_held_as_long(tmp_path):
    for skip in (1, 4):
        collect(AgentCollectConfig("toy", str(tmp_path / f"{skip}"), steps=600, skip=skip))
    usual, long = Dataset(tmp_path / "1"), Dataset(tmp_path / "4")
    assert long.spec.skip == 4 and long.spec.in_own_steps() == usual.spec
    assert {episode.length - 1 for episode in long.episodes} == {3}
    switches = [
        np.mean([np.diff(data.load_steps(k).actions).astype(bool).mean() for k in range(40)])
        for data in (usual, long)
    ]
    assert 2 * switches[0] < switches[1] < 0.4, "4 to 16 of the simulator's steps in both"
    with pytest.raises(WorldsimError, match="10.0 steps a second"):
        collect(AgentCollectConfig("toy", str(tmp_path / "4"), steps=700))


def test_a_guide_can_be_the_one_that_plays_with_slips_and_all(tmp_path):
    paid = {}
    for slips in (0.0, 0.5):
        path = tmp_path / f"{slips}"
        collect(AgentCollectConfig("toy", str(path), agent="guide", slips=slips, steps=240))
        dataset = Dataset(path)
        paid[slips] = np.mean([dataset.load_steps(k).rewards.mean() for k in range(len(dataset))])
    assert paid[0.0] == 1.0 and 0.5 < paid[0.5] < 0.9


def test_what_makes_no_sense_is_refused(tmp_path):
    cfg = AgentCollectConfig("toy", str(tmp_path / "d"))
    for wrong, says in (({"steps": 0}, "steps=0"), ({"split": "test"}, "split=test"),
                        ({"agent": "nobody"}, "'nobody' is no agent"),
                        ({"slips": 0.5}, "say whose play"),
                        ({"agent": "guide", "slips": 2.0}, "slips=2.0")):  # fmt: skip
        with pytest.raises(WorldsimError, match=says):
            collect(replace(cfg, **wrong))
    assert not (tmp_path / "d").exists()
