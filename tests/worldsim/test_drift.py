import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.hindsight import Hindsight
from worldsim.rollout import Rollout
from worldsim.simulator import Simulator


@pytest.fixture(scope="module")
def moving():
    return make_checkpoint(momentum_width=32)


def _begun(checkpoint, frames: int = 3) -> Rollout:
    """Return a rollout of one lane that was shown some frames and told to go ahead."""
    memory = Rollout(
        checkpoint.network, checkpoint.tokenizer, checkpoint.rollout, 1,
        checkpoint.codec.latent_shape,
    )  # fmt: skip
    lane, generator = torch.tensor([0]), torch.Generator().manual_seed(4)
    memory.forget(lane)
    for k in range(frames):
        if k:
            memory.read_step(lane, [checkpoint.tokenizer.encode("forward")])
        memory.commit(lane, torch.randn(1, *checkpoint.codec.latent_shape, generator=generator) / 4)
    return memory


def _drawn(checkpoint, memory: Rollout):
    noise = torch.ones(1, *checkpoint.codec.latent_shape)
    words = [checkpoint.tokenizer.encode("turn left")]
    return memory.draw(torch.tensor([0]), words, noise, [1.0, 0.0])


@torch.inference_mode()
def test_a_dream_goes_on_from_how_it_moved_itself(moving):
    """What was drawn is not looked at again: its own motion is known better than it looks."""
    lane, memory = torch.tensor([0]), _begun(moving)
    first = _drawn(moving, memory)
    assert memory.scene.drift.known.all() and first.drift.abs().max() > 0
    memory.commit(lane, *first)
    assert torch.equal(memory.scene.drift.drift, first.drift) and memory.scene.drift.known.all()
    second = _drawn(moving, memory)
    memory.scene.drift.drift[:] = 0
    assert not torch.equal(_drawn(moving, memory).latents, second.latents), "it matters"


@torch.inference_mode()
def test_seen_frames_are_looked_at_when_a_dream_goes_on_from_them(moving):
    lane, memory = torch.tensor([0]), _begun(moving)
    memory.commit(lane, *_drawn(moving, memory))
    frame = memory.past[:, 0].clone()
    memory.take_back(lane)
    assert not memory.scene.drift.known.any()
    memory.commit(lane, frame)  # the same frame, this time seen
    _drawn(moving, memory)
    pair = memory.past[:, [1, 0]].numpy()
    seen = Hindsight.of(moving.network.canvas)(pair, np.array([[False, True]]))[:, 1]
    torch.testing.assert_close(memory.scene.drift.drift, torch.from_numpy(seen))


@torch.inference_mode()
def test_of_a_single_frame_nobody_says_how_it_moved(moving):
    memory = _begun(moving, frames=1)
    _drawn(moving, memory)
    assert not memory.scene.drift.drift.any()


@torch.inference_mode()
def test_what_is_taken_back_was_never_heard(moving):
    lane, memory = torch.tensor([0]), _begun(moving)
    before = memory.scene.drift.heard.clone()
    memory.commit(lane, *_drawn(moving, memory))
    assert not torch.equal(memory.scene.drift.heard, before)
    memory.take_back(lane)
    assert torch.equal(memory.scene.drift.heard[:, :2], before[:, :2])


def test_how_things_moved_is_restored_too(moving):
    dream = Simulator(moving, num_envs=2, device="cpu", dtype=torch.float32)
    dream.reset(dream.starts)
    dream.step(["forward", None])
    snapshot = dream.snapshot()
    films = []
    for _ in range(2):
        dream.restore(snapshot)
        films.append(torch.stack([dream.step(["turn left", "back"]).frames for _ in range(3)]))
    assert torch.equal(*films)


def test_without_momentum_nothing_of_it_is_kept():
    checkpoint = make_checkpoint()
    memory = _begun(checkpoint)
    assert memory.scene.drift is None and _drawn(checkpoint, memory).drift is None


def test_surprise_in_half_precision_is_nearly_that_in_full():
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        dream = Simulator(make_checkpoint(momentum_width=32), device="cpu", dtype=dtype)
        frames, noise = torch.from_numpy(dream.starts[0].frames)[None], torch.Generator()
        losses.append(dream.flow_loss(frames, [dream.starts[0].actions], noise.manual_seed(0)))
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
