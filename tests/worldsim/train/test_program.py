"""The real training program on a tiny dataset."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worldsim.sliding import SIZE, SPEC, walk
from tests.worldsim.train.runs import STEPS, WINDOW, make_config, metrics, write_data
from worldsim.checkpoint import Checkpoint, Start, weights_id
from worldsim.data import DatasetWriter
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.train import program
from worldsim.train.program import train
from worldsim.train.run import RunFolder


class Killed(BaseException):
    """The process was killed here."""


def state(out):
    return torch.load(out / "state.pt", weights_only=True)


def same(one, other):
    """Compare nested states bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def same_run(out, finished):
    """Whether a run ended bit for bit where another one did, having logged every step once."""
    mine, theirs = state(out), state(finished)
    mine.pop("seconds"), theirs.pop("seconds")
    return (
        same(mine, theirs)
        and weights_id(out / "model") == weights_id(finished / "model")
        and metrics(out) == metrics(finished)
    )


@pytest.fixture
def stopped(data, tmp_path):
    """The folder of a run whose time was over after its first step."""
    train(make_config(data, tmp_path / "run", minutes=1e-9))
    assert state(tmp_path / "run")["step"] == 1
    return tmp_path / "run"


def test_a_run_leaves_a_checkpoint_that_dreams(finished, data):
    steps = [line["step"] for line in metrics(finished)]
    assert steps == list(range(1, STEPS + 1))
    assert {"loss", "flow", "text", "rate", "gradient"} <= metrics(finished)[0].keys()
    assert any((finished / "tensorboard").iterdir())
    checkpoint = Checkpoint.load(finished / "model")
    assert checkpoint.rollout.window == WINDOW and checkpoint.starts == []
    assert list(checkpoint.worlds) == ["sliding"]
    dream = Simulator(checkpoint, device="cpu")
    frames = np.zeros((1, 32, 32, 3), np.uint8)
    dream.reset([Start("black", "sliding", frames, [])])
    assert dream.step(["forward"]).frames.shape == (1, 32, 32, 3)


def test_the_averaged_weights_are_what_ships(finished):
    shipped = dict(Checkpoint.load(finished / "model").network.named_parameters())
    saved = state(finished)
    averages = dict(zip(shipped, saved["ema"]["shadow_params"], strict=True))
    assert all(torch.equal(shipped[name], averages[name].half().float()) for name in shipped)
    assert not same({name: saved["network"][name] for name in shipped}, averages)


def test_a_sheet_shows_real_above_dreamed_frames(finished):
    (sheet,) = (finished / "samples").glob("*.png")
    assert sheet.name == f"step-{STEPS:06d}.png"
    pixels = np.asarray(Image.open(sheet))
    assert pixels.shape == (2 * 4 * 32 * 2, 7 * 32 * 2, 3)  # pairs of four clips, seven columns
    assert pixels.std() > 1


def test_the_same_seed_trains_the_same_weights_and_another_seed_does_not(data, finished, tmp_path):
    train(make_config(data, tmp_path / "again"))
    assert same_run(tmp_path / "again", finished)
    config = make_config(data, tmp_path / "other")
    config.seed = 1
    train(config)
    assert weights_id(tmp_path / "other" / "model") != weights_id(finished / "model")


def test_a_run_stopped_in_time_and_resumed_is_the_run_uninterrupted(data, finished, stopped):
    train(make_config(data, stopped))
    assert same_run(stopped, finished)
    train(make_config(data, stopped))  # nothing is left to do
    assert same_run(stopped, finished)


@pytest.mark.parametrize("killed_at", [1, 3, STEPS])
def test_a_killed_run_resumes_as_if_nothing_had_happened(
    data, finished, tmp_path, monkeypatch, killed_at
):
    """Sheets and checkpoints at every step; the kill comes before a step's own is written."""
    log = RunFolder.log

    def mortal(run, step, values):
        log(run, step, values)
        if step == killed_at:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", mortal)
        with pytest.raises(Killed):
            train(make_config(data, tmp_path, save_minutes=0, sample_minutes=0))
    assert len(list((tmp_path / "samples").glob("*.png"))) == killed_at - 1
    train(make_config(data, tmp_path))
    assert same_run(tmp_path, finished)


@pytest.mark.parametrize("killed_in", ["fit_codec", "encode_dataset", "WorldStage"])
def test_a_run_killed_before_its_first_step_begins_as_if_nothing_had_happened(
    data, finished, tmp_path, monkeypatch, killed_in
):
    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(program, killed_in, kill)
        with pytest.raises(Killed):
            train(make_config(data, tmp_path))
    train(make_config(data, tmp_path))
    assert same_run(tmp_path, finished)


def test_a_batch_that_is_not_finite_stops_the_run_and_spoils_nothing(data, stopped):
    latents = np.load(stopped / "latents.npy", mmap_mode="r+")
    latents[:] = np.nan
    latents.flush()
    before = {p: p.read_bytes() for p in stopped.rglob("*.safetensors")}
    before[stopped / "state.pt"] = (stopped / "state.pt").read_bytes()
    with pytest.raises(WorldsimError, match="not finite at step 1 .*last good checkpoint.*intact"):
        train(make_config(data, stopped))
    assert all(path.read_bytes() == content for path, content in before.items())
    assert Checkpoint.load(stopped / "model")


def test_start_clips_come_from_the_held_out_data(data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=1)
    config.heldout, config.num_starts = str(write_data(tmp_path / "heldout", 2)), 2
    train(config)
    starts = Checkpoint.load(tmp_path / "run" / "model").starts
    assert [start.frames.shape for start in starts] == [(WINDOW, 32, 32, 3)] * 2
    assert [len(start.actions) for start in starts] == [WINDOW - 1] * 2


def test_a_run_can_begin_with_the_words_weights_and_codec_of_another(data, finished, tmp_path):
    config = make_config(data, tmp_path, steps=1, rate=0.0, weight_decay=0.0)
    config.init_from = config.codec_from = str(finished / "model")
    config.codec, config.model.vocab_size = "conv", 400  # the other's count
    train(config)
    mine, theirs = (Checkpoint.load(folder / "model") for folder in (tmp_path, finished))
    assert same(dict(mine.network.state_dict()), dict(theirs.network.state_dict()))
    assert same(dict(mine.codec.state_dict()), dict(theirs.codec.state_dict()))
    words = [(folder / "tokenizer.json").read_text() for folder in (tmp_path, finished)]
    assert words[0] == words[1]
    train(config)


def test_a_run_can_begin_as_a_model_of_shorter_steps_but_not_learn_of_both(finished, tmp_path):
    rate = SPEC.steps_per_second
    long = replace(SPEC, skip=4, steps_per_second=rate / 4)
    config = make_config(write_data(tmp_path / "long", 1, spec=long), tmp_path / "run", steps=1)
    config.init_from = config.codec_from = str(finished / "model")
    train(config)
    assert Checkpoint.load(tmp_path / "run" / "model").worlds[SPEC.name].skip == 4
    config.data += f",{write_data(tmp_path / 'usual', 1)}"
    config.out = str(tmp_path / "other")
    with pytest.raises(WorldsimError, match=f"{rate} steps a second"):
        train(config)


def test_parts_that_the_first_weights_lack_are_added_and_say_nothing_yet(data, tmp_path):
    plain = make_config(data, tmp_path / "plain", steps=1)
    plain.model.match_width = plain.model.momentum_width = plain.model.stem_width = 0
    plain.model.may_rest = plain.model.may_appear = plain.model.hears = False
    train(plain)
    path = tmp_path / "plain/model/transformer/config.json"
    sizes = json.loads(path.read_text())
    for part in ("may_rest", "may_appear", "hears", "glance_width"):
        del sizes[part]  # as in a checkpoint from before there were any
    path.write_text(json.dumps(sizes))
    config = make_config(data, tmp_path / "more", steps=1, rate=0.0, weight_decay=0.0)
    config.model.glance_width = 8
    config.init_from = config.codec_from = str(tmp_path / "plain" / "model")
    train(config)
    theirs, mine = (Checkpoint.load(tmp_path / x / "model").network for x in ("plain", "more"))
    weights = dict(mine.state_dict())
    shared = {name: weights.pop(name) for name in theirs.state_dict()}
    assert same(shared, dict(theirs.state_dict()))
    added = {"painter", "momentum", "stem", "hearing", "glance"}
    assert {name.split(".")[0] for name in weights} == added
    for part in ("match_width", "momentum_width"):
        assert mine.config[part] == getattr(config.model, part) > 0
    assert not mine.painter.keep.weight.any()
    assert not mine.painter.told.weight.any() and not mine.momentum.change.weight.any()
    assert not mine.stem.out.weight.any()
    assert not mine.hearing.second.weight.any() and not mine.painter.rest_all[2].weight.any()


def test_a_mistake_in_time_does_not_cost_the_run_its_folder(data, finished, tmp_path):
    config = make_config(data, tmp_path)
    config.batch.window = 99
    with pytest.raises(WorldsimError):
        train(config)
    train(make_config(data, tmp_path))
    assert same_run(tmp_path, finished)


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


@pytest.mark.parametrize("content", [b"", b"no state at all", None, "keys"])
def test_a_damaged_state_is_named_and_the_model_stays(data, copied, content):
    path = copied / "state.pt"
    if content == "keys":
        torch.save({"step": 3}, path)
    else:
        path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with pytest.raises(WorldsimError, match="state.pt.*delete it to start"):
        train(make_config(data, copied))
    assert Checkpoint.load(copied / "model")


@pytest.mark.parametrize(
    ("name", "message"),
    [("latents.npy", "latents.npy is damaged"), ("config.yaml", "config.yaml is damaged"),
     ("tokenizer.json", "tokenizer.json"), ("codec/kind.json", "codec/kind.json")],
)  # fmt: skip
def test_other_damaged_files_of_a_run_are_named(data, copied, name, message):
    (copied / name).write_bytes(b"{ : not [ what it was")
    with pytest.raises(WorldsimError, match=message):
        train(make_config(data, copied))


def test_a_finished_run_fits_what_sentences_mean_and_nothing_else(finished, tmp_path, capsys):
    with DatasetWriter(tmp_path / "data", SPEC, SIZE) as writer:
        for seed in range(3):
            episode, _ = walk(seed, 40)
            episode.texts = [f"please {SPEC.action_text(action)}" for action in episode.actions]
            writer.append(episode)
    config = make_config(tmp_path / "data", tmp_path / "run", steps=0)
    config.init_from = config.codec_from = str(finished / "model")
    config.meaning_steps = 5
    train(config)
    assert "sentences are heard as what was done during them" in capsys.readouterr().out
    theirs, mine = (Checkpoint.load(x / "model").network for x in (finished, tmp_path / "run"))
    weights = mine.state_dict()
    changed = {k for k, value in theirs.state_dict().items() if not torch.equal(value, weights[k])}
    assert changed and {name.split(".")[0] for name in changed} == {"hearing"}
