import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config
from worldsim.advection import FAR, WORN
from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.train.inventions import NOTHING, Album, Shown, draw_worn, fit_inventor, wrong
from worldsim.train.latents import Track
from worldsim.train.program import train
from worldsim.train.run import RunFolder

PIXELS = 3, 32, 32
BALL = {"things": [{"name": "ball", "colour": "red", "distance": 2.0, "bearing": 0.0}]}


@pytest.fixture
def checkpoint():
    made = make_checkpoint(invent_width=96)
    for layer in (made.network.inventor.draw,):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return made


def album_of(checkpoint, seed=0, colours=(-0.6, 0.6), **known):
    """Two episodes, each of one colour."""
    canvas, frames = checkpoint.network.canvas, 12
    rough = torch.rand(2 * frames, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 0.3
    pictures = F.interpolate(rough, (32, 32), mode="bicubic")
    pictures += torch.tensor(colours).repeat_interleave(frames)[:, None, None, None]
    latents = canvas.read(pictures).numpy().astype(np.float16)
    tracks = [
        Track(start=k * frames, actions=[[7]] * (frames - 1), sentences=[[]] * (frames - 1),
              stretch=[0] * (frames - 1), answers=[0] * frames, world=f"world {k}",
              prompt=[5, 6], **known)
        for k in range(2)
    ]  # fmt: skip
    return Album(latents, tracks, checkpoint.tokenizer, {}, PIXELS, seed=1)


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def error(checkpoint, album):
    with torch.no_grad():
        return float(wrong(checkpoint.network, checkpoint.network.inventor, album(999, 32)))


def test_what_pictures_look_like_is_learnt_and_nothing_else_is(checkpoint, tmp_path):
    album, other = album_of(checkpoint), album_of(checkpoint, seed=5)
    before, rest = error(checkpoint, other), checkpoint.network.words.weight.clone()
    fit_inventor(checkpoint.network, album, folder(tmp_path), 40, pictures=16, rate=3e-3)
    assert error(checkpoint, other) < 0.8 * before
    assert torch.equal(rest, checkpoint.network.words.weight)
    assert not any(p.requires_grad for p in checkpoint.network.parameters())


def test_what_was_learnt_is_kept_and_not_learnt_again(checkpoint, tmp_path):
    run, network, album = folder(tmp_path), checkpoint.network, album_of(checkpoint)
    fit_inventor(network, album, run, 2, pictures=2)
    learnt = {name: x.clone() for name, x in network.inventor.state_dict().items()}
    torch.nn.init.ones_(network.inventor.draw.bias)
    fit_inventor(network, album, run, 2, pictures=2, rate=99.0)
    assert all(torch.equal(x, learnt[name]) for name, x in network.inventor.state_dict().items())
    (run.path / "inventor-2.safetensors").write_bytes(b"no weights")
    with pytest.raises(WorldsimError, match="inventor-2.safetensors is damaged"):
        fit_inventor(network, album, run, 2)


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    """It is killed when it saves what four updates have learnt."""
    whole, halves = (make_checkpoint(invent_width=96) for _ in range(2))
    fit_inventor(whole.network, album_of(whole), folder(tmp_path / "whole"), 6, pictures=2)
    monkeypatch.setattr("worldsim.train.inventions.SAVE_MINUTES", 0.0)
    run, save = folder(tmp_path / "halves"), RunFolder.save_state

    def killed(self, state, file):
        save(self, state, file)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_inventor(halves.network, album_of(halves), run, 6, pictures=2)
    assert not list(run.path.glob("*.safetensors"))
    again = make_checkpoint(invent_width=96)
    fit_inventor(again.network, album_of(again), run, 6, pictures=2)
    mine, theirs = (x.network.inventor.state_dict() for x in (again, whole))
    for name, value in mine.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=1e-5)


def test_without_an_inventor_there_is_nobody_to_learn(tmp_path):
    plain = make_checkpoint(momentum_width=32)
    with pytest.raises(WorldsimError, match="model.invent_width=96"):
        fit_inventor(plain.network, album_of(plain), folder(tmp_path), 3)


def test_damaged_data_stops_it(checkpoint, tmp_path):
    album = album_of(checkpoint)
    album.latents[:] = np.nan
    with pytest.raises(WorldsimError, match="not numbers at update 0"):
        fit_inventor(checkpoint.network, album, folder(tmp_path), 3, pictures=2)


def test_an_album_shows_the_same_at_the_same_step_and_likens_what_is_of_one_place(checkpoint):
    album = album_of(checkpoint)
    shown, again, other = album(3, 64), album(3, 64), album(4, 64)
    assert all(torch.equal(a, b) for a, b in zip(shown, again, strict=True))
    assert not torch.equal(shown.noise, other.noise)
    assert shown.levels.min() > 0 and shown.levels.max() < 1
    draw = checkpoint.network.canvas.draw
    first, second = (draw(x).mean(dim=(1, 2, 3)) for x in (shown.latents, shown.like))
    assert (first.sign() == second.sign()).all() and not torch.equal(first, second)
    assert set(shown.words.tolist()[0]) <= {6, NOTHING}, "the first word of a prompt is not heard"


def test_captions_are_heard(checkpoint):
    album = album_of(checkpoint, facts=[json.dumps(BALL)] * 12)
    ball = checkpoint.tokenizer.encode("a red ball")[-1]
    assert 0.2 < (album(0, 200).words == ball).any(dim=1).float().mean() < 0.6


def test_pictures_are_worn_in_all_the_ways_that_dreams_wear_them():
    worn, source = draw_worn(400, 32, np.random.default_rng(0))
    assert worn.shape == (400, 1, 32, 32) and worn.min() == 0 and worn.max() == WORN
    line = np.arange(32)
    straight = (source == line).all(axis=2)
    assert straight.any(axis=1).all(), "at most one side is out of sight"
    assert 0.4 < (~straight.all(axis=1)).mean() < 0.6
    blank = (worn == WORN).all(axis=(1, 2, 3))
    assert 0.08 < blank.mean() < 0.25
    for k in np.flatnonzero(~straight.all(axis=1) & ~blank)[:20]:
        axis = int(np.flatnonzero(~straight[k])[0])
        beyond = source[k, axis] != line
        deep = np.log2(1 + np.abs(line - source[k, axis]) / 2)[beyond] - 1
        seen = worn[k, 0].min(axis=1 - axis)[beyond]
        assert (seen >= deep.clip(max=FAR)).all(), "and the less is known the farther off"


def test_what_lies_beyond_an_edge_is_a_mirror(checkpoint):
    """What is seen of a frame is asked of whoever is to find it again."""
    network, album, seen = checkpoint.network, album_of(checkpoint), []
    shown = album(0, 2)
    source = torch.arange(32).repeat(2, 2, 1)
    source[:, 1, 24:] = torch.arange(23, 15, -1)
    shown = Shown(*shown)._replace(source=source, worn=torch.zeros_like(shown.worn))
    wrong(network, lambda noisy, levels, hint: seen.append(hint.picture) or noisy, shown)
    picture = network.canvas.draw(shown.latents)
    torch.testing.assert_close(seen[0][..., :24], picture[..., :24])
    torch.testing.assert_close(seen[0][..., 24:], picture[..., 16:24].flip(-1))


@pytest.mark.parametrize(("steps", "width"), [(2, 0), (0, 96)])
def test_who_asks_for_half_of_it_is_told_before_anything_is_learnt(data, tmp_path, steps, width):
    config = make_config(data, tmp_path / "run")
    config.invent_steps, config.model.invent_width = steps, width
    with pytest.raises(WorldsimError, match=f"invent_steps={steps} model.invent_width={width}"):
        train(config)
    assert not (tmp_path / "run" / "model").exists()


def test_a_finished_run_learns_to_invent_and_all_else_stays_as_it_is(finished, data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=0)
    config.init_from = config.codec_from = str(finished / "model")
    config.invent_steps, config.model.invent_width = 2, 96
    train(config)
    theirs, mine = (Checkpoint.load(x / "model").network for x in (finished, tmp_path / "run"))
    before = theirs.state_dict()
    new = {name for name, x in mine.state_dict().items() if not torch.equal(x, before.get(name, x))}
    added = mine.state_dict().keys() - before.keys()
    assert not new and {name.split(".")[0] for name in added} == {"inventor"}
    assert mine.inventor.draw.bias.any(), "which begins as nothing"
    Simulator(Checkpoint.load(tmp_path / "run" / "model"), device="cpu").imagine(["a red box"])
