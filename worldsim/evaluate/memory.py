"""Whether a place is still the same after looking away: turns there and back, and full circles.

Turning on the spot changes nothing in a real world, so the way back ends where it began: the
truth is the start itself, and its distance is 0. How far a turn goes is taken from the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from worldsim.data import Dataset
from worldsim.evaluate.clips import Clips, Dreamer, dream
from worldsim.metrics import LPIPS, as_images

LEFT, RIGHT = "turn left", "turn right"
SECONDS = (0.25, 0.5, 1.0, 2.0)  # of turning away, before turning back as long
STEADY = 0.1  # turns that differ by more than this share make no circle


def measure_memory(
    simulator: Dreamer, dataset: Dataset, clips: Clips, lpips: LPIPS, seed: int = 0
) -> dict[str, Any] | None:
    """Turn away and back in dreams and compare what is seen with where they began.

    Returns:
        For each time of turning away, such as ``"1.0"`` seconds, and for ``circle``, LPIPS
        between the return and the start: ``model``; ``shuffled``, the same where, half of the way,
        all that was seen but the newest frame is exchanged for what was seen elsewhere;
        ``elsewhere``, the returns of other places, which is what a place that was forgotten has;
        ``codec``, the start through the codec. None where one cannot turn on the spot.
    """
    circle = circle_steps(dataset)
    if circle is None:
        return None
    starts = clips.frames[:, clips.context - 1]
    floor = _distance(lpips, simulator.reconstruct(torch.from_numpy(starts)).numpy(), starts)
    spec, found = clips.spec, dict[str, Any]()
    left, right = spec.action_index(LEFT), spec.action_index(RIGHT)
    drives = {}
    for seconds in SECONDS:
        steps = round(seconds * spec.steps_per_second)
        drives[str(seconds)] = [left] * steps + [right] * steps
    drives["circle"] = [left] * circle
    for name, drive in drives.items():
        actions = np.tile(np.array(drive, np.int64), (len(clips), 1))
        seen = dream(simulator, clips, actions, seed=seed, desc=f"memory {name}")
        half, last = len(drive) // 2, seen[:, -1]
        strangers = _exchange(clips, seen[:, :half], actions[:, :half])
        back = dream(simulator, strangers, actions[:, half:], seed=seed, desc=f"shuffled {name}")
        found[name] = {
            "model": _distance(lpips, last, starts),
            "shuffled": _distance(lpips, back[:, -1], starts),
            "elsewhere": _distance(lpips, np.roll(last, 1, axis=0), starts),
            "codec": floor,
            "steps": len(drive),
        }
    return found


def _exchange(clips: Clips, seen: np.ndarray, actions: np.ndarray) -> Clips:
    """Return what was last seen and done, with all but the newest frame from another place."""
    k = clips.context
    frames = np.concatenate([clips.frames[:, :k], seen], axis=1)[:, -k:]
    actions = np.concatenate([clips.actions[:, : k - 1], actions], axis=1)[:, -(k - 1) :]
    mixed = np.roll(frames, 1, axis=0)
    mixed[:, -1] = frames[:, -1]
    return Clips(clips.spec, mixed, np.roll(actions, 1, axis=0), k)


def circle_steps(dataset: Dataset, episodes: int = 20) -> int | None:
    """Return how many steps of turning left make a circle; None where turns are not steady."""
    spec = dataset.spec
    if LEFT not in spec.actions:
        return None
    left, turns = spec.action_index(LEFT), list[float]()
    for index in np.linspace(0, len(dataset) - 1, min(episodes, len(dataset))).astype(int):
        steps = dataset.load_steps(int(index))
        if steps.pose is None:
            return None
        yaw = np.diff(steps.pose[:, 2])[np.asarray(steps.actions) == left]
        turns += ((yaw + 180.0) % 360.0 - 180.0).tolist()
    if not turns:
        return None
    low, middle, high = np.percentile(turns, (10, 50, 90))
    return round(360 / middle) if middle > 0 and high - low <= STEADY * middle else None


def _distance(lpips: LPIPS, frames: np.ndarray, others: np.ndarray) -> float:
    """Mean LPIPS of uint8 frames ``(N, H, W, 3)``, pair by pair."""
    with torch.inference_mode():
        pair = (as_images(torch.from_numpy(np.ascontiguousarray(x))) for x in (frames, others))
        return float(lpips(*pair).mean())
