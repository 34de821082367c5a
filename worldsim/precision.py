"""Which numbers a device multiplies fast."""

from __future__ import annotations

import torch


def multiplies_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 on a device.

    oneDNN calls it supported on every CPU with AVX-512, and emulates it: 1.6 times slower.
    """
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
