from pathlib import Path

import numpy as np
import pytest

from agents import bundled
from agents.policy import About, PolicyAgent, make_policy, read_about
from agents.tasks import TASKS
from envs.worlds import world_spec
from worldsim.errors import WorldsimError


def make_agent(folder, task="doom/take_cover", size=64):
    keys = list(TASKS[task].keys)
    about = About(task, keys, stack=2, image_size=size, inside="real")
    PolicyAgent(make_policy(about), about, list(range(len(keys)))).save(folder)


def test_an_agent_is_found_by_its_task_or_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "SHELF", tmp_path / "shelf")
    assert bundled.bundled() == []
    make_agent(tmp_path / "shelf/doom/take_cover")
    make_agent(tmp_path / "mine")
    assert bundled.bundled() == ["doom/take_cover"]
    assert bundled.find_agent("doom/take_cover") == tmp_path / "shelf/doom/take_cover"
    assert bundled.find_agent(str(tmp_path / "mine")) == tmp_path / "mine"
    for name in ("doom/take_cover-dreamed", "carracing"):
        make_agent(tmp_path / "shelf" / name, task=name.partition("-")[0])
    assert bundled.bundled() == ["doom/take_cover", "doom/take_cover-dreamed", "carracing"]
    dreamed = bundled.find_agent("doom/take_cover-dreamed")
    assert dreamed == tmp_path / "shelf/doom/take_cover-dreamed"


def test_what_is_no_agent_is_one_error_that_names_those_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "SHELF", tmp_path / "shelf")
    with pytest.raises(WorldsimError, match=r"'carracing' is no agent: .*\(none is bundled\)"):
        bundled.find_agent("carracing")
    make_agent(tmp_path / "shelf/doom/take_cover")
    for name in ("nowhere", ".", "../shelf/doom/take_cover"):
        with pytest.raises(WorldsimError, match=r"no agent: .*\(doom/take_cover\)"):
            bundled.find_agent(name)


@pytest.mark.parametrize("name", bundled.bundled())
def test_every_bundled_agent_acts_in_its_world(name):
    folder, task = bundled.find_agent(name), name.partition("-")[0]
    about, spec = read_about(folder), world_spec(task.split("/")[0])
    assert about.task == task and about.keys == list(TASKS[task].keys)
    assert about.steps > 0 and about.real_frames > 0
    agent = PolicyAgent.load(folder, spec, seed=1)
    agent.reset()
    frames = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    done = {agent.act(frame, {}) for frame in frames}
    assert done <= {spec.action_index(words) for words in about.keys}
    assert sum(file.stat().st_size for file in Path(folder).iterdir()) < 4 << 20
