"""How close the dreamed video stays to what really happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from worldsim.evaluate.clips import Clips, Dreamer
from worldsim.i3d import frechet
from worldsim.metrics import LPIPS, as_images, looks, psnr, ssim

FVD_FRAMES = 16


def measure_video(
    simulator: Dreamer,
    clips: Clips,
    dreamed: np.ndarray,
    shuffled: np.ndarray,
    horizons: list[int],
    lpips: LPIPS,
) -> dict[str, Any]:
    """Compare with the real frames at each horizon (steps after the last frame shown).

    Beside the model: ``repeat_last`` (a world that stands still), ``shuffled`` (the same model
    with another window's actions), ``codec`` (the real frame through the codec: the floor).
    Open loop: after a corner the dream may be as good as the truth and still differ from it.
    """
    result: dict[str, Any] = {}
    for horizon in horizons:
        truth = clips.future[:, horizon - 1]
        rivals = {
            "model": dreamed[:, horizon - 1],
            "repeat_last": clips.frames[:, clips.context - 1],
            "shuffled": shuffled[:, horizon - 1],
            "codec": reconstruct(simulator, truth),
        }
        row: dict[str, Any] = {name: compare(truth, x, lpips) for name, x in rivals.items()}
        row["lpips_ratio"] = row["model"]["lpips"] / max(row["repeat_last"]["lpips"], 1e-9)
        result[str(horizon)] = row
    result["windows"] = len(clips)
    return result


def make_crowds(
    simulator: Dreamer, clips: Clips, dreamed: np.ndarray, shuffled: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what is compared with the real videos as a crowd, uint8 ``(N, steps, H, W, 3)`` each.

    The first `FVD_FRAMES` steps of ``model``, ``shuffled`` (the same model with another window's
    actions), ``repeat_last`` (a world that stands still) and ``codec`` (the real videos through
    the codec: the floor).
    """
    steps = min(FVD_FRAMES, dreamed.shape[1])
    truth = clips.future[:, :steps]
    flat = reconstruct(simulator, truth.reshape(-1, *truth.shape[2:]))
    return {
        "model": dreamed[:, :steps],
        "shuffled": shuffled[:, :steps],
        "repeat_last": clips.frames[:, clips.context - 1 : clips.context].repeat(steps, axis=1),
        "codec": flat.reshape(truth.shape),
    }


def measure_fvd(
    features: Callable[[np.ndarray], np.ndarray], clips: Clips, crowds: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return how far dreamed videos are from real ones as a crowd, not one by one.

    Args:
        features: Of uint8 videos ``(N, T, H, W, 3)``, one row each, see `i3d.video_features`.
        clips: What really happened.
        crowds: Videos from the same places, see `make_crowds`.

    Returns:
        Fréchet distance of each crowd to the real videos; ``videos`` in each of them. Few videos
        make it large: compare figures of equally many only.
    """
    steps = crowds["model"].shape[1]
    real = features(clips.future[:, :steps])
    found = {name: frechet(real, features(videos)) for name, videos in crowds.items()}
    return {**found, "videos": len(clips), "frames": steps}


def measure_looks(lpips: LPIPS, clips: Clips, crowds: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return how far dreamed frames are from real ones as a crowd, whatever their order.

    The eye is LPIPS' AlexNet (trained on ImageNet), see `metrics.looks`. Where training had the
    same network in its loss, this flatters the model; `measure_fvd` does not.

    Returns:
        Fréchet distance of each crowd of `make_crowds` to the real frames; ``frames`` in each.
    """
    real = looks(lpips, clips.future[:, : crowds["model"].shape[1]])
    found = {name: frechet(real, looks(lpips, videos)) for name, videos in crowds.items()}
    return {**found, "frames": len(real)}


def compare(truth: np.ndarray, other: np.ndarray, lpips: LPIPS) -> dict[str, float]:
    """Return mean LPIPS, PSNR and SSIM of uint8 frames `(N, H, W, 3)`."""
    sums = np.zeros(3)
    with torch.no_grad():
        for first in range(0, len(truth), 32):
            a, b = (as_images(x[first : first + 32]) for x in (truth, other))
            sums += [float(measure(a, b).sum()) for measure in (lpips, psnr, ssim)]
    means = sums / len(truth)
    return {"lpips": means[0], "psnr": means[1], "ssim": means[2]}


def reconstruct(simulator: Dreamer, frames: np.ndarray) -> np.ndarray:
    """Pass uint8 frames `(N, H, W, 3)` through the model's codec and back."""
    parts = torch.from_numpy(np.ascontiguousarray(frames)).split(16)
    return np.concatenate([simulator.reconstruct(part).cpu().numpy() for part in parts])


def shuffled_rows(count: int, seed: int) -> np.ndarray:
    """Return a permutation in which nobody keeps their place (for one row: the row itself)."""
    order = np.random.default_rng(seed).permutation(count)
    result = np.empty(count, np.int64)
    result[order] = np.roll(order, 1)
    return result
