import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.batch import Batch
from worldsim.errors import WorldsimError
from worldsim.objective import ObjectiveConfig, WorldObjective
from worldsim.sequence import Window, pack, simulate
from worldsim.simulator import Simulator

KEYS = ["forward", None, "turn left strafe right"]


def dreams(**parts):
    return Simulator(make_checkpoint(**parts), 3, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def three():
    return dreams()


def test_what_is_imagined_depends_on_sentence_and_seed_and_can_be_stepped_on_from(three):
    first = three.imagine(["a red box", "a red box", "a blue key"], seeds=[1, 2, 1])
    after = three.step(KEYS).frames
    three.reset(three.starts[:1] * 3)  # what happened in between must not matter
    again = three.imagine(["a red box", "a red box", "a blue key"], seeds=[1, 2, 1])
    assert torch.equal(first, again) and torch.equal(three.step(KEYS).frames, after)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], first[2])
    with pytest.raises(WorldsimError, match="2 prompts for 3 lanes"):
        three.imagine(["a", "b"])


def test_an_imagined_frame_is_what_the_training_forward_draws(three):
    """The prompt, then a frame out of pure noise with nothing before it."""
    tokenizer, shape = three.tokenizer, three.codec.latent_shape
    window = Window(np.zeros((1, *shape), np.float32), [], [], [], [tokenizer.reward_id(0.0)])
    example = simulate(window, tokenizer, 40, [], tokenizer.encode_sentence("a red box"))
    rows, _ = pack([example], 1, 40, 1, tokenizer.pad)
    noise = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(3))
    zero = torch.zeros(1, 1, dtype=torch.long)
    clean = torch.from_numpy(rows.latents)
    batch = Batch(
        *map(torch.from_numpy, rows), noise, noise, torch.ones(1, 1), torch.zeros(1, 1), clean,
        zero, zero,
    )  # fmt: skip
    with torch.inference_mode():
        velocity = WorldObjective(three.network, ObjectiveConfig()).predict(batch)[1]
        wanted = three._decode(three.network.canvas.settle(noise[0] - velocity[0, :1].float()))
        levels, three.first_levels = three.first_levels, [1.0, 0.0]
        got = three.imagine(["a red box"] * 3, seeds=[3, 3, 3])[:1]
        three.first_levels = levels
    assert (wanted.int() - got.int()).abs().max() <= 1


def test_first_frames_have_denoising_passes_of_their_own():
    checkpoint = make_checkpoint()
    assert [len(Simulator(checkpoint, device="cpu").first_levels) - 1] == [16]
    asked = Simulator(checkpoint, num_steps=3, device="cpu")
    assert len(asked.first_levels) == len(asked.levels) == 4
