from dataclasses import replace

import numpy as np
import pytest

from agents import evaluate
from agents.evaluate import AgentEvalConfig, make_agent
from agents.planner import PlannerConfig
from agents.scores import ByLook
from tests.agents.toy import TASK, Colours
from tests.worldsim import tiny
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.unified import Model

DREAM = replace(TASK, dream="envs:worldsim/DreamDoom-v0")


def world():
    env = Colours()
    env.spec_world = tiny.SPEC
    return env


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    tiny.make_checkpoint(image_size=64, painter_width=0).save(tmp_path / "model")
    monkeypatch.setattr(evaluate.LPIPS, "load", LPIPS)  # untrained eyes need no file
    planner = PlannerConfig(horizon=2, repeat=1, rounds=1)
    return AgentEvalConfig("toy", checkpoint=str(tmp_path / "model"), ways=4, planner=planner)


def test_a_planner_can_be_led_by_a_picture_that_the_model_imagines(cfg):
    said = "you see a red box ahead"
    agent = make_agent(f"cem:imagine {said}", world(), DREAM, cfg)
    assert isinstance(agent.score, ByLook)
    goal = Model.from_pretrained(cfg.checkpoint).imagine([said], [cfg.seed])[0]
    assert np.array_equal(agent.score.goal, goal)
    agent.reset()
    offered = {tiny.SPEC.action_index(words) for words in DREAM.keys}
    assert agent.act(np.zeros((64, 64, 3), np.uint8), {}) in offered


def test_nothing_cannot_be_imagined(cfg):
    with pytest.raises(WorldsimError, match="empty"):
        make_agent("cem:imagine ", world(), DREAM, cfg)
