"""What is to be said when something is asked: where it stands in a batch, and how wrong it was."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from worldsim.attention import PARTS
from worldsim.batch import Batch
from worldsim.sequence import IGNORE


def learnt_answers(batch: Batch) -> Tensor:
    """(B, L): whether a text position is to say the next word of an answer."""
    return (batch.text_targets != IGNORE) & (batch.text_branch > 0)


@torch.compiler.disable  # how many answers there are differs from batch to batch
def answer_loss(batch: Batch, logits: Tensor) -> Tensor:
    """Return the mean cross-entropy of what is to be said; n words count as much as root n.

    Word by word a caption would drown an action; answer by answer it is nearly lost. What is said
    of the parts of a picture is one answer of so many words: else it would drown all others.

    Args:
        batch: Clips with questions.
        logits: ``(B, L, vocab)``, or ``(Q, vocab)`` of the `learnt_answers` alone.
    """
    learnt = learnt_answers(batch)
    logits = logits[learnt] if logits.ndim == 3 else logits
    wrong = F.cross_entropy(logits.float(), batch.text_targets[learnt], reduction="none")
    index, time = batch.text_index[learnt], batch.text_time[learnt]
    branch = torch.where(index >= PARTS, -1 - time, batch.text_branch[learnt])
    names = torch.stack([batch.text_doc[learnt], branch])
    of, words = names.unique(dim=1, return_inverse=True, return_counts=True)[1:]
    return (wrong / words[of].sqrt()).sum() / words.sqrt().sum().clamp(min=1)
