import json
from dataclasses import replace

import imageio.v3 as iio
import numpy as np
import pytest

from agents import evaluate
from agents.evaluate import AgentEvalConfig, make_agent
from agents.planner import PlannerConfig
from agents.scores import ByLook
from agents.tasks import TASKS
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


def test_who_acts_by_chance_can_hold_each_action(cfg):
    long = world()
    long.spec_world = replace(tiny.SPEC, skip=2)
    here, there = (make_agent("random:4", env, DREAM, cfg) for env in (world(), long))
    done = [[agent.act(None, {}) for _ in range(400)] for agent in (here, there)]
    assert np.repeat(done[0][::4], 4).tolist() == done[0], "four of the simulator's steps"
    assert np.repeat(done[1][::2], 2).tolist() == done[1], "which are two long ones"
    assert {tiny.SPEC.action_text(action) for action in done[0]} == set(DREAM.keys)


@pytest.mark.parametrize("name", ["random:", "random:0", "random:few"])
def test_an_action_cannot_be_held_for_no_steps(cfg, name):
    with pytest.raises(WorldsimError, match=f"agents={name}: use a number of steps from 1 on"):
        make_agent(name, world(), DREAM, cfg)


def test_what_is_got_in_both_worlds_is_held_against_each_other(cfg, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(DREAM, solved=12.0))
    out = tmp_path / "e.json"
    evaluate.evaluate(replace(cfg, agents="random:3", out=str(out), episodes=2, horizon=3))
    row = json.loads(out.read_text())["agents"]["random:3"]
    assert row["real"]["steps"] == 24 and row["dream"]["steps"] <= 6, "dreams are cut off after 3"
    assert 0 < row["gap"]["steps"] <= 12 and {"real", "dream"} < row["gap"].keys()
    assert row["real"]["solved"] == 0.0 and "solved" not in row["dream"]
    assert f" in {row['gap']['steps']} steps |" in out.with_suffix(".md").read_text()
    assert len(list((tmp_path / "e").glob("random_3_*.mp4"))) == 2


def test_a_planner_can_be_led_by_a_picture_file_of_any_size(cfg, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (128, 200, 3), dtype=np.uint8)
    iio.imwrite(tmp_path / "goal.png", pixels)
    agent = make_agent(f"cem:picture {tmp_path / 'goal.png'}", world(), DREAM, cfg)
    middle = pixels[:, 36:164].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert agent.score.goal.dtype == np.uint8 and np.abs(agent.score.goal - middle).max() <= 1
    agent.reset()
    agent.act(np.zeros((64, 64, 3), np.uint8), {})


def test_a_picture_that_cannot_be_read_is_named_before_anything_is_played(cfg, tmp_path):
    (tmp_path / "words.png").write_text("no picture")
    for name in ("none.png", "words.png"):
        with pytest.raises(WorldsimError, match=f"picture=.*{name} cannot be read"):
            make_agent(f"cem:picture {tmp_path / name}", world(), DREAM, cfg)


def test_a_world_of_the_same_words_in_another_order_is_refused(cfg):
    env = world()
    env.spec_world = replace(tiny.SPEC, actions=("stay", *tiny.SPEC.actions[:0:-1]))
    for name in ("cem", "follow:go on"):
        with pytest.raises(WorldsimError, match="the world it acts in has action 1"):
            make_agent(name, env, DREAM, cfg)


def test_nothing_cannot_be_imagined(cfg):
    with pytest.raises(WorldsimError, match="empty"):
        make_agent("cem:imagine ", world(), DREAM, cfg)
