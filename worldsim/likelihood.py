"""How well the model expects what really happened: its own loss on given windows.

A probe for evaluation; it changes no state of a rollout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worldsim.checkpoint import RolloutConfig
from worldsim.codec import to_float
from worldsim.model import WorldTransformer
from worldsim.objective import Batch, Encode, ObjectiveConfig, WorldObjective
from worldsim.sequence import Window, pack, simulate
from worldsim.text import TextTokenizer


@torch.inference_mode()
def one_step_flow_loss(
    network: WorldTransformer,
    tokenizer: TextTokenizer,
    rollout: RolloutConfig,
    encode: Encode,
    frames: Tensor,
    actions: Sequence[Sequence[str]],
    generator: torch.Generator,
) -> float:
    """Return the mean flow loss of every frame but the first, given the true frames before it.

    Args:
        network: The model.
        tokenizer: Its words.
        rollout: Its window and the noise on history.
        encode: Of the model's codec.
        frames: uint8 ``(B, T + 1, H, W, 3)``, real; T is less than the window.
        actions: T canonical words a row, the true ones or others.
        generator: Of noise and levels, on the CPU; levels are uniform in [0, 1].
    """
    count, length = frames.shape[:2]
    latents = encode(to_float(frames.flatten(0, 1))).float().unflatten(0, (count, length))
    windows = [
        Window(
            latents=row.cpu().numpy(),
            pictures=shown.cpu().numpy(),
            actions=[tokenizer.encode(word) for word in words],
            sentences=[[]] * len(words),
            stretch=[0] * len(words),
            answers=[tokenizer.reward_id(0.0)] * length,
        )
        for row, shown, words in zip(latents, frames, actions, strict=True)
    ]
    room = length * 12
    examples = [simulate(w, tokenizer, room, [True] * len(w.actions)) for w in windows]
    rows, _ = pack(examples, count, room, length, tokenizer.pad)
    arrays = [torch.from_numpy(np.ascontiguousarray(x)) for x in rows]
    shape = rows.latents.shape
    arrays += [torch.randn(shape, generator=generator) for _ in range(2)]
    arrays += [torch.rand(shape[:2], generator=generator)]
    arrays += [torch.full(shape[:2], rollout.base_level)]
    arrays += [torch.from_numpy(x) for x in (rows.latents, rows.pictures)]
    batch = Batch(*(x.to(network.device) for x in arrays))
    clean, noise, grain = (
        x.to(network.dtype) for x in (batch.latents, batch.noise, batch.history_noise)
    )
    batch = batch._replace(latents=clean, seen=clean, noise=noise, history_noise=grain)
    velocity = WorldObjective(network, ObjectiveConfig(), encode).predict(batch)[1]
    error = (velocity.float() - (noise.float() - clean.float())).square()
    return float(error[:, 1:].mean())
