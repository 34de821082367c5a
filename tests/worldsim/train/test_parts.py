import numpy as np
import pytest
import torch
from torch import nn

from tests.worldsim.train.runs import make_config
from worldsim.errors import WorldsimError
from worldsim.train.latents import Track
from worldsim.train.parts import chances_of, learn_once
from worldsim.train.run import RunFolder


def track(world, steps):
    return Track(start=0, actions=[[1]] * steps, sentences=[], stretch=[], answers=[], world=world)


def test_tracks_are_drawn_by_their_length_and_worlds_by_their_shares():
    tracks = [track("a", 30), track("a", 10), track("b", 160)]
    np.testing.assert_allclose(chances_of(tracks, {}), [0.15, 0.05, 0.8])
    np.testing.assert_allclose(chances_of(tracks, {"a": 0.5, "b": 0.5}), [0.375, 0.125, 0.5])
    np.testing.assert_allclose(chances_of(tracks, {"a": 1.0}), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(chances_of(tracks[:2], {}, ahead=5), [25 / 30, 5 / 30])


def test_a_part_learns_once_in_a_run_and_anew_under_another_name(tmp_path):
    run = RunFolder(tmp_path / "run", make_config("data", tmp_path / "run"), [], [])
    part, learnt = nn.Linear(2, 2), []

    def learn():
        learnt.append(1)
        nn.init.constant_(part.weight, len(learnt))

    for file in ("part-5.safetensors", "part-5.safetensors", "part-6.safetensors"):
        learn_once(part, run, file, learn)
    assert len(learnt) == 2 and not list(run.path.glob("*.tmp"))
    learn_once(part, run, "part-5.safetensors", learn)
    assert torch.equal(part.weight, torch.ones(2, 2)), "as it was learnt first"
    (run.path / "part-5.safetensors").write_bytes(b"")
    with pytest.raises(WorldsimError, match="part-5.safetensors is damaged: delete it"):
        learn_once(part, run, "part-5.safetensors", learn)
