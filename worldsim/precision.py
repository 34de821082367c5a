"""Which numbers a device multiplies fast."""

from __future__ import annotations

import torch

from worldsim.errors import WorldsimError


def multiplies_bf16(device: torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 on a device.

    oneDNN calls it supported on every CPU with AVX-512, and emulates it: 1.6 times slower.
    """
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def choose_precision(wanted: str, device: torch.device) -> str:
    """Choose bf16 where the hardware multiplies it; elsewhere it is far slower than float32."""
    if wanted not in ("auto", "no", "bf16"):
        raise WorldsimError(f"unknown stage.precision={wanted}: use auto, no or bf16")
    if wanted != "auto":
        return wanted
    return "bf16" if multiplies_bf16(device) else "no"
