"""Ways to say one thing, some of them never written into a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Phrases:
    """Ways to say one thing: `seen` in datasets, `unseen` only in evaluation."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]

    def say(self, rng: np.random.Generator, unseen: bool = False, **gaps: str) -> str:
        """Return a phrasing at random; `gaps` fills what is in braces, such as ``{thing}``."""
        choice = self.unseen if unseen else self.seen
        return choice[int(rng.integers(len(choice)))].format(**gaps)


def of_actions(
    phrases: Mapping[str, Phrases], actions: tuple[str, ...]
) -> dict[str, dict[str, list[str]]]:
    """Return the phrases that are one action each, as a `WorldSpec` holds them."""
    return {
        kind: {"seen": list(said.seen), "unseen": list(said.unseen)}
        for kind, said in phrases.items()
        if kind in actions
    }
