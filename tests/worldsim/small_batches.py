"""Batches of two short windows, and an objective that looks at them."""

import numpy as np
import torch

from worldsim.batch import Batch
from worldsim.objective import Eye, ObjectiveConfig, WorldObjective
from worldsim.sequence import Window, pack, simulate

STEPS = 3


class Slopes:
    """A sight for pictures too small for LPIPS."""

    def features(self, images):
        return [images, images.diff(dim=-1)]

    def between(self, a, b, weight):
        weight = torch.nn.functional.adaptive_avg_pool2d(weight, a[1].shape[-2:])
        return ((a[1] - b[1]).square() * weight).mean(dim=(1, 2, 3))


def make_objective(checkpoint, network=None, **config):
    eye = Eye(checkpoint.codec.sketch, Slopes(), (3, 3))
    config = ObjectiveConfig(**config)
    return WorldObjective(network or checkpoint.network, config, eye).eval()


def make_window(checkpoint, seed=0):
    rng, tokenizer = np.random.default_rng(seed), checkpoint.tokenizer
    words = ["forward", "turn left", "stay"]
    return Window(
        latents=rng.standard_normal((STEPS + 1, *checkpoint.codec.latent_shape)).astype("float32"),
        actions=[tokenizer.encode(word) for word in words],
        sentences=[[]] * STEPS,
        stretch=[0] * STEPS,
        answers=[tokenizer.reward_id(0.0)] * (STEPS + 1),
    )


def make_batch(checkpoint, seeds=(0, 1), rows=1, seed=0):
    """Return both examples in one row (or in a row each), and some empty slots."""
    examples = [
        simulate(make_window(checkpoint, s), checkpoint.tokenizer, 40, [True] * STEPS)
        for s in seeds
    ]
    return to_batch(examples, checkpoint, rows, seed)


def to_batch(examples, checkpoint, rows, seed=0):
    packed, placed = pack(examples, rows, 80 // rows, 10 // rows, checkpoint.tokenizer.pad)
    assert placed == len(examples)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, *packed.latents.shape, generator=generator)
    levels = torch.rand(2, *packed.frame_doc.shape, generator=generator)
    arrays = [torch.from_numpy(x) for x in packed]
    nowhere = torch.zeros(levels.shape[1:], dtype=torch.long)
    return Batch(*arrays, *noise, levels[0] * 0.9 + 0.05, levels[1] * 0.2, arrays[7],
                 nowhere, nowhere)  # fmt: skip
