"""A layer of the transformer: attention that all tokens share, then a feed-forward."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldsim.attention import Attend, rotate


class Block(nn.Module):
    """Shared attention, then one feed-forward for text and one for vision."""

    def __init__(self, width: int, text_hidden: int, image_hidden: int):
        """Build the block; heads are 64 wide. ``text_hidden=0``: text shares that of vision."""
        super().__init__()
        self.text_norm = nn.RMSNorm(width)
        self.image_norm = nn.RMSNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = nn.RMSNorm(64)
        self.k_norm = nn.RMSNorm(64)
        self.out = nn.Linear(width, width, bias=False)
        self.text_ffn = FeedForward(width, text_hidden) if text_hidden else None
        self.image_ffn = FeedForward(width, image_hidden)
        nn.init.zeros_(self.out.weight)

    def forward(
        self,
        text: Tensor,
        image: Tensor,
        angles: tuple[Tensor, Tensor],
        layer: int,
        attend: Attend,
    ) -> tuple[Tensor, Tensor]:
        """(B, L, D), (B, M, D) -> the same."""
        num_text = text.shape[1]
        x = torch.cat([self.text_norm(text), self.image_norm(image)], dim=1)
        q, k, v = self.qkv(x).unflatten(-1, (3, -1, 64)).unbind(2)
        q, k = rotate(self.q_norm(q), *angles), rotate(self.k_norm(k), *angles)
        x = self.out(attend(layer, q, k, v).flatten(2))
        text, image = text + x[:, :num_text], image + x[:, num_text:]
        return text + (self.text_ffn or self.image_ffn)(text), image + self.image_ffn(image)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020) behind its own norm."""

    def __init__(self, width: int, hidden: int):
        """Gate and value share one matrix; the way out starts at zero."""
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.into = nn.Linear(width, 2 * hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, D) -> (B, S, D)."""
        gate, value = self.into(self.norm(x)).chunk(2, dim=-1)
        return self.out(F.silu(gate) * value)
