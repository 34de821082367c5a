"""Whether a dream stays as it is while nobody acts: the easiest of all, one frame for ever."""

from __future__ import annotations

import numpy as np
import torch

from worldsim.evaluate.clips import Clips, Dreamer, distance, dream
from worldsim.metrics import LPIPS
from worldsim.world import NO_ACTION

SECONDS = (1, 4, 10)


def measure_rest(
    simulator: Dreamer, clips: Clips, lpips: LPIPS, seed: int = 0
) -> dict[str, float | int]:
    """Show one frame of every clip over and over, as if at rest, and go on without acting.

    It does not know what really came; whatever moves by itself (somebody else, a light) is held
    against the dream.

    Returns:
        LPIPS to that frame by seconds, such as ``"4"``; ``elsewhere``, that between the frames of
        two places; ``codec``, the frame through the codec; ``starts``.
    """
    shown, spec = clips.frames[:, clips.context - 1], clips.spec
    stay = spec.action_index(NO_ACTION)
    steps = {str(s): max(1, round(s * spec.steps_per_second)) for s in SECONDS}
    still = Clips(
        spec,
        shown[:, None].repeat(clips.context, axis=1),
        np.full((len(clips), clips.context - 1), stay),
        clips.context,
    )
    longest = np.full((len(clips), max(steps.values())), stay)
    seen = dream(simulator, still, longest, seed=seed, desc="rest")
    decoded = simulator.reconstruct(torch.from_numpy(np.ascontiguousarray(shown))).numpy()
    return {name: distance(lpips, seen[:, count - 1], shown) for name, count in steps.items()} | {
        "elsewhere": distance(lpips, np.roll(shown, 1, axis=0), shown),
        "codec": distance(lpips, decoded, shown),
        "starts": len(clips),
    }
