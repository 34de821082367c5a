import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.albums import album_of
from tests.worldsim.train.runs import make_config
from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError
from worldsim.inventor import Inventor
from worldsim.simulator import Simulator
from worldsim.train.inventions import Drawing, Naming, fit_inventor
from worldsim.train.program import train
from worldsim.train.run import RunFolder


@pytest.fixture
def checkpoint():
    """All but what is to learn is random."""
    made = make_checkpoint(invent_width=64)
    torch.manual_seed(0)
    made.network.inventor = Inventor(3, 32, 64, made.network.config.width).requires_grad_(False)
    return made


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


@torch.no_grad()
def errors(checkpoint, album):
    """Of pixels drawn, and nats of a word left out."""
    network, shown = checkpoint.network, album(999, 32)
    picture, drawn = Drawing(network, network.inventor).drawn(shown)
    return float((picture - drawn).abs().mean()), float(Naming(network, network.inventor)(shown))


def test_pictures_are_drawn_and_words_foreseen_and_nothing_else_learns(checkpoint, tmp_path):
    album, other = album_of(checkpoint), album_of(checkpoint, seed=5)
    before, rest = errors(checkpoint, other), checkpoint.network.words.weight.clone()
    rates = {"tiles": 3e-3, "inventor": 3e-3}
    fit_inventor(checkpoint.network, album, folder(tmp_path), 80, pictures=8, rates=rates)
    after = errors(checkpoint, other)
    assert after[0] < 0.9 * before[0] and after[1] < 6.2, "6.77 nats are chance"
    assert torch.equal(rest, checkpoint.network.words.weight)
    assert not any(p.requires_grad for p in checkpoint.network.parameters())


def test_what_was_learnt_is_kept_and_not_learnt_again(checkpoint, tmp_path):
    run, network, album = folder(tmp_path), checkpoint.network, album_of(checkpoint)
    fit_inventor(network, album, run, 4, pictures=2)
    learnt = {name: x.clone() for name, x in network.inventor.state_dict().items()}
    for part in (network.inventor.tiles.up, network.inventor.say):
        torch.nn.init.ones_(part.bias)
    fit_inventor(network, album, run, 4, pictures=2, rates={"tiles": 99.0, "inventor": 99.0})
    assert all(torch.equal(x, learnt[name]) for name, x in network.inventor.state_dict().items())
    (run.path / "inventor-3.safetensors").write_bytes(b"no weights")
    with pytest.raises(WorldsimError, match="inventor-3.safetensors is damaged"):
        fit_inventor(network, album, run, 4)


@pytest.mark.parametrize("killed_in", ["tiles", "inventor"])
def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, killed_in):
    """It is killed when it saves what two updates have learnt."""
    whole = make_checkpoint(invent_width=64)
    fit_inventor(whole.network, album_of(whole), folder(tmp_path / "whole"), 8, pictures=2)
    monkeypatch.setattr("worldsim.train.inventions.SAVE_MINUTES", 0.0)
    run, save = folder(tmp_path / "halves"), RunFolder.save_state

    def killed(self, state, file):
        save(self, state, file)
        if state["step"] == 1 and file.startswith(killed_in):
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "save_state", killed)
    halves = make_checkpoint(invent_width=64)
    with pytest.raises(KeyboardInterrupt):
        fit_inventor(halves.network, album_of(halves), run, 8, pictures=2)
    assert not list(run.path.glob(f"{killed_in}-*.safetensors"))
    monkeypatch.setattr(RunFolder, "save_state", save)
    again = make_checkpoint(invent_width=64)
    fit_inventor(again.network, album_of(again), run, 8, pictures=2)
    mine, theirs = (x.network.inventor.state_dict() for x in (again, whole))
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=1e-4)


def test_without_an_inventor_there_is_nobody_to_learn(tmp_path):
    plain = make_checkpoint(momentum_width=32)
    with pytest.raises(WorldsimError, match="model.invent_width=256"):
        fit_inventor(plain.network, album_of(plain), folder(tmp_path), 3)


def test_damaged_data_stops_it(checkpoint, tmp_path):
    album = album_of(checkpoint)
    album.latents[:] = np.nan
    with pytest.raises(WorldsimError, match="not numbers at update 0"):
        fit_inventor(checkpoint.network, album, folder(tmp_path), 3, pictures=2)


@pytest.mark.parametrize(("steps", "width"), [(2, 0), (0, 256)])
def test_who_asks_for_half_of_it_is_told_before_anything_is_learnt(data, tmp_path, steps, width):
    config = make_config(data, tmp_path / "run")
    config.invent_steps, config.model.invent_width = steps, width
    with pytest.raises(WorldsimError, match=f"invent_steps={steps} model.invent_width={width}"):
        train(config)
    assert not (tmp_path / "run" / "model").exists()


def test_a_finished_run_learns_to_invent_and_all_else_stays_as_it_is(finished, data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=0)
    config.init_from = config.codec_from = str(finished / "model")
    config.invent_steps, config.model.invent_width = 4, 64
    train(config)
    theirs, mine = (Checkpoint.load(x / "model").network for x in (finished, tmp_path / "run"))
    before = theirs.state_dict()
    new = {name for name, x in mine.state_dict().items() if not torch.equal(x, before.get(name, x))}
    added = mine.state_dict().keys() - before.keys()
    assert not new and {name.split(".")[0] for name in added} == {"inventor"}
    Simulator(Checkpoint.load(tmp_path / "run" / "model"), device="cpu").imagine(["a red box"])
