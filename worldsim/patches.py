"""Squares of a frame's cells and the tokens that stand for them, row by row."""

from __future__ import annotations

from torch import Tensor


def into_patches(frames: Tensor, patch: int) -> Tensor:
    """(B, F, values, h, w) -> (B, F, N, values * patch * patch)."""
    squares = frames.unflatten(4, (-1, patch)).unflatten(3, (-1, patch))
    return squares.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(2, 3)


def from_patches(tokens: Tensor, num_frames: int, grid: int, patch: int) -> Tensor:
    """(B, F * N, values * patch * patch) -> (B * F, values, h, w), N = grid * grid."""
    tokens = tokens.unflatten(1, (num_frames, grid, grid)).unflatten(-1, (-1, patch, patch))
    return tokens.permute(0, 1, 4, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4).flatten(0, 1)
