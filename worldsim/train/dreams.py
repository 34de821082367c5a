"""The model's own dreams, shown to it as history while it learns.

A rollout's history is never real, and what is slightly wrong at one step is its past at the next.
So every so many updates the model dreams along recorded play, far past where its dream still
agrees with what was recorded, and rows of the batches follow these dreams. Sources: dataset
aggregation (Ross et al. 2011, 1011.0686), self-forcing (Huang et al. 2025, 2506.08009).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldsim.checkpoint import RolloutConfig
from worldsim.model import WorldTransformer
from worldsim.objective import Batch
from worldsim.rollout import Rollout
from worldsim.sampler import noise_levels
from worldsim.text import TextTokenizer
from worldsim.train.batches import CONTEXT, Batches


class Dreams:
    """Dreams as deep as the batches ask for; knows nothing of losses.

    They are drawn by the very code that draws them in play, in as many passes.

    Args:
        network: Dreams with the weights it has at the time.
        tokenizer: Its words.
        rollout: Its window and the noise on history.
        batches: Says where dreams begin and what is done in them.
    """

    def __init__(
        self,
        network: WorldTransformer,
        tokenizer: TextTokenizer,
        rollout: RolloutConfig,
        batches: Batches,
    ):
        self.network, self.tokenizer, self.rollout = network, tokenizer, rollout
        self.batches = batches
        self.generation = -1
        self.frames: Tensor | None = None  # (lanes, depth, c, h, w), halves to save room

    def stale(self, batch: Batch, step: int) -> bool:
        """Whether a batch is to show dreams that are not dreamed yet."""
        return bool(batch.depth.any()) and self.batches.generation(step) != self.generation

    def into(self, batch: Batch) -> Batch:
        """Show history as it was dreamed wherever a batch wants it so."""
        if self.frames is None or not batch.depth.any():
            return batch
        dreamed = self.frames[batch.lane, (batch.depth - 1).clamp(min=0)].to(batch.latents)
        inside = (batch.depth > 0)[:, :, None, None, None]
        return batch._replace(seen=torch.where(inside, dreamed, batch.latents))

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on in the same dreams."""
        return {"generation": self.generation, "frames": self.frames}

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.generation, frames = state["generation"], state["frames"]
        self.frames = None if frames is None else frames.to(self.network.device)

    @torch.no_grad()
    def renew(self, step: int) -> None:
        """Follow recorded actions from a few real frames on; past an episode's end, none."""
        lanes, config = self.batches.lanes(step), self.batches.config
        device, every = self.network.device, torch.arange(len(lanes), device=self.network.device)
        spans = [lane.track.start + lane.first for lane in lanes]
        real = np.stack([self.batches.latents[at : at + CONTEXT] for at in spans])
        known = torch.from_numpy(real.astype(np.float32)).to(device)
        c, h, w = known.shape[2:]
        actions = [lane.track.actions[lane.first :] for lane in lanes]
        memory = Rollout(self.network, self.tokenizer, self.rollout, len(lanes), (c, h, w))
        memory.forget(every)
        memory.commit(every, known[:, 0])
        generator = torch.Generator().manual_seed(self.batches.generation(step))
        levels = noise_levels(self.rollout.num_steps, self.rollout.shift)
        dreamed = []
        for k in range(CONTEXT + config.dream_depth - 1):
            words = [said[k] if k < len(said) else [] for said in actions]
            if k + 1 < CONTEXT:
                memory.read_step(every, words)
                frame = known[:, k + 1]
            else:
                noise = torch.randn(known[:, 0].shape, generator=generator)
                frame = memory.draw(every, words, noise, levels)
                dreamed.append(frame.half())
            memory.commit(every, frame)
        self.frames = torch.stack(dreamed, dim=1)
        self.generation = self.batches.generation(step)
