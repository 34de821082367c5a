"""First stage: the autoencoder, on single frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from worldsim.codec import Codec, PatchCodec, to_float
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS
from worldsim.precision import fast


@dataclass
class CodecConfig:
    """How the codec is trained.

    Attributes:
        steps: Updates.
        batch: Frames a step.
        rate: Peak rate of AdamW; rises for 50 steps, falls to zero along a cosine.
        frames: Frames kept in memory to draw from.
        fit_frames: Frames whose patches are looked at, to fit components or scale to.
    """

    steps: int = 2000
    batch: int = 24
    rate: float = 1.5e-3
    frames: int = 40_000
    fit_frames: int = 2000


def sample_frames(dataset: Collection, count: int, seed: int) -> torch.Tensor:
    """Return up to `count` frames spread over the episodes, uint8 ``(n, H, W, 3)``."""
    rng = np.random.default_rng(seed)
    kept, total = [], 0
    order = rng.permutation(len(dataset))
    per_episode = max(1, -(-count // len(dataset)))
    for index in tqdm(order, desc="sample", unit="episode"):
        frames = dataset.load(int(index)).frames
        pick = rng.permutation(len(frames))[: min(per_episode, count - total)]
        kept.append(frames[pick])
        total += len(pick)
        if total >= count:
            break
    return torch.from_numpy(np.concatenate(kept))


def fit_codec(
    codec: Codec, frames: torch.Tensor, config: CodecConfig, seed: int, device: torch.device
) -> dict[str, float]:
    """Make a codec ready in place.

    Args:
        codec: As made.
        frames: uint8 ``(n, H, W, 3)``.
        config: Steps, batch, rate.
        seed: Of the order and the noise.
        device: Where to train.

    Returns:
        The mean of each log over the last tenth of the steps.
    """
    codec.to(device).train()
    some = to_float(frames[: config.fit_frames].to(device))
    if isinstance(codec, PatchCodec):
        codec.fit(some)
        logs = train_codec(codec, frames, config, seed, device) if codec.retoucher else {}
    else:
        logs = train_codec(codec, frames, config, seed, device)
        codec.fit(some)
    codec.eval().requires_grad_(False)
    return logs


def train_codec(
    codec: Codec, frames: torch.Tensor, config: CodecConfig, seed: int, device: torch.device
) -> dict[str, float]:
    """Train a codec's layers in place; arguments as in `fit_codec`."""
    distance = LPIPS.load().to(device)
    optimizer = torch.optim.AdamW(codec.parameters(), lr=config.rate, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.rate, total_steps=config.steps, pct_start=min(0.3, 50 / config.steps)
    )
    generator = torch.Generator().manual_seed(seed)
    history: list[dict[str, float]] = []
    bar = tqdm(range(config.steps), desc="codec", unit="step")
    for _ in bar:
        pick = torch.randint(len(frames), (config.batch,), generator=generator)
        noise = torch.randn(config.batch, *codec.latent_shape, generator=generator)
        with fast(device):
            loss, logs = codec.loss(to_float(frames[pick].to(device)), noise.to(device), distance)
        if not torch.isfinite(loss):
            raise WorldsimError("the codec's loss is not finite: lower codec_stage.rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        history.append({name: float(value) for name, value in logs.items()})
        bar.set_postfix({k: f"{v:.3f}" for k, v in history[-1].items()}, refresh=False)
    tail = history[-max(1, len(history) // 10) :]
    return {name: float(np.mean([h[name] for h in tail])) for name in tail[0]}
