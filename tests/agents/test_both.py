import csv
import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from agents import both, collect
from agents.options import AgentTrainConfig, BothConfig, PPOConfig
from agents.play import play
from agents.tasks import TASKS
from agents.train import train
from tests.agents.toy import TASK, Colours, Knowing
from tests.worldsim import tiny
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.train.batch_config import BatchConfig
from worldsim.train.program import TrainConfig
from worldsim.train.world_stage import WorldStageConfig


class Maze(Colours):
    """The coloured world under the name and with the actions of the tiny checkpoint's."""

    def __init__(self, split="train"):
        super().__init__(split, steps=14)
        self.spec_world = tiny.SPEC
        self.observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(len(tiny.SPEC.actions))

    def _see(self):
        return np.full((64, 64, 3), super()._see()[0, 0], np.uint8)


if "toy/Maze-v0" not in gym.registry:
    gym.register("toy/Maze-v0", Maze)


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    tiny.make_checkpoint(image_size=64, painter_width=0).save(tmp_path / "first")
    here = {"real": "tests.agents.test_both:toy/Maze-v0", "dream": "envs:worldsim/DreamDoom-v0"}
    monkeypatch.setitem(TASKS, "toy", replace(TASK, **here))
    batch = BatchConfig(rows=2, window=6, text_length=48, dream_from=1, dream_every=2,
                        dream_lanes=2, dream_depth=4)  # fmt: skip
    world = TrainConfig(batch=batch, stage=WorldStageConfig(steps=2, warmup=1))
    return AgentTrainConfig(
        "toy", "both", str(tmp_path / "run"), steps=128, num_envs=4, stack=2, horizon=5,
        checkpoint=str(tmp_path / "first"), eval_every=64, eval_episodes=2, save_every=32,
        film_steps=4,
        ppo=PPOConfig(n_steps=16, batch_size=32, n_epochs=1), both=BothConfig(2, 40, world),
    )  # fmt: skip


def test_rounds_act_learn_the_world_and_learn_in_it_and_count_what_was_real(cfg, tmp_path):
    assert train(cfg) == 0
    run = tmp_path / "run"
    lived = Dataset(run / "data").episodes
    assert [e.length - 1 for e in lived] == [14, 14, 12, 14, 14, 12], "40 steps a round, no more"
    assert all((run / f"world-{k}/model/transformer").is_dir() for k in range(2))
    about = json.loads((run / "agent/agent.json").read_text())
    assert (about["inside"], about["steps"], about["real_frames"]) == ("dream", 128, 80)
    with (run / "real.csv").open() as file:
        rows = [(int(row["steps"]), int(row["real_frames"])) for row in csv.DictReader(file)]
    assert rows == [(64, 40), (128, 80)]
    with (run / "progress.csv").open() as file:
        steps = [row["time/total_timesteps"] for row in csv.DictReader(file)]
    assert [s for s in steps if s] == ["64", "128"], "the second round adds to the first one's log"
    assert all((run / f"best_{place}.mp4").stat().st_size for place in ("real", "dream"))


def test_a_killed_run_goes_on_in_the_turn_it_was_in(cfg, tmp_path, monkeypatch):
    def killed(config):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(both, "train_world", killed)
        train(cfg)
    before = (tmp_path / "run/data/videos").rglob("*.mp4")
    kept = {path: path.stat().st_mtime_ns for path in before}
    assert len(kept) == 3
    assert train(cfg) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    world = (tmp_path / "run/world-1/model/transformer").iterdir()
    trained = {path: path.stat().st_mtime_ns for path in world}
    assert train(cfg) == 0, "a finished run is finished"
    assert all(path.stat().st_mtime_ns == time for path, time in trained.items())


def test_rounds_may_be_lived_and_dreamed_in_longer_steps(cfg, tmp_path):
    once = replace(cfg, both=replace(cfg.both, rounds=1, real_steps=14, skip=2), steps=64)
    assert train(once) == 0
    assert [e.length - 1 for e in Dataset(tmp_path / "run/data").episodes] == [7, 7]
    about = json.loads((tmp_path / "run/agent/agent.json").read_text())
    assert (about["repeat"], about["real_frames"], about["steps"]) == (2, 28, 64)


def test_other_rounds_are_another_run(cfg):
    assert train(replace(cfg, both=replace(cfg.both, rounds=1), steps=64)) == 0
    with pytest.raises(WorldsimError, match="begun with other steps, rounds: give those again"):
        train(cfg)


def test_what_is_lived_is_what_was_played(tmp_path):
    played = play(Maze(), Knowing(), [5], keep=True)[0]
    lived = collect.live(Maze(), Knowing(), 5, most=100)
    assert np.array_equal(lived.frames, np.stack(played.frames))
    assert lived.actions.tolist() == played.actions and lived.rewards.tolist() == played.rewards
    assert lived.terminated and lived.seed == 5 and lived.pose is None
    cut = collect.live(Maze(), Knowing(), 5, most=3)
    assert len(cut.actions) == 3 and not cut.terminated
