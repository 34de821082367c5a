"""Text of several lanes side by side."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Words(NamedTuple):
    """Text of one pass, padded: ids and validity ``(B, L)``, places in their step ``(B, L)``."""

    ids: Tensor
    valid: Tensor
    places: Tensor


def padded(rows: list[list[int]], first: int, pad: int, device: torch.device) -> Words:
    """Put lists of ids side by side; the first of each has place `first` in its step."""
    length = max(map(len, rows))
    ids = [row + [pad] * (length - len(row)) for row in rows]
    valid = [[place < len(row) for place in range(length)] for row in rows]
    places = torch.arange(length, device=device).expand(len(rows), -1) + first
    return Words(torch.tensor(ids, device=device), torch.tensor(valid, device=device), places)
