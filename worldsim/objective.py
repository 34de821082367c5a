"""The one loss: cross-entropy on text, flow matching on frames.

Knows a network and a batch; knows nothing of files, optimisers or rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.attention import TeacherForcing
from worldsim.model import WorldTransformer
from worldsim.sequence import IGNORE, PADDING


class Batch(NamedTuple):
    """Packed rows with their noise, all tensors; shapes as in `sequence.Rows`.

    Noise and levels come with the batch, so that a step is a function of its number alone.
    """

    text_ids: Tensor
    text_targets: Tensor
    text_order: Tensor
    text_time: Tensor
    text_index: Tensor
    text_doc: Tensor
    latents: Tensor
    frame_order: Tensor
    frame_time: Tensor
    frame_doc: Tensor
    noise: Tensor  # (B, F, c, h, w) for the frames to be denoised
    history_noise: Tensor  # (B, F, c, h, w)
    levels: Tensor  # (B, F)
    history_levels: Tensor  # (B, F)


@dataclass
class ObjectiveConfig:
    """Weights of the loss.

    Attributes:
        flow_weight: λ of DESIGN §2; 1·cross-entropy + λ·flow.
    """

    flow_weight: float = 3.0


class WorldObjective(nn.Module):
    """`forward(batch)` returns the loss and detached logs."""

    def __init__(self, network: WorldTransformer, config: ObjectiveConfig):
        """Keep the network; it stays the owner of all weights."""
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and logs ``{"loss", "flow", "text"}``."""
        logits, velocity = self.predict(batch)
        valid = batch.frame_doc != PADDING  # (B, F)
        error = (velocity.float() - (batch.noise - batch.latents)).square().mean(dim=(2, 3, 4))
        flow = (error * valid).sum() / valid.sum().clamp(min=1)
        text = F.cross_entropy(
            logits.float().flatten(0, 1), batch.text_targets.flatten(), ignore_index=IGNORE
        )
        loss = text + self.config.flow_weight * flow
        return loss, {"loss": loss.detach(), "flow": flow.detach(), "text": text.detach()}

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return logits ``(B, L, vocab)`` and velocities of the noisy frames ``(B, F, ...)``."""
        history = mix(batch.latents, batch.history_noise, batch.history_levels)
        noisy = mix(batch.latents, batch.noise, batch.levels)
        previous = torch.cat([torch.zeros_like(history[:, :1]), history[:, :-1]], dim=1)
        previous = previous * _follows(batch)[:, :, None, None, None]
        attend = TeacherForcing(
            batch.text_order, batch.text_doc, batch.frame_order, batch.frame_doc,
            self.network.num_tokens,
        )  # fmt: skip
        logits, velocity = self.network(
            batch.text_ids,
            batch.text_time,
            batch.text_index,
            torch.cat([history, noisy], dim=1),
            torch.cat([previous, previous], dim=1),
            torch.cat([batch.history_levels, batch.levels], dim=1),
            torch.cat([batch.frame_time, batch.frame_time], dim=1),
            attend,
        )
        return logits, velocity[:, noisy.shape[1] :]


def mix(clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """Return ``(1 - level) * clean + level * noise`` with one level a frame, (B, F)."""
    levels = levels[:, :, None, None, None].to(clean.dtype)
    return (1 - levels) * clean + levels * noise


def _follows(batch: Batch) -> Tensor:
    """(B, F): whether a frame comes one step after its left neighbour in the same example."""
    doc, time = batch.frame_doc, batch.frame_time
    follows = (doc[:, 1:] == doc[:, :-1]) & (time[:, 1:] == time[:, :-1] + 1)
    return F.pad(follows, (1, 0)).to(batch.latents.dtype)
