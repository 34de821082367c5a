"""What a rollout remembers: a ring of keys and values of fixed size, one per lane.

The newest tokens overwrite the oldest, so a frame costs the same after a minute as after an hour.
It knows positions in order and time, not what the tokens mean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LONG_AGO = -(1 << 40)


class KeyValueRing:
    """Keys and values of the last `window` steps for `lanes` independent rollouts.

    Args:
        layers: Attention layers.
        lanes: Rollouts side by side.
        slots: Tokens kept a lane; enough for the window's frames and their text.
        heads: Attention heads, each ``head_dim`` wide.
        head_dim: Width of a head.
        window: Steps of the past that may be seen.
        device: Where the ring lives.
        dtype: Of keys and values.
    """

    def __init__(
        self,
        layers: int,
        lanes: int,
        slots: int,
        heads: int,
        head_dim: int,
        window: int,
        device: torch.device,
        dtype: torch.dtype,
    ):
        self.slots, self.window = slots, window
        shape = (layers, 2, lanes, slots + 1, heads, head_dim)  # the last slot takes padding
        self.store = torch.zeros(shape, device=device, dtype=dtype)
        self.time = torch.full((lanes, slots + 1), LONG_AGO, device=device)
        self.order = torch.zeros((lanes, slots + 1), dtype=torch.long, device=device)
        self.head = torch.zeros(lanes, dtype=torch.long, device=device)

    def forget(self, lanes: Tensor) -> None:
        """Empty some lanes."""
        self.time[lanes] = LONG_AGO
        self.head[lanes] = 0

    def place(
        self, lanes: Tensor, order: Tensor, time: Tensor, valid: Tensor, alone: bool = False
    ) -> Pass:
        """Reserve slots for the tokens of one pass, without keeping them yet.

        Args:
            lanes: ``(B,)`` lanes of the pass.
            order: ``(B, S)`` order of every token; tokens of a frame share one.
            time: ``(B, S)`` step of every token.
            valid: ``(B, S)``; padding goes to a slot nobody sees.
            alone: Whether each token sees of this pass nothing but itself.
        """
        rank = valid.long().cumsum(dim=1) - 1
        slot = (self.head[lanes][:, None] + rank) % self.slots
        slot = torch.where(valid, slot, self.slots)
        rows = lanes[:, None]
        self.time[rows, slot] = torch.where(valid, time, LONG_AGO)
        self.order[rows, slot] = order
        key_time, key_order = self.time[lanes][:, None], self.order[lanes][:, None]  # (B, 1, slots)
        seen = (key_time > time[:, :, None] - self.window) & (key_order <= order[:, :, None])
        if alone:
            own = slot[:, :, None] == torch.arange(self.slots + 1, device=slot.device)
            seen &= own | ~own.any(dim=1, keepdim=True)
        # A padded query sees everything: what it computes is thrown away, but must not be NaN.
        seen = seen | ~valid[:, :, None]
        blocked = torch.zeros(seen.shape, device=seen.device, dtype=self.store.dtype)
        return Pass(self, lanes, slot, blocked.masked_fill_(~seen, float("-inf"))[:, None])

    def keep(self, lanes: Tensor, counts: Tensor) -> None:
        """Keep the first `counts` tokens ``(B,)`` that the last pass placed."""
        self.head[lanes] = (self.head[lanes] + counts) % self.slots

    def state(self) -> tuple[Tensor, ...]:
        """Return copies of everything."""
        return tuple(x.clone() for x in (self.store, self.time, self.order, self.head))

    def load(self, state: tuple[Tensor, ...]) -> None:
        """Take copies of everything."""
        for mine, theirs in zip((self.store, self.time, self.order, self.head), state, strict=True):
            mine.copy_(theirs)


class Pass:
    """The attention of one pass: writes its keys and values, then attends to the ring."""

    def __init__(self, ring: KeyValueRing, lanes: Tensor, slot: Tensor, mask: Tensor):
        """Made by `KeyValueRing.place`."""
        self.ring, self.lanes, self.slot, self.mask = ring, lanes, slot, mask
        self.all_lanes = len(lanes) == ring.store.shape[2]

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, S, heads, d) -> the same."""
        keys, values = self.ring.store[layer]
        keys[self.lanes[:, None], self.slot] = k.to(keys.dtype)
        values[self.lanes[:, None], self.slot] = v.to(values.dtype)
        if not self.all_lanes:
            keys, values = keys[self.lanes], values[self.lanes]
        out = F.scaled_dot_product_attention(
            q.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), self.mask
        )
        return out.transpose(1, 2)
