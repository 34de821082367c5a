"""Recorded play small enough to be recognised frame by frame."""

from dataclasses import replace

import numpy as np
import torch

from worldsim.text import TextTokenizer
from worldsim.train.batch_config import BatchConfig
from worldsim.train.batches import Batches
from worldsim.train.latents import Track

CONFIG = BatchConfig(rows=4, window=5, text_length=60)
LENGTHS = (4, 9, 3)  # steps of the episodes; the last is too short for a window


def make_tokenizer():
    return TextTokenizer.train(["forward", "turn left", "a small maze", "go on"], 384)


def make_batches(tokenizer, seed=0, prose=(), **changes):
    """Latents are the number of the frame, so that windows can be recognised."""
    total = sum(length + 1 for length in LENGTHS)
    latents = np.arange(total, dtype=np.float16)[:, None, None, None] * np.ones((1, 2, 2, 2))
    tracks, start = [], 0
    for length in LENGTHS:
        tracks.append(
            Track(
                start=start,
                actions=[tokenizer.encode("forward")] * length,
                sentences=[tokenizer.encode("go on")] * length,
                stretch=[0] * length,
                answers=[tokenizer.reward_id(0.0)] * (length + 1),
                prompt=tokenizer.encode("a small maze"),
            )
        )
        start += length + 1
    config = replace(CONFIG, **changes)
    return Batches(latents, tracks, tokenizer, config, seed, prose=prose)


def same(one, other):
    return all(a is b or torch.equal(a, b) for a, b in zip(one, other, strict=True))


def words(batch, tokenizer, row):
    return tokenizer.decode(batch.text_ids[row].tolist())
