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
            alike: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(p.shape, []).append(p)
            # Matrices of one shape in one go: a GPU has little to do with any one of them.
            for shape, params in alike.items():
                ahead = [self._ahead(p, group["momentum"]) for p in params]
                updates = orthogonalise(torch.stack(ahead)).unbind()
                torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(params, updates, alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)

    def _ahead(self, p: Tensor, momentum: float) -> Tensor:
        """Return a gradient with its momentum, Nesterov's way."""
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        return p.grad.lerp(state["momentum"].lerp_(p.grad, 1 - momentum), momentum)


def orthogonalise(gradient: Tensor, steps: int = 5) -> Tensor:
    """Return roughly U·Vᵀ of a gradient, or of each in a stack, by Newton–Schulz iterations."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.bfloat16() if multiplies_bf16(gradient.device) else gradient.float()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT.contiguous() if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
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
        AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=decay, fused=True),
    ]
    if critic is not None:
        optimizers.append(
            AdamW(critic.parameters(), lr=rate, betas=(0.5, 0.99), weight_decay=decay, fused=True)
        )
    return optimizers
