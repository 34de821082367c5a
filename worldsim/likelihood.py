"""How well the model expects what really happened: its own loss on given windows.

A probe for evaluation; it changes no state of a rollout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worldsim.batch import Batch, follows_left
from worldsim.checkpoint import RolloutConfig
from worldsim.hindsight import Hindsight
from worldsim.model import WorldTransformer
from worldsim.objective import ObjectiveConfig, WorldObjective
from worldsim.sequence import Window, pack, simulate
from worldsim.text import TextTokenizer


@torch.inference_mode()
def one_step_flow_loss(
    network: WorldTransformer,
    tokenizer: TextTokenizer,
    rollout: RolloutConfig,
    latents: Tensor,
    actions: Sequence[Sequence[str]],
    generator: torch.Generator,
) -> float:
    """Return the mean flow loss of every frame but the first, given the true frames before it.

    Args:
        network: The model.
        tokenizer: Its words.
        rollout: Its window and the noise on history.
        latents: ``(B, T + 1, c, h, w)`` of real frames; T is less than the window.
        actions: T canonical words a row, the true ones or others.
        generator: Of noise and levels, on the CPU; levels are uniform in [0, 1].
    """
    count, frames = latents.shape[:2]
    windows = [
        Window(
            latents=row.cpu().numpy(),
            actions=[tokenizer.encode(word) for word in words],
            sentences=[[]] * len(words),
            stretch=[0] * len(words),
            answers=[tokenizer.reward_id(0.0)] * frames,
        )
        for row, words in zip(latents, actions, strict=True)
    ]
    room = frames * 12
    examples = [simulate(w, tokenizer, room, [True] * len(w.actions)) for w in windows]
    rows, _ = pack(examples, count, room, frames, tokenizer.pad)
    arrays = [torch.from_numpy(np.ascontiguousarray(x)) for x in rows]
    shape = rows.latents.shape
    arrays += [torch.randn(shape, generator=generator) for _ in range(2)]
    arrays += [torch.rand(shape[:2], generator=generator)]
    arrays += [torch.full(shape[:2], rollout.base_level)]
    arrays += [torch.from_numpy(rows.latents), *[torch.zeros(shape[:2], dtype=torch.long)] * 2]
    batch = Batch(*(x.to(network.device) for x in arrays))
    shown, noise, grain = (
        x.to(network.dtype) for x in (batch.latents, batch.noise, batch.history_noise)
    )
    batch = batch._replace(latents=shown, seen=shown, noise=noise, history_noise=grain)
    if network.momentum:
        look = Hindsight.of(network.canvas)
        motion = look(rows.latents, (follows_left(batch) > 0).cpu().numpy())
        batch = batch._replace(went=torch.from_numpy(motion).to(network.device))
    velocity = WorldObjective(network, ObjectiveConfig()).predict(batch)[1]
    error = (velocity.float() - (noise.float() - shown.float())).square()
    return float(error[:, 1:].mean())
