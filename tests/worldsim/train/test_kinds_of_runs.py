"""The real training program on several worlds, and without a painter."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.worldsim.sliding import SPEC
from tests.worldsim.train.runs import make_config, metrics, write_data
from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.train.program import train


def test_one_run_learns_several_worlds_and_has_starts_in_each(data, tmp_path):
    other = replace(SPEC, name="gliding", actions=(*SPEC.actions, "jump"), steps_per_second=16.0)
    write_data(tmp_path / "other", spec=other)
    config = make_config(f"{data},{tmp_path / 'other'}", tmp_path / "run", steps=2)
    config.heldout, config.num_starts = config.data, 4
    config.batch.shares, config.batch.talk_rows = {"sliding": 0.5, "gliding": 0.5}, 2
    config.batch.prose_share, config.stage.count_flops = 0.2, True
    train(config)
    assert (tmp_path / "run" / "prose.json").exists()
    assert all(line["tflops"] > 0 for line in metrics(tmp_path / "run") if "flow" in line)
    assert all(line["talk"] > 0 for line in metrics(tmp_path / "run") if "flow" in line)
    checkpoint = Checkpoint.load(tmp_path / "run" / "model")
    assert {name: len(spec.actions) for name, spec in checkpoint.worlds.items()} == {
        "sliding": 9,
        "gliding": 10,
    }
    assert [start.world for start in checkpoint.starts] == ["sliding"] * 2 + ["gliding"] * 2
    dream = Simulator(checkpoint, num_envs=2, device="cpu")
    dream.reset([checkpoint.starts[0], checkpoint.starts[2]])
    assert dream.step(["forward", "turn left"]).frames.shape == (2, 32, 32, 3)


def test_a_network_without_painter_is_trained_and_dreams_in_several_passes(data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=3)
    config.model.painter_width = config.model.momentum_width = 0
    config.objective.flow_weight, config.num_steps = 1.0, 2
    config.stage.minutes = 1e-9
    train(config)
    config.stage.minutes = 0.0
    train(config)  # goes on where it was
    logs = metrics(tmp_path / "run")
    assert [line["step"] for line in logs] == [1, 2, 3] and "fake" not in logs[0]
    checkpoint = Checkpoint.load(tmp_path / "run" / "model")
    assert checkpoint.network.painter is None and checkpoint.rollout.num_steps == 2


def test_nothing_learns_but_what_is_named(data, finished, tmp_path):
    config = make_config(data, tmp_path / "run", steps=2, only=["painter.rest", "words."])
    config.init_from = config.codec_from = str(finished / "model")
    train(config)
    before, after = (
        Checkpoint.load(path / "model").network.state_dict()
        for path in (finished, tmp_path / "run")
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    named = {".".join(name.split(".")[:2]) for name in changed - {"surprise"}}
    assert named == {"painter.rest", "painter.rest_all", "words.weight"}


def test_a_run_in_which_nothing_would_learn_is_refused(data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=2, only=["brush"])
    with pytest.raises(WorldsimError, match="only=.*brush.*names no parameters.*painter"):
        train(config)
