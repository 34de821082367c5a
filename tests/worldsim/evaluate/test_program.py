"""The whole evaluation on the sliding world, whose right answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worldsim.sliding import SIZE, SPEC, SlidingDream, walk, write_dataset
from worldsim.data import Dataset, DatasetWriter
from worldsim.errors import WorldsimError
from worldsim.evaluate import program
from worldsim.evaluate.options import EvalConfig, one_world_each
from worldsim.evaluate.program import Evaluation, evaluate
from worldsim.judge import Judge
from worldsim.judge_training import JudgeConfig
from worldsim.metrics import LPIPS
from worldsim.world import WorldSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("eval")
    write_dataset(root / "heldout", range(1000, 1010))
    write_dataset(root / "train", range(24))
    return root


@pytest.fixture(autouse=True)
def _random_lpips(monkeypatch):
    """Random features are a distance too, and need no download."""

    def load() -> LPIPS:
        lpips, generator = LPIPS(), torch.Generator().manual_seed(0)
        for name, value in lpips.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.copy_(noise.abs() if name.startswith("heads") else noise * 0.1)
        return lpips

    monkeypatch.setattr(LPIPS, "load", load)
    colours = np.random.default_rng(0).normal(size=(12, 4))

    def features(network: object, videos: np.ndarray) -> np.ndarray:
        small = videos[:, ::5, ::16, ::16].astype(float) / 255
        return small.reshape(len(videos), -1)[:, :12] @ colours

    monkeypatch.setattr(program, "video_features", features)
    monkeypatch.setattr(program.I3D, "load", lambda: None)


def _config(folder: Path, **changes) -> EvalConfig:
    values = {
        "data": str(folder / "heldout"),
        "train_data": str(folder / "train"),
        "out": str(folder / "eval.json"),
        "num_windows": 6,
        "context": 4,
        "horizons": [1, 4, 12],
        "judge_config": JudgeConfig(channels=8, num_steps=150, batch_size=48),
        "control_steps": 8,
        "drift_steps": 40,
        "drift_starts": 3,
        "sentence_starts": 2,
        "num_envs": 4,
    }
    return EvalConfig(**(values | changes))


def _run(folder: Path, parts: list[str] | None = None, **kind) -> dict:
    cfg = _config(folder, **({"parts": parts} if parts else {}))
    dataset = Dataset(cfg.data)
    return Evaluation(cfg, dataset, SlidingDream(dataset, cfg.num_envs, **kind)).run()


def test_worlds_are_evaluated_one_by_one_with_what_was_learnt_of_each(folder, tmp_path):
    other = replace(SPEC, name="gliding")
    for name in ("heldout", "train"):
        with DatasetWriter(tmp_path / name, other, SIZE) as writer:
            writer.append(walk(5000 if name == "train" else 6000, 60)[0])
    cfg = _config(
        folder,
        data=f"{folder / 'heldout'},{tmp_path / 'heldout'}",
        train_data=f"{tmp_path / 'train'},{folder / 'train'}",
        judge="judges",
    )
    parts = one_world_each(cfg)
    assert {n: (p.data, p.train_data, p.judge) for n, p in parts.items()} == {
        "sliding": (str(folder / "heldout"), str(folder / "train"), "judges/sliding"),
        "gliding": (str(tmp_path / "heldout"), str(tmp_path / "train"), "judges/gliding"),
    }
    with pytest.raises(WorldsimError, match="has nothing of 'gliding'"):
        one_world_each(replace(cfg, train_data=str(folder / "train")))
    with pytest.raises(WorldsimError, match="has 'sliding' twice"):
        one_world_each(_config(folder, data=f"{folder / 'heldout'},{folder / 'heldout'}"))


def test_a_second_world_joins_the_first_in_one_file(folder, tmp_path):
    first = _run(folder, ["drift"])
    cfg = _config(folder, parts=["shuffle"], out=str(tmp_path / "eval.json"))
    dataset, worlds = Dataset(cfg.data), dict(other=first["worlds"]["sliding"])
    run = Evaluation(cfg, dataset, SlidingDream(dataset, cfg.num_envs))
    result = run.run(worlds, "both", tmp_path / "report")
    assert result["worlds"].keys() == {"other", "sliding"} and result["meta"]["dataset"] == "both"
    assert json.loads((tmp_path / "eval.json").read_text()) == result
    assert (tmp_path / "report" / "report.html").exists()


def test_a_dream_that_is_right_gets_full_marks_under_the_promised_keys(folder):
    result = _run(folder)
    assert json.loads((folder / "eval.json").read_text()) == result
    assert {"commit", "checkpoint_sha256", "seed", "machine", "torch", "date", "dataset"} <= set(
        result["meta"]
    )
    world = result["worlds"]["sliding"]
    for group in ("video", "video_maps", "video_heldout_maps"):
        rows = [world[group][horizon] for horizon in ("1", "4", "12")]
        assert all(row["lpips_ratio"] < 0.2 for row in rows[1:])
        assert all(row["model"]["psnr"] > row["repeat_last"]["psnr"] + 5 for row in rows)
        assert rows[-1]["shuffled"]["ssim"] < rows[-1]["model"]["ssim"]
        assert rows[-1]["codec"]["lpips"] == pytest.approx(0, abs=1e-6)
    assert world["fvd_i3d"]["model"] < 0.2 * world["fvd_i3d"]["repeat_last"]
    for crowd in (world["fvd_i3d"], world["frechet_alexnet"]):
        assert crowd["codec"] <= crowd["model"] < crowd["repeat_last"]
        assert crowd["codec"] < crowd["shuffled"]
    assert "| judge's accuracy" in (folder / "eval.md").read_text()
    frames = world["frechet_alexnet"]
    assert frames["model"] < 0.5 * frames["repeat_last"] and frames["frames"] == 72
    assert world["control"]["real"] > 0.7 and world["control"]["ratio"] > 0.9
    assert set(world["control"]["axes"]) == {"forward/back", "turn left/turn right"}
    motion = world["motion"]
    assert motion["off"]["degrees"] < 0.5 * motion["still"]["degrees"]
    assert all(gain == pytest.approx(1, abs=0.25) for gain in motion["gain"].values())
    assert world["shuffle_ratio"] > 1.3
    said = world["sentences"]
    assert said["seen"] > 0.7 and said["unseen"] > 0.7
    assert said["trials"]["seen"] >= said["trials"]["key"] > 0
    motion = said["motion"]
    assert motion["seen"]["degrees"] < 0.5 * motion["still"]["degrees"]
    counted, plain = world["lasting"]["counted"], world["lasting"]["plain"]
    assert counted["during"] > 0.6 and counted["after"] < 0.3 < 0.6 < plain["after"]
    assert world["drift"]["inside"] > 0.6 and len(world["drift"]["over_time"]) == 10
    again = world["drift"]["again"]
    assert again["inside"] > 0.6 and again["begun"] == pytest.approx(4 / 3), "one of three, 4 times"
    assert world["rest"]["10"] < 0.05 < world["rest"]["elsewhere"]
    page = (folder / "eval" / "report.html").read_text()
    pictures = {p.name for p in (folder / "eval").glob("*.png")}
    assert pictures == {name for name in pictures if f"src='{name}'" in page}
    assert {"video_sheet.png", "video_curves.png", "drift.png"} <= pictures
    assert "1000-step" not in page and "40-step dreams" in page
    assert "the real world&#x27;s own" in page and "ends of episodes" in page
    assert "Held-out places" in page and "Known maps, new paths" in page


def test_a_dream_deaf_to_the_keys_is_found_out(folder):
    world = _run(folder, ["control", "shuffle", "sentences"], deaf=True)["worlds"]["sliding"]
    assert world["control"]["ratio"] < 0.6
    assert world["motion"]["gain"]["turn"] < 0.5
    assert world["shuffle_ratio"] == pytest.approx(1.0)
    said = world["sentences"]
    assert said["unseen"] < 0.5 and world["lasting"]["plain"]["during"] < 0.5
    assert said["motion"]["seen"]["degrees"] < 0.1  # its keys do nothing either


def test_a_dream_of_noise_is_found_out(folder):
    world = _run(folder, ["video", "drift"], noisy=True)["worlds"]["sliding"]
    assert world["drift"]["inside"] == 0 and world["drift"]["inside_real"] > 0.8
    assert world["video"]["12"]["lpips_ratio"] > 0.8


def test_the_judge_is_trained_once_and_kept(folder, monkeypatch):
    _run(folder, ["control"])
    assert (folder / "heldout" / "judge" / "judge.json").exists()
    for train in ("train_judge", "train_odometer"):
        monkeypatch.setattr(f"worldsim.evaluate.prepare.{train}", lambda *_: pytest.fail("again"))
    _run(folder, ["control"])


def test_the_program_reads_a_checkpoint_and_prints_what_matters(folder, monkeypatch, capsys):
    class Simulator:
        @staticmethod
        def from_pretrained(path, num_envs, device):
            assert path == "some/checkpoint" and device is None
            return SlidingDream(Dataset(folder / "heldout"), num_envs)

    monkeypatch.setattr(program, "Simulator", Simulator)
    evaluate(_config(folder, checkpoint="some/checkpoint", parts=["video", "shuffle"]))
    printed = capsys.readouterr().out
    assert "video +12: LPIPS" in printed and "shuffled actions" in printed


SCHEMAS = [
    ({"actions": (*SPEC.actions, "jump")}, "action 9 'jump'"),
    ({"steps_per_second": 20.0}, "20.0 steps a second"),
    ({"metres_per_unit": 0.5}, "0.5 m a unit"),
]


def _one_walk(path: Path, spec: WorldSpec) -> str:
    with DatasetWriter(path, spec, SIZE) as writer:
        writer.append(walk(1000, 60)[0])
    return str(path)


@pytest.mark.parametrize(("changes", "says"), SCHEMAS)
def test_data_of_another_action_schema_than_the_checkpoints_is_refused(
    folder, tmp_path, monkeypatch, changes, says
):
    dream = SlidingDream(Dataset(folder / "heldout"))
    monkeypatch.setattr(program.Simulator, "from_pretrained", lambda *_, **__: dream)
    data = _one_walk(tmp_path / "data", replace(SPEC, **changes))
    with pytest.raises(WorldsimError, match=f"data has {says}, the checkpoint has .*: evaluate on"):
        evaluate(_config(folder, data=data, train_data="", out=str(tmp_path / "eval.json")))


@pytest.mark.parametrize(("changes", "says"), SCHEMAS)
def test_training_data_of_another_action_schema_is_refused(folder, tmp_path, changes, says):
    train_data = _one_walk(tmp_path / "train", replace(SPEC, **changes))
    with pytest.raises(WorldsimError, match=f"train_data=.* has {says}, .*heldout has"):
        one_world_each(_config(folder, train_data=train_data))


@pytest.mark.parametrize(("changes", "says"), [*SCHEMAS, ({"name": "moon"}, "the world 'moon'")])
def test_a_judge_of_another_action_schema_is_refused(folder, tmp_path, changes, says):
    spec = replace(SPEC, **changes)
    Judge(spec, 8).save(tmp_path / "judge")
    cfg = _config(folder, parts=["control"], judge=str(tmp_path / "judge"))
    dataset = Dataset(cfg.data)
    with pytest.raises(WorldsimError, match=f"the judge in .* has {says}, .*: remove that folder"):
        Evaluation(cfg, dataset, SlidingDream(dataset))


def test_mazes_that_were_trained_on_are_refused(folder):
    cfg = _config(folder, train_data=str(folder / "heldout"))
    dataset = Dataset(cfg.data)
    with pytest.raises(WorldsimError, match="too: evaluate on data collected with split=heldout"):
        Evaluation(cfg, dataset, SlidingDream(dataset))


def test_frames_smaller_than_the_models_are_refused(folder):
    cfg, dataset = _config(folder), Dataset(folder / "heldout")
    simulator = SlidingDream(dataset)
    simulator.image_size = 2 * SIZE
    with pytest.raises(WorldsimError, match="image_size=64"):
        Evaluation(cfg, dataset, simulator)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"parts": ["vidoe"]}, "unknown part 'vidoe'"),
        ({"horizons": []}, "horizons"),
        ({"num_windows": 0}, "num_windows=0"),
        ({"context": 1}, "context=1"),
    ],
)
def test_values_that_make_no_sense_are_refused(folder, wrong, message):
    with pytest.raises(WorldsimError, match=message):
        evaluate(_config(folder, **wrong))
