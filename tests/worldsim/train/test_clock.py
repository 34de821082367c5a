"""What a run's clock counts, and how the rate goes by it."""

from __future__ import annotations

import json
import time

import pytest
import torch

from tests.worldsim.train.runs import STEPS, WINDOW, make_config
from worldsim.errors import WorldsimError
from worldsim.train import world_stage
from worldsim.train.batches import Batches
from worldsim.train.program import train

SLOW = 0.3  # seconds


def logged(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][-STEPS:]


def slow_down(monkeypatch):
    """Make every batch take its time."""
    build = Batches.__call__

    def late(self, step):
        time.sleep(SLOW)
        return build(self, step)

    monkeypatch.setattr(Batches, "__call__", late)


def test_waiting_for_the_loader_is_logged_and_counts_as_time(data, tmp_path, monkeypatch):
    slow_down(monkeypatch)
    update = world_stage.WorldStage.update
    spent = []

    def timed(self, *batch):
        began = time.monotonic()
        logs = update(self, *batch)
        spent.append(time.monotonic() - began)
        return logs

    monkeypatch.setattr(world_stage.WorldStage, "update", timed)
    train(make_config(data, tmp_path, prefetch=1))
    lines = logged(tmp_path)
    assert lines[0]["wait"] > 0.9 * SLOW
    for line, own in zip(lines, spent, strict=True):
        assert line["frames_per_second"] <= 2 * WINDOW / (line["wait"] + own)
    seconds = torch.load(tmp_path / "state.pt", weights_only=True)["seconds"]
    assert seconds >= sum(line["wait"] for line in lines) + sum(spent)


def test_batches_are_made_while_others_are_learnt_from(data, tmp_path, monkeypatch):
    """As many at a time as there are threads: the wait is a share of what a batch takes."""
    slow_down(monkeypatch)
    train(make_config(data, tmp_path, prefetch=STEPS, loaders=STEPS + 1))
    assert sum(line["wait"] for line in logged(tmp_path)) < 0.6 * STEPS * SLOW


@pytest.mark.parametrize("setting", [{"prefetch": 0}, {"loaders": 0}])
def test_without_anybody_to_make_batches_nothing_begins(data, tmp_path, setting):
    (name,) = setting
    with pytest.raises(WorldsimError, match=f"stage.{name}=0.*use 1 or more"):
        train(make_config(data, tmp_path, **setting))


def test_a_budget_cools_the_rate_down_and_ends_the_run_however_many_steps_are_left(
    data, tmp_path, monkeypatch
):
    """By a clock on which every update takes six seconds; a resume does not start it again."""
    now = [0.0]
    update = world_stage.WorldStage.update

    def slow(self, *batch):
        now[0] += 6.0
        return update(self, *batch)

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    monkeypatch.setattr(world_stage, "time", Clock)
    monkeypatch.setattr(world_stage.WorldStage, "update", slow)
    settings = {"steps": 1000, "budget": 1.0, "cooldown": 0.5, "warmup": 1, "rate": 1e-3}
    train(make_config(data, tmp_path, **settings, minutes=0.35))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 4
    train(make_config(data, tmp_path, **settings))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    rates = [line["rate"] for line in lines if line["step"]]
    assert rates == pytest.approx([1e-3] * 6 + [0.8e-3, 0.6e-3, 0.4e-3, 0.2e-3])
    train(make_config(data, tmp_path, **settings))  # nothing is left to do
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 10


def test_steps_come_first_where_they_end_before_the_budget(data, finished, tmp_path):
    train(make_config(data, tmp_path, budget=600.0))
    rates = [[line["rate"] for line in logged(out)] for out in (tmp_path, finished)]
    assert rates[0] == pytest.approx(rates[1])
