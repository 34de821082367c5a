"""Runs small enough for tests: one layer, patches without retouching, a few steps."""

from __future__ import annotations

import json
from pathlib import Path

from tests.worldsim.sliding import SIZE, SPEC, walk
from worldsim.data import DatasetWriter
from worldsim.train.program import TrainConfig
from worldsim.world import WorldSpec

WINDOW = 6
STEPS = 5


def write_data(path: Path, num: int = 4, steps: int = 40, spec: WorldSpec = SPEC) -> Path:
    """Write walks over a sliding plane, the second half of each under another sentence."""
    with DatasetWriter(path, spec, SIZE) as writer:
        for seed in range(num):
            episode, _ = walk(seed, steps)
            episode.texts = ["go on"] * (steps // 2) + ["look left"] * (steps - steps // 2)
            episode.rewards[:] = 0.0
            episode.rewards[3] = 1.0
            episode.terminated = bool(seed % 2)
            writer.append(episode)
    return path


def make_config(data: Path | str, out: Path | str, **stage: float) -> TrainConfig:
    """Return a config of a few steps; `stage` changes its last part."""
    config = TrainConfig(data=str(data), out=str(out), codec_options={"keep": 12, "retouch": 0})
    config.codec_stage.frames = config.codec_stage.fit_frames = 60
    model, batch = config.model, config.batch
    model.width, model.depth, model.text_hidden, model.image_hidden = 64, 1, 32, 32
    model.vocab_size, model.momentum_width = 384, 32
    batch.rows, batch.window, batch.text_length, batch.say_share = 2, WINDOW, 48, 0.3
    batch.dream_from, batch.dream_every, batch.dream_lanes, batch.dream_depth = 1, 2, 2, 4
    batch.rest_lanes, batch.rest_depth = 1, 5
    config.stage.steps, config.stage.warmup = STEPS, 2
    for name, value in stage.items():
        assert hasattr(config.stage, name), name
        setattr(config.stage, name, value)
    return config


def metrics(out: Path) -> list[dict[str, float]]:
    """Return what the run wrote down at each step, the time it took left out."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key not in ("frames_per_second", "wait")}
        for line in lines
        if line["step"]
    ]
