"""A batch: rows of text and frames with all that training needs to know of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.sequence import FIRST_WORD, PADDING


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
    text_branch: Tensor
    latents: Tensor
    frame_order: Tensor
    frame_time: Tensor
    frame_doc: Tensor
    noise: Tensor  # (B, F, c, h, w) for the frames to be denoised
    history_noise: Tensor  # (B, F, c, h, w)
    levels: Tensor  # (B, F)
    history_levels: Tensor  # (B, F)
    seen: Tensor  # (B, F, c, h, w), frames as history shows them: as they were, or dreamed
    depth: Tensor  # (B, F), how many steps into a dream history is at a frame; 0 is as it was
    lane: Tensor  # (B, F), the dream it follows, see `train.dreams`
    motion: Tensor | None = None  # (B, F, 3, y, x), see `hindsight`
    went: Tensor | None = None  # (B, F, 3, y, x), the same of frames as history shows them
    around: Tensor | None = None  # (B, F, …), what lies around those, see `painter.Nearby`
    fine: Tensor | None = None  # (B, F, …), those without what was mended, see there
    moves: Tensor | None = None  # (B, F, STEPS, 3, y, x), motion around those asked about: `deed`

    def to(self, device: torch.device) -> Batch:
        """Return it there."""
        return Batch._make(x if x is None else x.to(device, non_blocking=True) for x in self)

    def pinned(self) -> Batch:
        """Return it in memory that can be copied to a GPU while that works."""
        return Batch._make(x if x is None else x.pin_memory() for x in self)


def follows_left(batch: Batch) -> Tensor:
    """(B, F): whether a frame comes one step after its left neighbour in the same example."""
    doc, time = batch.frame_doc, batch.frame_time
    follows = (doc[:, 1:] == doc[:, :-1]) & (time[:, 1:] == time[:, :-1] + 1)
    return F.pad(follows, (1, 0)).to(batch.latents.dtype)


def asks_about(batch: Batch) -> Tensor:
    """(B, L): number of the frame that an aside is about, -1 for all other text."""
    same = batch.text_doc[:, :, None] == batch.frame_doc[:, None]
    same &= batch.text_time[:, :, None] == batch.frame_time[:, None]
    same &= ((batch.text_branch > 0) & (batch.text_doc >= 0))[:, :, None]
    return torch.where(same.any(dim=2), same.int().argmax(dim=2), -1)


def heard_by(batch: Batch) -> Tensor:
    """(B, F, L): whether a text token belongs to the last words said before a frame."""
    order = batch.frame_order[:, :, None]
    doc, text = batch.frame_doc[:, :, None], batch.text_order[:, None]
    same = (batch.text_doc[:, None] == doc) & (doc != PADDING) & (batch.text_branch == 0)[:, None]
    frames_before = (same & (order < text)).sum(dim=1, keepdim=True)
    word = same & (text < order) & (batch.text_index >= FIRST_WORD)[:, None]
    when = torch.where(word, frames_before, -1)
    return word & (when == when.amax(dim=-1, keepdim=True))


def age_of(batch: Batch, heard: Tensor) -> Tensor:
    """(B, F): how many frames came between the words that each one hears and itself."""
    said_at = torch.where(heard, batch.text_time[:, None], 0).amax(dim=-1)
    return (batch.frame_time - 1 - said_at).clamp(min=0)
