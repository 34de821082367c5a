"""Depth is read off features; the truth here is painted into the pictures."""

import json

import numpy as np
import pytest
import torch

from tests.worldsim.sliding import SIZE, SPEC, walk, write_dataset
from tests.worldsim.tiny import make_checkpoint
from worldsim.data import DatasetWriter
from worldsim.data.episode import DEPTH_SIDE
from worldsim.errors import WorldsimError
from worldsim.evaluate.probe import (
    ProbeConfig,
    Scenes,
    load_scenes,
    measure_probe,
    probe,
    random_twin,
    see,
)


def write_deep(path, seeds):
    """Write walks in which what is bright is far away."""
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in seeds:
            episode, _ = walk(seed, 20)
            bright = episode.frames.mean(axis=3)[:, ::2, ::2]
            assert bright.shape[1:] == (DEPTH_SIDE, DEPTH_SIDE)
            episode.depth = (50 + 4 * bright).astype(np.uint16)
            writer.append(episode)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("probe")
    make_checkpoint().save(root / "model")
    write_dataset(root / "flat", range(2))
    return {
        "train_data": write_deep(root / "train", range(10)),
        "data": write_deep(root / "held", range(100, 106)),
        "checkpoint": str(root / "model"),
        "out": str(root / "probe.json"),
    }


def test_it_measures_every_layer_beside_random_weights_and_no_looking(data, capsys):
    probe(ProbeConfig(**data, num_frames=90))
    with open(data["out"]) as file:
        written = json.load(file)
    found = written["probe"]
    assert len(found["trained"]) == len(found["random"]) == 3, "the embedding and two blocks"
    assert (found["learnt"], found["asked"]) == (90, 30)
    assert found["blind"]["r2"] == pytest.approx(0, abs=1e-9)
    assert written["meta"]["checkpoint_sha256"]
    assert "wrote" in capsys.readouterr().out


def test_what_features_hold_is_found_and_what_they_do_not_is_not():
    network = make_checkpoint().network
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(400, 4, 4, 4, 4, generator=generator)
    held = latents[:, -1].unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean(dim=(1, 3, 5)).flatten(1)
    luck = torch.randn(400, 4, generator=generator)
    for values, known in ((held, True), (luck, False)):
        scenes = Scenes(latents, np.exp(values.numpy()))
        learnt, asked = (
            Scenes(*(x[part] for x in scenes)) for part in (slice(300), slice(300, 400))
        )
        found = measure_probe(network, learnt, asked, seed=0)
        assert (found["trained"][0]["r2"] > 0.5) == known, "the embedding is linear"


def test_depth_is_that_of_the_last_frame_token_by_token(data):
    codec = make_checkpoint().codec
    scenes = load_scenes(data["data"], codec, grid=2, count=12, seed=1)
    frames = codec.decode(scenes.latents[:, -1])
    assert scenes.latents.shape[:2] == (12, 4) and scenes.metres.shape == (12, 4)
    assert frames.shape[0] == 12
    assert ((scenes.metres > 0.5) & (scenes.metres < 0.5 + 4 * 2.55)).all()
    again = load_scenes(data["data"], codec, grid=2, count=12, seed=1)
    assert np.array_equal(scenes.metres, again.metres)


def test_frames_see_no_later_ones_and_the_network_is_left_as_it_was():
    network, clips = make_checkpoint().network, torch.randn(2, 4, 4, 4, 4)
    before = see(network, clips)
    other = clips.clone()
    other[:, 0] += 1
    assert all((a != b).any() for a, b in zip(before[1:], see(network, other)[1:], strict=True))
    assert not network.blocks[0]._forward_hooks and not network.blocks[0]._forward_pre_hooks


def test_the_random_twin_has_nothing_of_the_trained_one_but_its_pictures():
    network = make_checkpoint().network
    state = torch.random.get_rng_state()
    twin, again = random_twin(network, 0), random_twin(network, 0)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(twin.canvas.matrix, network.canvas.matrix)
    weights, mine = twin.state_dict(), network.state_dict()
    assert all(torch.equal(weights[k], again.state_dict()[k]) for k in weights)
    matrices = [k for k, p in twin.named_parameters() if p.ndim > 1]
    assert all(weights[k].any() and not torch.equal(weights[k], mine[k]) for k in matrices)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_frames": 5}, "num_frames=5 is too few"),
        ({"checkpoint": "/nowhere"}, "/nowhere"),
        ({"data": "/nowhere"}, "/nowhere"),
        ({"out": "/proc/probe.json"}, "/proc"),
    ],
)
def test_what_cannot_be_probed_is_one_error(data, changes, says):
    with pytest.raises(WorldsimError, match=says):
        probe(ProbeConfig(**data | changes))


def test_data_without_depth_is_one_error(data):
    flat = data["data"].replace("held", "flat")
    with pytest.raises(WorldsimError, match="flat has no depth"):
        probe(ProbeConfig(**data | {"data": flat}))
