"""Whether a place is still the same after looking away: there and back again, and full circles.

Turning on the spot, or walking a free way back, one ends where one began: the truth is the start
itself. How like itself the real world is when seen again is measured in the data beside it, as are
how far a turn goes and where a way is free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from worldsim.data import Dataset
from worldsim.evaluate.clips import Clips, Dreamer, distance, dream, load_clips
from worldsim.evaluate.index import Window
from worldsim.evaluate.returns import LEFT, circle_steps, find_gait, free_places
from worldsim.evaluate.revisits import measure_real
from worldsim.metrics import LPIPS

RIGHT = "turn right"
SECONDS = (0.25, 0.5, 1.0, 2.0)  # of going away, before coming back as long
FEWEST = 4  # places to walk from
NO_TURN = "one cannot turn on the spot"
PRESSED = (1, 2, 3)  # the key ahead at every step, or where that goes too far at every so many


def measure_memory(
    simulator: Dreamer, dataset: Dataset, clips: Clips, lpips: LPIPS, seed: int = 0
) -> dict[str, Any]:
    """Go away and come back in dreams and compare what is seen with where they began.

    Returns:
        For each time of turning away, such as ``"1.0"`` seconds, for ``circle`` and, where the data
        has places with a free way ahead, for ``"walk 1.0"``, LPIPS between the return and the
        start: ``model``; ``shuffled``, the same where, half of the way, all that was seen but the
        newest frame is exchanged for what was seen elsewhere; ``elsewhere``, the returns of other
        places, which is what a place that was forgotten has; ``codec``, the start through the
        codec. What cannot be measured has only ``why``. ``real``: see
        `revisits.measure_real`; it is left out where one cannot turn on the spot.
    """
    circle, spec = circle_steps(dataset), clips.spec
    if circle is None:
        return {name: {"why": NO_TURN} for name in ("2.0", "circle", "walk 2.0")}
    left, right = spec.action_index(LEFT), spec.action_index(RIGHT)
    drives = {"circle": (clips, [left] * circle)}
    ways, missing = dict[str, float](), dict[str, Any]()
    gait = find_gait(dataset)
    for seconds in SECONDS:
        steps = round(seconds * spec.steps_per_second)
        drives[str(seconds)] = clips, [left] * steps + [right] * steps
        name, places = f"walk {seconds}", list[Window]()
        if gait is None:
            missing[name] = {"why": "steps ahead differ in length, so no way back fits"}
            continue
        for every in PRESSED:
            drive, way = gait.there_and_back(steps, every)
            places = free_places(dataset, way, gait, clips.context, len(clips))
            if len(places) >= FEWEST:
                shown = load_clips(dataset, places, clips.context, 0, simulator.image_size)
                drives[name], ways[name] = (shown, [spec.action_index(a) for a in drive]), way
                break
        else:
            why = f"{len(places)} places have {way:.1f} m free ahead, fewer than {FEWEST}"
            missing[name] = {"why": why}
    found = {
        name: _measure(simulator, shown, drive, lpips, seed, name)
        for name, (shown, drive) in drives.items()
    }
    for name, way in ways.items():
        found[name]["metres"] = way
    return {**found, **missing, "real": measure_real(dataset, lpips, simulator.image_size)}


def _measure(
    simulator: Dreamer, clips: Clips, drive: list[int], lpips: LPIPS, seed: int, name: str
) -> dict[str, Any]:
    """Follow one drive from every clip."""
    starts = clips.frames[:, clips.context - 1]
    actions = np.tile(np.array(drive, np.int64), (len(clips), 1))
    seen = dream(simulator, clips, actions, seed=seed, desc=f"memory {name}")
    half, last = len(drive) // 2, seen[:, -1]
    strangers = _exchange(clips, seen[:, :half], actions[:, :half])
    back = dream(simulator, strangers, actions[:, half:], seed=seed, desc=f"shuffled {name}")
    decoded = simulator.reconstruct(torch.from_numpy(np.ascontiguousarray(starts))).numpy()
    return {
        "model": distance(lpips, last, starts),
        "shuffled": distance(lpips, back[:, -1], starts),
        "elsewhere": distance(lpips, np.roll(last, 1, axis=0), starts),
        "codec": distance(lpips, decoded, starts),
        "steps": len(drive),
        "starts": len(clips),
    }


def _exchange(clips: Clips, seen: np.ndarray, actions: np.ndarray) -> Clips:
    """Return what was last seen and done, with all but the newest frame from another place."""
    k = clips.context
    frames = np.concatenate([clips.frames[:, :k], seen], axis=1)[:, -k:]
    actions = np.concatenate([clips.actions[:, : k - 1], actions], axis=1)[:, -(k - 1) :]
    mixed = np.roll(frames, 1, axis=0)
    mixed[:, -1] = frames[:, -1]
    return Clips(clips.spec, mixed, np.roll(actions, 1, axis=0), k)
