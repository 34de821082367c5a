"""Muon for the matrices, AdamW for the rest.

`torch.optim.Muon` orthogonalises in bfloat16, which is emulated (fifty times slower) on CPUs
without AVX-512 BF16; this one computes in float32 there. Otherwise the same rule,
including the `match_rms_adamw` rate. Source: Jordan et al. 2024; Moonlight (2502.16982).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from worldsim.model import WorldTransformer
from worldsim.precision import multiplies_bf16


class Muon(Optimizer):
    """Momentum whose update is the nearest orthogonal matrix.

    Args:
        params: Two-dimensional parameters only.
        lr: Comparable to an AdamW rate.
        momentum: Nesterov momentum.
        weight_decay: Decoupled.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                momentum = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalise(p.grad.lerp(momentum, group["momentum"]))
                rate = group["lr"] * 0.2 * max(p.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)


def orthogonalise(gradient: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U·Vᵀ of the gradient by Newton–Schulz iterations."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.bfloat16() if multiplies_bf16(gradient.device) else gradient.float()
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(gradient.dtype)


def make_optimizers(
    network: WorldTransformer, critic: nn.Module | None, rate: float, decay: float
) -> list[Optimizer]:
    """Return Muon for the blocks' matrices and AdamW for everything else, a critic apart."""
    blocks = [p for p in network.blocks.parameters() if p.ndim == 2]
    chosen = {id(p) for p in blocks}
    rest = [p for p in network.parameters() if id(p) not in chosen]
    optimizers: list[Optimizer] = [
        Muon(blocks, lr=rate, weight_decay=decay),
        AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=decay),
    ]
    if critic is not None:
        optimizers.append(
            AdamW(critic.parameters(), lr=rate, betas=(0.5, 0.99), weight_decay=decay)
        )
    return optimizers
