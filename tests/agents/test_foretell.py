import json
from dataclasses import replace

import numpy as np
import pytest

from agents.collect import live
from agents.foretell import ForetellConfig, compare, foretell
from agents.scripted import RandomActions
from agents.tasks import TASKS
from tests.agents.toy import SPEC, TASK, Colours
from worldsim.data import DatasetWriter
from worldsim.errors import WorldsimError

from .test_distil import Dream


class Wrong(Dream):
    """Likes what is never right."""

    def step(self, actions):
        frames, _, *rest = super().step(actions)
        return frames, (actions == 0) * 1.0, *rest


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Play by chance in the held-out places."""
    path = tmp_path_factory.mktemp("foretell") / "data"
    with DatasetWriter(path, SPEC, 36) as writer:
        for seed in range(4):
            lived = live(Colours("heldout", pain=0.5), RandomActions(SPEC, seed), seed, 99)
            writer.append(replace(lived, source="wall"))
    return path


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, dream="toy/Pays-v0"))


def config(data, tmp_path, **changes):
    few = {"moments": 22, "lanes": 4, "horizon": 1, "context": 2, "pain": 0.5}
    return ForetellConfig("toy", str(data), out=str(tmp_path / "f.json"), **few | changes)


def test_a_dream_that_is_right_gains_all_there_is(data, tmp_path, capsys):
    foretell(config(data, tmp_path))
    found = json.loads((tmp_path / "f.json").read_text())
    assert (found["chosen"], found["best"], found["any"]) == (1.0, 1.0, 0.0)
    assert (found["gain"], found["gain_low"], found["moments"]) == (1.0, 1.0, 22)
    assert found["correlation"] == pytest.approx(1.0)
    assert found["meta"]["checkpoint_sha256"] == "digest"
    assert "100% (100% to 100%) of what there is to gain" in capsys.readouterr().out


def test_a_dream_that_likes_what_is_wrong_is_found_out(data, tmp_path, monkeypatch):
    monkeypatch.setattr("agents.foretell.open_dream", lambda look, task: Wrong(4 * 3))
    foretell(config(data, tmp_path))
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["chosen"] == -0.5 and found["gain"] == pytest.approx(-0.5)
    assert found["correlation"] == pytest.approx(-0.5)


def test_where_no_action_is_better_there_is_nothing_to_gain():
    found = compare(np.ones((5, 3)), np.random.default_rng(0).random((5, 3)))
    assert (found["gain"], found["gain_low"], found["correlation"]) == (0, 0, 0)


def test_what_is_gained_lies_in_its_interval():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(50, 3))
    found = compare(real, real + rng.normal(size=(50, 3)))
    assert 0 < found["gain_low"] < found["gain"] < found["gain_high"] < 1
    assert found["any"] < found["chosen"] < found["best"] and 0.3 < found["correlation"] < 0.95


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "train", "pain": 0.0}, "pays otherwise: give the pain="),
        ({"moments": 0}, "moments=0: use 1 or more"),
        ({"split": "test"}, "split=test: use"),
        ({"near_ends": 2.0}, "near_ends=2.0"),
    ],
)
def test_what_makes_no_sense_is_refused(data, tmp_path, changes, message):
    with pytest.raises(WorldsimError, match=message):
        foretell(config(data, tmp_path, **changes))
    assert not (tmp_path / "f.json").exists()


def test_play_of_something_else_is_not_taken_for_this(tmp_path):
    with DatasetWriter(tmp_path / "data", SPEC, 36) as writer:
        lived = live(Colours(), RandomActions(SPEC, 0), 0, 99)
        writer.append(replace(lived, source="wall", seed=17))
    with pytest.raises(WorldsimError, match="episode 0 played once more looks otherwise at step"):
        foretell(config(tmp_path / "data", tmp_path, pain=0.0, split="train"))


def test_a_model_that_dreams_no_numbers_is_named(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Dream, "pays", np.nan)
    with pytest.raises(WorldsimError, match="not a number: this model"):
        foretell(config(data, tmp_path))
