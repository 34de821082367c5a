"""How much a training step computes, and what share of the device's best that is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

# Dense bfloat16 products with float32 sums, as the makers' data sheets say, by part of the name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}


def count_flops(loss: Callable[[], Tensor]) -> float:
    """Return the operations of a loss and of its gradient; what is compiled cannot be counted.

    Only products count, of matrices, convolutions and attention: "model FLOPs" (PaLM, 2204.02311).
    """
    # A fused kernel of attention is one operation to the counter; taken apart it is products.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        loss().backward()
    return float(counter.get_total_flops())


def utilisation(flops: float, seconds: float, device: torch.device) -> dict[str, float]:
    """Return achieved ``tflops`` a second and, where the device's peak is known, ``mfu``."""
    found = {"tflops": flops / seconds / 1e12}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    peak = next((peak for part, peak in PEAKS.items() if part in name), None)
    return found if peak is None else found | {"mfu": flops / seconds / peak}
