"""Whether the keys do in the dream what they do in the real world."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from worldsim.evaluate.clips import Clips, Dreamer
from worldsim.evaluate.video import shuffled_rows
from worldsim.judge import Judge
from worldsim.odometer import MOTION, Odometer, errors
from worldsim.watcher import AFTER, BEFORE

GAIN_FROM = 0.25  # of the usual motion; where there is less, its share says nothing


def name_future(judge: Judge, clips: Clips, future: np.ndarray, steps: int) -> np.ndarray:
    """Name the first `steps` actions after the context, where `future` is what was then seen.

    The judge looks at some real frames before the first of them, as it does on real video.

    Returns:
        int64 `(N, steps)`; fewer where `future` is too short to look past the last one.
    """
    context = clips.frames[:, clips.context - 1 - BEFORE : clips.context]
    # The frame acted in lies at BEFORE; the first named transition is out of the last context one.
    seen = np.concatenate([context, future[:, : steps + AFTER - 1]], 1)
    return judge.name(seen)


def read_future(odometer: Odometer, clips: Clips, future: np.ndarray, steps: int) -> np.ndarray:
    """Read the first `steps` motions after the context, as `name_future` names actions.

    Returns:
        float32 `(N, steps, 3)`, see `Odometer.read`.
    """
    context = clips.frames[:, clips.context - 1 - BEFORE : clips.context]
    return odometer.read(np.concatenate([context, future[:, : steps + AFTER - 1]], 1))


def measure_control(judge: Judge, clips: Clips, dreamed: np.ndarray, steps: int) -> dict[str, Any]:
    """Return how often the judge names the action, from real and from dreamed frames.

    Returns:
        ``real`` and ``dreamed`` (share named exactly), their ``ratio``, the same for each pair
        of opposite words under ``axes``, and ``by_step``: the dreamed share step by step.
    """
    steps = min(steps, dreamed.shape[1] + 1 - AFTER)
    true = clips.future_actions[:, :steps]
    named = {
        "real": name_future(judge, clips, clips.future, steps),
        "dreamed": name_future(judge, clips, dreamed, steps),
    }
    scores = {kind: judge.compare(actions, true) for kind, actions in named.items()}
    return {
        "real": scores["real"]["exact"],
        "dreamed": scores["dreamed"]["exact"],
        "ratio": scores["dreamed"]["exact"] / max(scores["real"]["exact"], 1e-9),
        "axes": {
            axis: {kind: scores[kind][axis] for kind in scores}
            for axis in scores["real"]
            if axis != "exact"
        },
        "by_step": [float(share) for share in (named["dreamed"] == true).mean(0)],
        "transitions": int(true.size),
    }


def measure_motion(
    odometer: Odometer, clips: Clips, dreamed: np.ndarray, steps: int
) -> dict[str, Any]:
    """Return how dreams move beside the real world, as the odometer reads both.

    Returns:
        ``off``: mean difference a step between what is read off dreamed and off real frames,
        ``metres`` and ``degrees``; ``still``: the same for a dream in which nothing moves;
        ``gain``: how much of the real motion dreams make, each way that there is any (1: just as
        much; by least squares, so that what goes the wrong way counts against it).
    """
    steps = min(steps, dreamed.shape[1] + 1 - AFTER)
    real, dream = (read_future(odometer, clips, x, steps) for x in (clips.future, dreamed))
    gain = {
        name: float((dream[..., k] * real[..., k]).sum() / np.square(real[..., k]).sum())
        for k, name in enumerate(MOTION)
        if np.square(real[..., k]).mean() > (GAIN_FROM * float(odometer.scale[k])) ** 2
    }
    still = errors(np.zeros_like(real), real)
    return {"off": errors(dream, real), "still": still, "gain": gain}


def measure_shuffle_ratio(
    simulator: Dreamer, clips: Clips, seed: int = 0, draws: int = 4, length: int = 12
) -> float:
    """Return the flow loss with another window's actions over the loss with the true ones.

    Both are measured with the same noise. 1 means that the model does not listen to the keys.

    Args:
        simulator: The model.
        clips: Windows; their `length` frames around the start are used.
        seed: Of the noise and of the exchange of actions.
        draws: How often the noise is drawn.
        length: Frames a window.
    """
    first = max(0, min(clips.context - length // 2, clips.frames.shape[1] - length))
    frames = torch.from_numpy(clips.frames[:, first : first + length])
    true = clips.actions[:, first : first + length - 1]
    losses = {"true": 0.0, "shuffled": 0.0}
    exchanged = {"true": true, "shuffled": true[shuffled_rows(len(true), seed)]}
    for kind, actions in exchanged.items():
        for draw in range(draws):
            for row in range(0, len(frames), 16):
                words = [
                    [clips.spec.action_text(int(a)) for a in w] for w in actions[row : row + 16]
                ]
                generator = torch.Generator().manual_seed(seed + 1000 * draw + row)
                batch = frames[row : row + 16]
                losses[kind] += len(batch) * simulator.flow_loss(batch, words, generator)
    return losses["shuffled"] / max(losses["true"], 1e-12)
