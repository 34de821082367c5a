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
from worldsim.sequence import FIRST_WORD, IGNORE, PADDING


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
    dreamed: Tensor  # (B, F), whether history shows the network's own guess of the frame


@dataclass
class ObjectiveConfig:
    """Weights of the loss.

    Attributes:
        flow_weight: λ of DESIGN §2; 1·cross-entropy + λ·flow.
        first_weight: Weight of frames with none before them, beside 1 for the others. They are
            mostly unknowable, and would drown what a short training is after.
    """

    flow_weight: float = 3.0
    first_weight: float = 0.1


class WorldObjective(nn.Module):
    """`forward(batch)` returns the loss and detached logs."""

    def __init__(self, network: WorldTransformer, config: ObjectiveConfig):
        """Keep the network; it stays the owner of all weights."""
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and logs ``{"loss", "flow", "text"}``."""
        logits, velocity = self.predict(batch, self._remember(batch))
        first = self.config.first_weight
        weight = (batch.frame_doc != PADDING) * (first + (1 - first) * _follows(batch))  # (B, F)
        error = (velocity.float() - (batch.noise - batch.latents)).square().mean(dim=(2, 3, 4))
        flow = (error * weight).sum() / weight.sum().clamp(min=1)
        text = F.cross_entropy(
            logits.float().flatten(0, 1), batch.text_targets.flatten(), ignore_index=IGNORE
        )
        loss = text + self.config.flow_weight * flow
        return loss, {"loss": loss.detach(), "flow": flow.detach(), "text": text.detach()}

    def predict(self, batch: Batch, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits ``(B, L, vocab)`` and velocities of the noisy frames ``(B, F, ...)``.

        Args:
            batch: Rows.
            seen: Frames as history shows them, if not as they were.
        """
        seen = batch.latents if seen is None else seen
        history = mix(seen, batch.history_noise, batch.history_levels)
        noisy = mix(batch.latents, batch.noise, batch.levels)
        previous = torch.cat([torch.zeros_like(history[:, :1]), history[:, :-1]], dim=1)
        previous = previous * _follows(batch)[:, :, None, None, None]
        attend = TeacherForcing(
            batch.text_order, batch.text_doc, batch.frame_order, batch.frame_doc,
            self.network.num_tokens,
        )  # fmt: skip
        said = self.network.hear(batch.text_ids, _heard(batch))
        logits, velocity = self.network(
            batch.text_ids,
            batch.text_time,
            batch.text_index,
            torch.cat([history, noisy], dim=1),
            torch.cat([previous, previous], dim=1),
            torch.cat([said, said], dim=1),
            torch.cat([batch.history_levels, batch.levels], dim=1),
            torch.cat([batch.frame_time, batch.frame_time], dim=1),
            attend,
            num_history=noisy.shape[1],
        )
        return logits, velocity

    @torch.no_grad()
    def _remember(self, batch: Batch) -> Tensor:
        """Put the network's own frames, drawn in one pass, where history is to show them.

        A rollout's history is dreamed; a network that has only met real ones is thrown off by
        its own small errors. Source: scheduled sampling (Bengio et al. 2015), in parallel for
        all frames as in Mihaylova & Martins 2019, one frame deep.
        """
        rows = batch.dreamed.any(dim=1)
        if not rows.any():
            return batch.latents
        some = Batch(*(x[rows] for x in batch))
        velocity = self.predict(some._replace(levels=torch.ones_like(some.levels)))[1]
        guess = (some.noise - velocity).to(batch.latents.dtype)
        seen = batch.latents.clone()
        dreamed = some.dreamed & _follows(some).bool()
        seen[rows] = torch.where(dreamed[:, :, None, None, None], guess, some.latents)
        return seen


def mix(clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
    """Return ``(1 - level) * clean + level * noise`` with one level a frame, (B, F)."""
    levels = levels[:, :, None, None, None].to(clean.dtype)
    return (1 - levels) * clean + levels * noise


def _follows(batch: Batch) -> Tensor:
    """(B, F): whether a frame comes one step after its left neighbour in the same example."""
    doc, time = batch.frame_doc, batch.frame_time
    follows = (doc[:, 1:] == doc[:, :-1]) & (time[:, 1:] == time[:, :-1] + 1)
    return F.pad(follows, (1, 0)).to(batch.latents.dtype)


def _heard(batch: Batch) -> Tensor:
    """(B, F, L): whether a text token belongs to the last words said before a frame."""
    order = batch.frame_order[:, :, None]
    doc, text = batch.frame_doc[:, :, None], batch.text_order[:, None]
    same = (batch.text_doc[:, None] == doc) & (doc != PADDING)
    frames_before = (same & (order < text)).sum(dim=1, keepdim=True)
    word = same & (text < order) & (batch.text_index >= FIRST_WORD)[:, None]
    when = torch.where(word, frames_before, -1)
    return word & (when == when.amax(dim=-1, keepdim=True))
