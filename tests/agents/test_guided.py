from dataclasses import replace

import pytest

from agents.evaluate import AgentEvalConfig, evaluate
from agents.guided import Guided
from agents.play import play, summarize
from agents.tasks import TASKS, find_task
from tests.agents.toy import TASK, Colours
from worldsim.errors import WorldsimError


class Dreamed(Colours):
    layout = property()  # of which nothing is known


def test_a_guide_does_what_is_right():
    env = Colours("heldout")
    assert summarize(play(env, Guided(env, TASK), range(5)))["mean"] == 12


def test_a_task_that_nobody_knows_the_way_in_names_those_with_a_guide():
    with pytest.raises(WorldsimError, match="nobody knows.*take_cover.*carracing"):
        Guided(Colours(), replace(TASK, guide=""))


def test_in_a_dream_nobody_knows_the_way(monkeypatch):
    monkeypatch.delattr(Colours, "layout")
    with pytest.raises(WorldsimError, match="use places=.real."):
        Guided(Colours(), TASK)


def test_a_guide_is_not_looked_for_in_dreams_after_minutes_of_play(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS, "toy", TASK)
    with pytest.raises(WorldsimError, match="use places=.real."):
        evaluate(AgentEvalConfig("toy", "guide", str(tmp_path / "a.json")))
    assert not list(tmp_path.iterdir())


def test_guides_are_where_tasks_say():
    from importlib import import_module

    for name in TASKS:
        module, _, guide = find_task(name).guide.partition(":")
        assert not module or hasattr(import_module(module), guide)
