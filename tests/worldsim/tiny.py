"""A tiny model with random weights, and the pieces around it: enough to test every contract."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer

from worldsim.checkpoint import Checkpoint, RolloutConfig, Start
from worldsim.codec import ConvCodec, PatchCodec
from worldsim.model import WorldTransformer
from worldsim.text import TALK, TextTokenizer
from worldsim.world import WorldSpec, key_combinations

SPEC = WorldSpec(
    name="doom",
    actions=key_combinations(
        ("forward", "back"), ("turn left", "turn right"), ("strafe left", "strafe right")
    ),
    keys={"w": "forward", "s": "back", "a": "turn left", "d": "turn right",
          "q": "strafe left", "e": "strafe right"},
    steps_per_second=17.5,
    description="a small maze",
    phrases={"turn left": {"seen": ["turn left"], "unseen": ["rotate left"]}},
)  # fmt: skip


def without_marks(tokenizer: TextTokenizer) -> TextTokenizer:
    """Return a tokenizer as they were before frames could be asked about."""
    text = tokenizer._tokenizer.to_str()
    for mark in TALK:
        text = text.replace(mark, mark.replace("<", "<no "))
    return TextTokenizer(Tokenizer.from_str(text))


def make_checkpoint(
    seed: int = 0,
    image_size: int = 32,
    window: int = 6,
    painter_width: int = 96,
    momentum_width: int = 0,
    beyond_width: int = 0,
    deed_width: int = 0,
) -> Checkpoint:
    """Return a checkpoint whose every weight is random, so that nothing is hidden by zeros.

    Its codec is one of convolutions; what has momentum, looks over edges or tells deeds wants a
    linear one.
    """
    torch.manual_seed(seed)
    tokenizer = TextTokenizer.train([*SPEC.actions, "walk to the green torch"] * 3, 460)
    codec = ConvCodec(image_size=image_size, latent_channels=4, widths=(16, 24), fold=4)
    if momentum_width or beyond_width or deed_width:
        codec = PatchCodec(image_size=image_size, fold=8, keep=48, retouch=0)
    channels, side, _ = codec.latent_shape
    network = WorldTransformer(
        vocab_size=len(tokenizer), width=64, depth=2, text_hidden=64, image_hidden=96,
        latent_channels=channels, latent_size=side, painter_width=painter_width,
        match_width=8, momentum_width=momentum_width, gait_width=momentum_width, stem_width=8,
        may_rest=True, may_appear=True, may_invent=True, beyond_width=beyond_width, hears=True,
        glance_width=8, deed_width=deed_width, cell=codec.cell,
    )  # fmt: skip
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.08)
    network.canvas.fit(*codec.canvas())
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (2, 3, image_size, image_size, 3), dtype=np.uint8)
    starts = [Start(f"maze-{i}", "doom", f, ["forward", "turn left"]) for i, f in enumerate(frames)]
    rollout = RolloutConfig(window=window, num_steps=2)
    return Checkpoint(
        network.eval().requires_grad_(False), codec.eval().requires_grad_(False), tokenizer,
        {"doom": SPEC}, rollout, starts,
    )  # fmt: skip
