import csv
import json
import os
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stable_baselines3 import PPO

from agents import callbacks
from agents.callbacks import STATE
from agents.evaluate import AgentEvalConfig, evaluate
from agents.options import AgentTrainConfig, BothConfig, PPOConfig
from agents.tasks import TASKS, find_task
from agents.train import make_worlds, train
from tests.agents.toy import KEYS, TASK, Colours
from tests.worldsim.tiny import make_checkpoint
from worldsim import cli
from worldsim.errors import WorldsimError

SHORT = PPOConfig(n_steps=16, batch_size=32, n_epochs=2, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    monkeypatch.setitem(TASKS, "toy", TASK)


def config(out, **changes):
    few = {"steps": 128, "num_envs": 4, "stack": 2, "eval_every": 0, "save_every": 64}
    cfg = AgentTrainConfig("toy", "real", str(out), ppo=SHORT)
    return replace(cfg, **few | changes)


def read_log(out):
    with (out / "progress.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("agents") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "toy", TASK)
        steps = {"steps": 3072, "eval_every": 1536, "eval_episodes": 4}
        assert train(config(out, **steps, ppo=replace(SHORT, n_steps=32, n_epochs=4))) == 0
    return out


def test_an_agent_learns_what_the_world_pays_for(trained, tmp_path):
    with (trained / "real.csv").open() as file:
        means = [float(row["mean"]) for row in csv.DictReader(file)]
    assert len(means) == 3 and means[0] < 8 < means[-1]  # a third of twelve by luck
    cfg = AgentEvalConfig("toy", f"random,stay,{trained / 'agent'}", str(tmp_path / "e.json"),
                          ["real"], episodes=12)  # fmt: skip
    evaluate(cfg)
    found = json.loads((tmp_path / "e.json").read_text())
    means = {name.split("/")[-1]: row["real"]["mean"] for name, row in found["agents"].items()}
    assert means["stay"] == 0 < means["random"] < 7 < 9 < means["agent"]
    assert found["meta"]["commit"] and found["task"] == "toy"
    assert "| random | " in (tmp_path / "e.md").read_text()
    assert len(list((tmp_path / "e").glob("*.mp4"))) == 3


def test_a_run_leaves_an_agent_its_state_and_a_log_without_pickles(trained):
    names = {path.name for path in trained.iterdir()}
    assert {"agent", STATE, "progress.csv", "real.csv", "best_real.mp4"} <= names
    assert any(name.startswith("events.out") for name in names)
    about = json.loads((trained / "agent" / "agent.json").read_text())
    assert about["keys"] == list(KEYS) and about["inside"] == "real"
    assert about["steps"] == about["real_frames"] == 3072
    assert torch.load(trained / STATE, weights_only=True)["steps"] == 3072


def test_an_agent_can_begin_as_another_and_says_what_that_one_cost(trained, tmp_path):
    cfg = config(tmp_path / "next", steps=64, init_from=str(trained / "agent"),
                 ppo=replace(SHORT, learning_rate=1e-9))  # fmt: skip
    assert train(cfg) == 0
    one, other = (load_file(folder / "agent/policy.safetensors")
                  for folder in (trained, tmp_path / "next"))  # fmt: skip
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)
    about = json.loads((tmp_path / "next/agent/agent.json").read_text())
    assert (about["steps"], about["real_frames"]) == (64, 3072 + 64)
    with pytest.raises(WorldsimError, match=r"has another stack \(2, not 3\)"):
        train(config(tmp_path / "wrong", stack=3, init_from=str(trained / "agent")))


def test_an_agent_that_holds_its_actions_counts_the_worlds_steps(tmp_path):
    assert train(config(tmp_path, steps=384, repeat=3, eval_every=192, eval_episodes=2)) == 0
    about = json.loads((tmp_path / "agent/agent.json").read_text())
    assert (about["repeat"], about["steps"], about["real_frames"]) == (3, 384, 384)
    assert torch.load(tmp_path / STATE, weights_only=True)["steps"] == 384
    with (tmp_path / "real.csv").open() as file:
        assert [int(row["steps"]) for row in csv.DictReader(file)][-1] == 384


def test_simulators_that_want_a_process_of_their_own_have_one(tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "toy", replace(TASK, alone=True))
    worlds = make_worlds(config(tmp_path, num_envs=2), find_task("toy"))
    try:
        here = {os.getpid(), *worlds.unwrapped.env.get_attr("process")}
        assert len(here) == 3
        worlds.reset()
        frames, rewards, over, infos = worlds.step(np.array([1, 2]))
        assert frames.shape == (2, 36, 36, 6) and set(rewards) <= {0.0, 0.5}
    finally:
        worlds.close()
    assert train(config(tmp_path, num_envs=2, steps=64)) == 0


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    learn = PPO.learn

    def killed(self, *args, **kwargs):
        learn(self, 64, *args[1:], **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(PPO, "learn", killed)
    assert train(config(tmp_path)) == 130
    before, logged = torch.load(tmp_path / STATE, weights_only=True), read_log(tmp_path)
    assert [row["time/total_timesteps"] for row in logged] == ["64"]
    assert before["steps"] == 64 and "the same line goes on" in capsys.readouterr().out
    monkeypatch.setattr(PPO, "learn", learn)
    seen = []
    monkeypatch.setattr(
        PPO, "train", lambda self: seen.append(self.policy.state_dict()["action_net.bias"].clone())
    )
    assert train(config(tmp_path)) == 0
    assert torch.equal(seen[0], before["policy"]["action_net.bias"])
    assert torch.load(tmp_path / STATE, weights_only=True)["steps"] == 128
    assert "going on from step 64" in capsys.readouterr().out
    now = read_log(tmp_path)
    assert [row["time/total_timesteps"] for row in now] == ["64", "128"]
    assert logged[0].items() <= now[0].items()


def test_damaged_state_is_named(tmp_path):
    (tmp_path / STATE).write_bytes(b"nothing")
    with pytest.raises(WorldsimError, match="training.pt is damaged.*delete it"):
        train(config(tmp_path))


def test_a_policy_that_diverges_says_so_and_the_agent_of_before_stays(tmp_path, monkeypatch):
    train(config(tmp_path))
    kept = (tmp_path / "agent" / "policy.safetensors").read_bytes()

    def spoil(self):
        with torch.no_grad():
            self.policy.action_net.bias.fill_(float("nan"))

    monkeypatch.setattr(PPO, "train", spoil)
    with pytest.raises(WorldsimError, match="diverged at step.*lower ppo.learning_rate"):
        train(config(tmp_path, steps=512, save_every=10_000))
    with pytest.raises(WorldsimError, match="diverged at step 192"):  # in the very last update
        train(config(tmp_path, steps=192, save_every=10_000))
    assert (tmp_path / "agent" / "policy.safetensors").read_bytes() == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "toys"}, "unknown task 'toys'"),
        ({"inside": "sleep"}, "in=sleep: use dream, real, both"),
        ({"algo": "dqn"}, "algo=dqn: use ppo"),
        ({"film_steps": -1}, "film_steps=-1: use 0"),
        ({"steps": 0}, "steps=0: use 1 or more"),
        ({"num_envs": 0}, "num_envs=0"),
        ({"both": BothConfig(rounds=0)}, "both.rounds=0, both.real_steps=2500: use 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_named(tmp_path, changes, message):
    with pytest.raises(WorldsimError, match=message):
        train(replace(config(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


def test_the_algorithm_may_be_named_on_the_command_line(capsys):
    assert cli.main(["agent", "train", "task=doom/dance", "in=dream", "algo=ppo"]) == 1
    assert "unknown task 'doom/dance'" in capsys.readouterr().err


def test_where_no_film_can_be_made_a_line_says_why_and_the_agent_is_there(tmp_path, capsys):
    assert train(config(tmp_path, steps=64)) == 0
    assert f"no film {tmp_path / 'best_dream.mp4'}: " in capsys.readouterr().out
    assert (tmp_path / "agent/policy.safetensors").exists()


def test_an_agent_is_saved_before_it_is_measured_for_the_last_time(tmp_path, monkeypatch):
    found = [{"mean": 0.0, "low": 0.0, "high": 0.0, "episodes": 1}]  # the first time
    monkeypatch.setattr(callbacks, "measure", lambda *_: found.pop())
    with pytest.raises(IndexError):  # the simulator breaks down the second time
        train(config(tmp_path, eval_every=1000, save_every=1000))
    assert torch.load(tmp_path / STATE, weights_only=True)["steps"] == 128


def test_a_dream_is_learnt_in_without_a_simulator(tmp_path, monkeypatch, capsys):
    """A tiny model with random weights: nothing to learn, but the whole way, by usual settings."""
    make_checkpoint(image_size=64).save(tmp_path / "model")
    dream = replace(TASK, real="toy/Missing-v0", dream="envs:worldsim/DreamDoom-v0")
    monkeypatch.setitem(TASKS, "toy", dream)
    cfg = config(tmp_path / "run", inside="dream", checkpoint=str(tmp_path / "model"), horizon=6,
                 eval_every=AgentTrainConfig.eval_every, film_steps=6)  # fmt: skip
    assert train(cfg) == 0
    warning = 'not measured in the real world: the world "toy" needs Toys: run pip install toys\n'
    assert warning in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").glob("*.mp4")} == {"best_dream.mp4"}
    about = json.loads((tmp_path / "run" / "agent" / "agent.json").read_text())
    assert about["inside"] == "dream" and len(about["model"]) == 64 and about["image_size"] == 64
    evaluate(AgentEvalConfig("toy", str(tmp_path / "run" / "agent"), str(tmp_path / "e.json"),
                             episodes=2, checkpoint=str(tmp_path / "model"),
                             horizon=5))  # fmt: skip
    assert warning in capsys.readouterr().out
    found = json.loads((tmp_path / "e.json").read_text())
    (places,) = found["agents"].values()
    assert "real" not in places
    row = places["dream"]
    assert row["episodes"] == 2 and row["steps"] <= 10 and np.isfinite(row["mean"])
    assert found["meta"]["checkpoint_sha256"] == about["model"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": ["moon"]}, "places=.'moon'.: use real, dream"),
        ({"episodes": 1}, "episodes=1 tell nothing"),
        ({"agents": "nobody"}, "'nobody' is no agent"),
    ],
)
def test_measuring_refuses_what_makes_no_sense(tmp_path, changes, message):
    cfg = AgentEvalConfig("toy", "stay", str(tmp_path / "e.json"), ["real"], episodes=2)
    with pytest.raises(WorldsimError, match=message):
        evaluate(replace(cfg, **changes))


def test_an_agent_of_another_task_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, "other", TASK)
    cfg = AgentEvalConfig("other", str(trained / "agent"), str(tmp_path / "e.json"), ["real"])
    with pytest.raises(WorldsimError, match="was trained on toy, not on other"):
        evaluate(cfg)


def test_stable_baselines_own_checks_pass():
    from stable_baselines3.common.env_checker import check_env

    check_env(gym.make("toy/Colours-v0").unwrapped)
    assert isinstance(gym.make("toy/Colours-v0").unwrapped, Colours)
