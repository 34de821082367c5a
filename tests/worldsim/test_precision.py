from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.checkpoint import Checkpoint
from worldsim.simulator import Simulator

HALF = torch.bfloat16


def test_in_sixteen_bits_pictures_pass_through_a_dream_as_exactly_as_in_thirty_two():
    exact = {k: v.clone() for k, v in make_checkpoint().network.canvas.state_dict().items()}
    dream = Simulator(make_checkpoint(), device="cpu", dtype=HALF)
    assert dream.network.dtype == HALF
    for name, value in dream.network.canvas.state_dict().items():
        assert torch.equal(value, exact[name]), name


def test_a_saved_canvas_is_as_exact_as_its_codec(tmp_path):
    checkpoint = make_checkpoint()
    checkpoint.network.canvas.fit(*checkpoint.codec.canvas())
    checkpoint.save(tmp_path / "saved")  # the network in sixteen bits
    canvas = Checkpoint.load(tmp_path / "saved").network.canvas
    for mine, given in zip(
        (canvas.matrix, canvas.inverse, canvas.blank), checkpoint.codec.canvas(), strict=True
    ):
        assert torch.equal(mine, given)


def wandered(world, dtype, steps=60):
    """How far from a still picture a dream gets in which nobody acts, of 255."""
    dream = Simulator.from_pretrained(num_envs=2, device="cpu", dtype=dtype)
    still = [
        replace(start, frames=np.repeat(start.frames[-1:], 10, axis=0), actions=["stay"] * 9)
        for start in dream.starts
        if start.world == world
    ][:2]
    dream.reset(still, None, [0, 1])
    frames = [dream.step(["stay"] * 2).frames.float() for _ in range(steps)]
    begun = torch.from_numpy(np.stack([start.frames[-1] for start in still]))
    return (frames[-1] - begun).abs().mean()


@pytest.mark.parametrize("world", ["rooms", "kart"])
def test_in_sixteen_bits_a_place_at_rest_stays_as_it_does_in_thirty_two(world):
    assert wandered(world, HALF) < 1.2 * wandered(world, torch.float32) + 0.5
