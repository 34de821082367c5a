import json
from dataclasses import replace

import pytest

from agents.bench import AgentBenchConfig, bench
from agents.options import PPOConfig
from agents.tasks import TASKS
from tests.agents.toy import TASK
from tests.worldsim.tiny import make_checkpoint
from worldsim.errors import WorldsimError


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    make_checkpoint(image_size=64).save(tmp_path / "model")
    dream = replace(TASK, real="no/World-v0", dream="envs:worldsim/DreamDoom-v0")
    monkeypatch.setitem(TASKS, "toy", dream)
    return AgentBenchConfig(
        "toy", [1, 3], seconds=0.3, learn=1, num_envs=2, checkpoint=str(tmp_path / "model"),
        ppo=PPOConfig(n_steps=4, batch_size=4, n_epochs=1), out=str(tmp_path / "b.json"),
    )  # fmt: skip


def test_speed_is_measured_of_dreams_side_by_side_and_of_learning(cfg, tmp_path, capsys):
    bench(cfg)
    found = json.loads((tmp_path / "b.json").read_text())
    assert set(found["frames_per_second"]) == {"1", "3"}
    assert min(found["frames_per_second"].values()) > 0
    assert found["ppo"]["num_envs"] == 2 and found["ppo"]["frames_per_second"] > 0
    assert 0 < found["ppo"]["dreaming"] < 1
    assert found["meta"]["commit"] and found["meta"]["checkpoint_sha256"]
    assert "3 worlds" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"seconds": 0}, {"batches": []}, {"batches": [0]}])
def test_numbers_that_make_no_sense_are_named(cfg, tmp_path, changes):
    with pytest.raises(WorldsimError, match="seconds=.*batches="):
        bench(replace(cfg, **changes))
    assert not (tmp_path / "b.json").exists()
