"""How much more an agent gets in the dream than in the real world, like held against like."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.play import Played


def compare(real: list[Played], dream: list[Played], skip: int = 1) -> dict[str, Any]:
    """Return what an agent got in both worlds in the same time from the beginning.

    The time is that of the shortest episode that a clock cut off, in either world: what would have
    come after it nobody knows, and after an end comes nothing. So who lives on in the dream and
    dies outside is found out even where every step pays the same, and long steps are not taken for
    short ones. It is not known here that dreams begin in the middle of recorded play and the real
    world at its beginning.

    Args:
        real: Episodes, in the simulator's own steps.
        dream: Episodes, in those of the dream.
        skip: Steps of the simulator that one of the dream is.

    Returns:
        ``steps``: of the simulator, that were looked at; ``real`` and ``dream``: the mean returns
        in them.
    """
    spans = [(len(e.rewards), e.ended) for e in real]
    spans += [(len(e.rewards) * skip, e.ended) for e in dream]
    cut = [steps for steps, ended in spans if not ended]
    # In the dream's steps: no more than is known, or all there was.
    count = max(1, min(cut) // skip) if cut else -(-max(steps for steps, _ in spans) // skip)
    return {
        "steps": count * skip,
        "real": float(np.mean([sum(e.rewards[: count * skip]) for e in real])),
        "dream": float(np.mean([sum(e.rewards[:count]) for e in dream])),
    }
