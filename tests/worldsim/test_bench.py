from __future__ import annotations

import json

import pytest

from tests.worldsim.sliding import SlidingDream, write_dataset
from worldsim import bench as module
from worldsim.bench import BenchConfig, bench, measure
from worldsim.errors import WorldsimError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "d", range(1, 4), steps=6)


def test_bench_writes_every_promised_figure(dataset, tmp_path, monkeypatch, capsys):
    class Simulator:
        @staticmethod
        def from_pretrained(path, num_envs, num_steps, device):
            return SlidingDream(dataset, num_envs)

    monkeypatch.setattr(module, "Simulator", Simulator)
    out = tmp_path / "bench.json"
    bench(BenchConfig(out=str(out), seconds=0.2, frames=130, batches=[1, 2]))
    found = json.loads(out.read_text())
    assert found["fps"] > 0 and found["first_frame_s"] > 0 and found["peak_memory_mb"] > 1
    assert found["latency_ms"]["p50"] <= found["latency_ms"]["p95"] <= found["latency_ms"]["max"]
    assert found["stage_ms"] == {"denoise": 2.0, "commit": 1.0, "decode": 1.0}
    assert sum(found["stage_share"].values()) == pytest.approx(1.0)
    assert set(found["batched_fps"]) == {"1", "2"}
    assert set(found["flat_cost_ms"]) == {"100", "130"}
    assert {"commit", "checkpoint_sha256", "seed", "machine", "torch", "date", "dataset"} <= set(
        found["meta"]
    )
    assert "frames/s" in capsys.readouterr().out


def test_a_rollout_that_grows_dearer_is_found_out(dataset):
    class Growing(SlidingDream):
        """Every step looks at the whole past; the past is part of the state."""

        age = 0

        def step(self, actions):
            self.age += 1
            sum(i * i for i in range(40 * self.age))
            return super().step(actions)

        def snapshot(self):
            return super().snapshot(), self.age

        def restore(self, snapshot):
            super().restore(snapshot[0])
            self.age = snapshot[1]

    config = BenchConfig(seconds=0.05, frames=600, batches=[1])
    assert measure(config, lambda count: Growing(dataset, count))["flat_cost_ratio"] > 1.5


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"frames": 0}, {"batches": []}])
def test_values_that_make_no_sense_are_refused(wrong):
    with pytest.raises(WorldsimError, match="more"):
        bench(BenchConfig(**wrong))


def test_an_unwritable_output_is_found_before_the_work(tmp_path):
    with pytest.raises(WorldsimError, match="is a folder"):
        bench(BenchConfig(out=str(tmp_path)))
