"""What a world answers after a frame: a reward, and whether it ends."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from worldsim.text import REWARD_BINS, TextTokenizer


class Answers(NamedTuple):
    """Of lanes side by side, all ``(B,)``.

    Attributes:
        rewards: On average: what pays seldom is never the likeliest.
        terminated: Whether worlds end.
        end_chances: With what chance.
        tokens: The likeliest reward, and what was drawn about the end: what memory takes in.
    """

    rewards: Tensor
    terminated: Tensor
    end_chances: Tensor
    tokens: Tensor

    @classmethod
    def of(cls, logits: Tensor, tokenizer: TextTokenizer, luck: Tensor | float) -> Answers:
        """Read answers from the logits after a frame, ``(B, vocab)``.

        Args:
            logits: Of all words.
            tokenizer: Knows which of them are answers.
            luck: 0 to 1. An end is never likely: it comes when its chance is above that.
        """
        ids = torch.tensor(tokenizer.answer_ids, device=logits.device)
        chance = logits[:, ids].softmax(dim=-1).unflatten(1, (2, -1))  # (B, end, bin)
        end = chance[:, 1].sum(dim=-1).float().cpu()
        terminated = end > luck
        bins = chance.sum(dim=1).float()  # (B, bin)
        said = terminated.long().to(ids.device)
        tokens = ids.view(2, -1)[said, bins.argmax(dim=-1)]
        return cls(bins.cpu() @ torch.tensor(REWARD_BINS), terminated, end, tokens)
