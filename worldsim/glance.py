"""Answers from what the stem alone sees; exists only while the model is trained.

What one is asked about a picture passes through a stem, then through a transformer that costs fifty
times as much. So few clips are asked about that the stem hardly learns to look; here it is asked by
a head that costs next to nothing, about many more, and the transformer finds its features ready.
Source: heads beside the way out, as in deeply-supervised nets (Lee et al. 2015, 1409.5185).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worldsim.answers import answer_loss, learnt_answers
from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.batch import Batch


class Glance(nn.Module):
    """Says the next word of an answer from a bag of the words before it and one look at a frame.

    It knows no order of words but the place of the one to be said, and no frame but the newest and
    what moved since the one before.

    Args:
        vocab_size: Entries of the tokenizer.
        width: D, of a token of the stem.
        num_tokens: N, tokens of a frame, a square number.
        longest: Places within an answer that are told apart.
    """

    def __init__(self, vocab_size: int, width: int, num_tokens: int, longest: int = 64):
        super().__init__()
        self.grid, self.longest = round(num_tokens**0.5), longest
        self.words = nn.Embedding(vocab_size, width)
        self.places = nn.Embedding(longest + PARTS_SIDE**2, width)
        self.asked = nn.Linear(width, width)
        self.mix = nn.Sequential(
            nn.Linear(3 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, vocab_size)
        )
        nn.init.normal_(self.words.weight, std=0.2)
        nn.init.normal_(self.places.weight, std=0.2)

    @torch.compiler.disable  # how many answers there are differs from batch to batch
    def loss(self, batch: Batch, looked: Tensor) -> Tensor:
        """Return how wrong is what is said, see `answer_loss`; arguments as of `forward`."""
        return answer_loss(batch, self(batch, looked))

    def forward(self, batch: Batch, looked: Tensor) -> Tensor:
        """Return logits ``(Q, vocab)`` of all that is to be said, see `learnt_answers`.

        Args:
            batch: Clips with questions.
            looked: ``(B, F, N, D)`` what the stem sees in each frame.
        """
        said = (
            (batch.text_doc[:, :, None] == batch.text_doc[:, None])
            & (batch.text_branch[:, :, None] == batch.text_branch[:, None])
            & (batch.text_order[:, :, None] >= batch.text_order[:, None])
        )  # (B, L, L)
        part = batch.text_index - PARTS
        place = batch.text_index.clamp(max=self.longest - 1)
        place = torch.where(part >= 0, self.longest + part, place)
        words = self.words(batch.text_ids)
        heard = said.to(words.dtype) @ words + self.places(place)  # (B, L, D)

        there = self._there(batch, part).to(looked.dtype)
        found = there / there.sum(dim=-1, keepdim=True).clamp(min=1) @ looked.flatten(1, 2)
        learnt = learnt_answers(batch)
        found, heard = found[learnt], heard[learnt].to(found.dtype)
        return self.mix(torch.cat([found, found * self.asked(heard), heard], dim=-1))

    def _there(self, batch: Batch, part: Tensor) -> Tensor:
        """(B, L, F * N): whether a token is of the newest frame, and of the part asked after."""
        mine = batch.frame_doc[:, None] == batch.text_doc[:, :, None]
        before = mine & (batch.frame_order[:, None] < batch.text_order[:, :, None])  # (B, L, F)
        order = torch.where(before, batch.frame_order[:, None], -1)
        newest = before & (order == order.amax(dim=-1, keepdim=True))
        token = torch.arange(self.grid**2, device=part.device)
        here = (part[..., None] < 0) | (token == self._token(part)[..., None])  # (B, L, N)
        return (newest[..., None] & here[:, :, None]).flatten(2)

    def _token(self, part: Tensor) -> Tensor:
        """Return which token of a frame holds a part of the picture."""
        row, column = part // PARTS_SIDE, part % PARTS_SIDE
        return row * self.grid // PARTS_SIDE * self.grid + column * self.grid // PARTS_SIDE
