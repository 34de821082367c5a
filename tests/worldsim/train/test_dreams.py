from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.advection import coarser
from worldsim.painter import beside
from worldsim.rollout import Rollout
from worldsim.sampler import noise_levels
from worldsim.train.batch_config import BatchConfig
from worldsim.train.batches import Batches
from worldsim.train.dreams import Dreams
from worldsim.train.lanes import CONTEXT
from worldsim.train.latents import Track

FRAMES = 16
CONFIG = BatchConfig(
    rows=4, window=5, text_length=60, say_share=0.0,
    dream_from=0, dream_every=3, dream_lanes=3, dream_depth=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint():
    return make_checkpoint()


@pytest.fixture(scope="module")
def batches(checkpoint):
    tokenizer, rng = checkpoint.tokenizer, np.random.default_rng(0)
    latents = rng.standard_normal((2 * FRAMES, *checkpoint.codec.latent_shape))
    tracks = [
        Track(
            start=start,
            actions=[tokenizer.encode(word) for word in rng.choice(["forward", "turn left"], 15)],
            sentences=[[]] * (FRAMES - 1),
            stretch=[0] * (FRAMES - 1),
            answers=[tokenizer.reward_id(0.0)] * FRAMES,
        )
        for start in (0, FRAMES)
    ]
    return Batches(latents.astype(np.float16), tracks, tokenizer, CONFIG, seed=0)


def make_dreams(checkpoint, batches):
    return Dreams(checkpoint.network, checkpoint.tokenizer, checkpoint.rollout, batches)


def test_a_dream_is_what_play_would_have_drawn(checkpoint, batches):
    """Lane by lane, alone, with the same noise: what `Rollout` draws from the same real frames."""
    dreams = make_dreams(checkpoint, batches)
    dreams.renew(0)
    shape, only = checkpoint.codec.latent_shape, torch.tensor([0])
    for number, lane in enumerate(batches.lanes(0)):
        at = lane.track.start + lane.first
        real = torch.from_numpy(batches.latents[at : at + CONTEXT].astype(np.float32))
        memory = Rollout(checkpoint.network, checkpoint.tokenizer, checkpoint.rollout, 1, shape)
        memory.forget(only)
        words = lane.track.actions[lane.first :]
        for k in range(CONTEXT):
            if k:
                memory.read_step(only, [words[k - 1]])
            memory.commit(only, real[k : k + 1])
        generator = torch.Generator().manual_seed(0)
        levels = noise_levels(checkpoint.rollout.num_steps)
        for k in range(3):
            noise = torch.randn(CONFIG.dream_lanes, *shape, generator=generator)[number]
            drawn = memory.draw(only, [words[CONTEXT - 1 + k]], noise[None], levels)
            torch.testing.assert_close(
                dreams.frames[number, k], drawn.latents[0].half(), rtol=0, atol=0.05
            )
            memory.commit(only, *drawn)


def test_history_shows_the_dream_and_the_aim_stays_real(checkpoint, batches):
    dreams, batch = make_dreams(checkpoint, batches), batches(1)
    dreams.renew(1)
    shown = dreams.into(batch)
    assert torch.equal(shown.latents, batch.latents)
    inside = batch.depth > 0
    assert inside.any() and torch.equal(shown.seen[~inside], batch.latents[~inside])
    for row, slot in torch.nonzero(inside).tolist():
        lane, depth = int(batch.lane[row, slot]), int(batch.depth[row, slot])
        assert torch.equal(shown.seen[row, slot], dreams.frames[lane, depth - 1].float())


def test_history_brings_what_else_a_dream_knows_of_its_pictures(checkpoint, batches):
    dreams, batch = make_dreams(checkpoint, batches), batches(1)
    dreams.renew(1)
    shown, inside = dreams.into(batch), batch.depth > 0
    real = beside(checkpoint.network.canvas.draw(shown.seen[~inside]))
    at = batch.lane[inside], batch.depth[inside] - 1
    for mine, plain, dreamed in (
        (shown.around, real.around, dreams.around),
        (shown.fine, real.fine, dreams.fine),
    ):
        assert torch.equal(mine[~inside], plain)
        assert torch.equal(mine[inside], dreamed[at].float())
    mended = checkpoint.network.canvas.draw(shown.seen[inside]) - coarser(shown.fine[inside])
    assert mended.abs().mean() > 1e-3, "what was mended is no part of it"


def test_dreams_last_for_some_steps_and_are_then_stale(checkpoint, batches):
    dreams, stale = make_dreams(checkpoint, batches), []
    for step in range(6):
        stale.append(dreams.stale(batches(step), step))
        if stale[-1]:
            dreams.renew(step)
    assert stale == [True, False, False, True, False, False]


def test_a_resumed_run_goes_on_in_the_same_dreams(checkpoint, batches):
    dreams, later = make_dreams(checkpoint, batches), make_dreams(checkpoint, batches)
    dreams.renew(0)
    later.load(dreams.state())
    assert not later.stale(batches(1), 1)
    assert torch.equal(later.into(batches(1)).seen, dreams.into(batches(1)).seen)


def test_where_nothing_is_to_be_dreamed_nothing_is(checkpoint, batches):
    dreams, batch = make_dreams(checkpoint, batches), batches(0)
    plain = batch._replace(depth=torch.zeros_like(batch.depth))
    assert not dreams.stale(plain, 0) and dreams.into(plain) is plain


def test_dreams_of_rest_are_as_deep_as_they_are_told_to_be(checkpoint, batches):
    """They lie behind the others, which are shorter and what they would be alone."""
    config = replace(CONFIG, rest_lanes=2, rest_depth=9)
    more = Batches(batches.latents, batches.tracks, checkpoint.tokenizer, config, seed=0)
    dreams, plain = make_dreams(checkpoint, more), make_dreams(checkpoint, batches)
    dreams.renew(0)
    plain.renew(0)
    assert dreams.frames.shape[:2] == (5, 9) and plain.frames.shape[:2] == (3, 6)
    assert torch.equal(dreams.frames[:3, :6], plain.frames)
    assert dreams.frames[3:].flatten(2).std(dim=2).all() and not dreams.frames[:3, 6:].any()
