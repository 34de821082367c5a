"""Where tokens stand and what they may see. No weights here.

Positions are (time, row, column) triples turned into rotary angles; text counts along row and
column together, but for what is said of a part of the picture: that stands where the part is.
During training every frame stands in the row twice: once clean (history for others) and once
noisy (to be denoised); see `TeacherForcing`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, q, k, v), each ``(B, S, heads, d)``, to the attended values of the same shape."""

ROTARY_BASE = 100.0  # the longest wavelength is about 600 steps: windows are far shorter
PARTS = 1024  # places of text from here on are those of the picture's parts, row by row
PARTS_SIDE = 8  # parts along each side of a picture


def rotary_angles(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines for positions ``(B, S, 3)``, each ``(B, S, 1, head_dim / 2)``.

    Angles are computed in float64, so step one million of a rollout is as exact as step one.
    """
    pairs = head_dim // 2
    spatial = pairs // 3
    parts = []
    for axis, count in enumerate((pairs - 2 * spatial, spatial, spatial)):
        steps = torch.arange(count, device=positions.device, dtype=torch.float64) / count
        parts.append(positions[..., axis, None].to(torch.float64) * ROTARY_BASE**-steps)
    angles = torch.cat(parts, dim=-1)[:, :, None]
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``(B, S, heads, d)`` by angles from `rotary_angles`."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def text_positions(time: Tensor, index: Tensor, grid: int) -> Tensor:
    """(B, L) step and place within the step -> (B, L, 3), beside frames of `grid` rows."""
    parts = torch.stack([(index - PARTS) // PARTS_SIDE, (index - PARTS) % PARTS_SIDE], dim=-1)
    there = (parts + 0.5) * (grid / PARTS_SIDE) - 0.5
    index = index[..., None].to(there.dtype).expand_as(there)
    place = torch.where(index >= PARTS, there, index)
    return torch.cat([time[..., None].to(there.dtype), place], dim=-1)


def frame_positions(time: Tensor, grid: int) -> Tensor:
    """(B, F) steps -> (B, F * grid * grid, 3), row-major within a frame."""
    cells = torch.arange(grid * grid, device=time.device)
    time = time[:, :, None].expand(-1, -1, grid * grid)
    rows = (cells // grid).expand_as(time)
    columns = (cells % grid).expand_as(time)
    return torch.stack([time, rows, columns], dim=-1).flatten(1, 2)


class TeacherForcing:
    """Attention of a training row: text and clean frames, then a noisy copy of every frame.

    The copies may be left out where nothing is to be drawn.

    Clean tokens see what came before them (block-causal: the tokens of one frame see each
    other). A noisy frame sees the clean tokens that came before it, and itself, which is just
    what it will see in a rollout, where history is finished when a frame is drawn.

    Source: independent noise levels per frame as in diffusion forcing (Chen et al. 2024), with
    the clean copies of teacher forcing; `docs/decisions.md` says why.
    """

    def __init__(
        self,
        text_order: Tensor,
        text_doc: Tensor,
        text_branch: Tensor,
        frame_order: Tensor,
        frame_doc: Tensor,
        n: int,
    ):
        """Build the masks from ``(B, L)`` and ``(B, F)`` orders, document and branch numbers.

        Branch 0 of a document is seen by all that comes later in it, another by itself alone.
        """
        frame_order = frame_order.repeat_interleave(n, dim=1)
        frame_doc = frame_doc.repeat_interleave(n, dim=1)
        order = torch.cat([text_order, frame_order], dim=1)
        doc = torch.cat([text_doc, frame_doc], dim=1)
        branch = torch.cat([text_branch, torch.zeros_like(frame_doc)], dim=1)
        self.num_clean = order.shape[1]
        same = (doc[:, :, None] == doc[:, None]) & (doc >= 0)[:, None]
        same &= (branch[:, None] == 0) | (branch[:, None] == branch[:, :, None])
        itself = torch.eye(self.num_clean, dtype=torch.bool, device=doc.device)
        clean = same & (order[:, None] <= order[:, :, None]) | itself
        earlier = (order[:, None] < frame_order[:, :, None]) & (branch[:, None] == 0)
        before = (frame_doc[:, :, None] == doc[:, None]) & earlier
        block = torch.arange(frame_order.shape[1], device=doc.device) // n
        own = (block[:, None] == block[None]).expand(len(doc), -1, -1)
        self.clean = _additive(clean)
        self.noisy = _additive(torch.cat([before, own], dim=-1))

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend within the row."""
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        c = self.num_clean
        clean = F.scaled_dot_product_attention(
            q[:, :, :c], k[:, :, :c], v[:, :, :c], self.clean.to(q.dtype)
        )
        if q.shape[2] == c:
            return clean.transpose(1, 2)
        noisy = F.scaled_dot_product_attention(q[:, :, c:], k, v, self.noisy.to(q.dtype))
        return torch.cat([clean, noisy], dim=2).transpose(1, 2)


def _additive(mask: Tensor) -> Tensor:
    """(B, q, k) bool -> (B, 1, q, k) with 0 where visible."""
    blocked = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, float("-inf"))
    return blocked[:, None]
