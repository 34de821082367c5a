import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from tests.worldsim.train.runs import make_config
from worldsim.beyond import SIDES, Beyond
from worldsim.checkpoint import Checkpoint
from worldsim.errors import WorldsimError
from worldsim.simulator import Simulator
from worldsim.train.edges import Album, Wrong, fit_beyond
from worldsim.train.latents import Track
from worldsim.train.program import train
from worldsim.train.run import RunFolder


@pytest.fixture
def checkpoint():
    """All but what is to learn is random."""
    made = make_checkpoint(beyond_width=8)
    torch.manual_seed(0)
    made.network.beyond = Beyond(3, 8).requires_grad_(False)
    return made


def album_of(checkpoint, seed=0):
    """Two episodes of slanted stripes: what goes on beyond an edge is not a mirror."""
    canvas, frames = checkpoint.network.canvas, 12
    generator = torch.Generator().manual_seed(seed)
    phase = torch.rand(2 * frames, 1, 1, generator=generator) * 16
    place = torch.arange(32.0)
    stripes = (((place[:, None] + place + phase) % 16) < 8).float() * 1.2 - 0.6
    latents = canvas.read(stripes[:, None].expand(-1, 3, -1, -1)).numpy().astype(np.float16)
    tracks = [
        Track(start=k * frames, actions=[[7]] * (frames - 1), sentences=[[]] * (frames - 1),
              stretch=[0] * (frames - 1), answers=[0] * frames, world=f"world {k}")
        for k in range(2)
    ]  # fmt: skip
    return Album(latents, tracks, {}, 32, seed=1)


def folder(tmp_path):
    return RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])


def error(checkpoint, album):
    wrong = Wrong(checkpoint.network.canvas, checkpoint.network.beyond)
    with torch.no_grad():
        return float(np.mean([float(wrong(album(900 + k, 16))) for k in range(4)]))


def test_what_lies_beyond_is_learnt_and_nothing_else_is(checkpoint, tmp_path):
    album, other = album_of(checkpoint), album_of(checkpoint, seed=5)
    before, rest = error(checkpoint, other), checkpoint.network.words.weight.clone()
    fit_beyond(checkpoint.network, album, folder(tmp_path), 60, pictures=8, rate=2e-3)
    assert error(checkpoint, other) < 0.9 * before
    assert torch.equal(rest, checkpoint.network.words.weight)
    assert not any(p.requires_grad for p in checkpoint.network.parameters())


def test_what_was_learnt_is_kept_and_not_learnt_again(checkpoint, tmp_path):
    run, network, album = folder(tmp_path), checkpoint.network, album_of(checkpoint)
    fit_beyond(network, album, run, 2, pictures=2)
    learnt = {name: x.clone() for name, x in network.beyond.state_dict().items()}
    torch.nn.init.ones_(network.beyond.flow.bias)
    fit_beyond(network, album, run, 2, pictures=2, rate=99.0)
    assert all(torch.equal(x, learnt[name]) for name, x in network.beyond.state_dict().items())
    (run.path / "beyond-2.safetensors").write_bytes(b"no weights")
    with pytest.raises(WorldsimError, match="beyond-2.safetensors is damaged"):
        fit_beyond(network, album, run, 2)


def test_without_a_part_for_it_there_is_nobody_to_learn(tmp_path):
    plain = make_checkpoint(momentum_width=32)
    with pytest.raises(WorldsimError, match="model.beyond_width=48"):
        fit_beyond(plain.network, album_of(plain), folder(tmp_path), 3)


def test_damaged_data_stops_it(checkpoint, tmp_path):
    album = album_of(checkpoint)
    album.latents[:] = np.nan
    with pytest.raises(WorldsimError, match="beyond: the loss is not a number at update 0"):
        fit_beyond(checkpoint.network, album, folder(tmp_path), 3, pictures=2)


def test_an_album_hides_the_same_at_the_same_step(checkpoint):
    album = album_of(checkpoint)
    shown, again, other = album(3, 64), album(3, 64), album(4, 64)
    assert torch.equal(shown.latents, again.latents) and torch.equal(shown.pixels, again.pixels)
    assert shown.side == again.side and not torch.equal(shown.pixels, other.pixels)
    assert shown.pixels.min() >= 2 and shown.pixels.max() == 20
    assert {album(k, 1).side for k in range(60)} == set(SIDES)


def test_who_asks_to_learn_without_a_part_for_it_is_told_before_anything_is_learnt(data, tmp_path):
    config = make_config(data, tmp_path / "run")
    config.edge_steps = 2
    with pytest.raises(WorldsimError, match=r"edge_steps=2.*model.beyond_width=48"):
        train(config)
    assert not (tmp_path / "run" / "model").exists()


def test_a_finished_run_learns_what_lies_beyond_and_all_else_stays(finished, data, tmp_path):
    config = make_config(data, tmp_path / "run", steps=0)
    config.init_from = config.codec_from = str(finished / "model")
    config.edge_steps, config.model.beyond_width = 2, 8
    train(config)
    theirs, mine = (Checkpoint.load(x / "model").network for x in (finished, tmp_path / "run"))
    before = theirs.state_dict()
    new = {name for name, x in mine.state_dict().items() if not torch.equal(x, before.get(name, x))}
    added = mine.state_dict().keys() - before.keys()
    assert not new and {name.split(".")[0] for name in added} == {"beyond"}
    assert mine.beyond.flow.bias.any(), "which begins as nothing"
    dream = Simulator(Checkpoint.load(tmp_path / "run" / "model"), device="cpu")
    dream.imagine(["a red box"])
    assert dream.step(["forward"]).frames.shape == (1, 32, 32, 3)
