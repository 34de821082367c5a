"""Where in recorded play a row begins, drawn at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from worldsim.errors import WorldsimError
from worldsim.train.latents import Track


class Places:
    """Draws a track and its frame from which `steps` steps go on, or fewer up to an end.

    An end that stood only where rows end would be shown a row's length too seldom, and always as
    the last thing of all.

    Args:
        tracks: Each with as many steps, at least.
        steps: Of a row.
        balance: How much likelier places with rare actions are: a step counts for the frequency of
            its action to the power of minus this.
        shares: How often each world is drawn, by its name; none for as often as there is of it.

    Raises:
        WorldsimError: The shares are not one for each world of the tracks.
    """

    def __init__(
        self,
        tracks: list[Track],
        steps: int,
        balance: float,
        shares: Mapping[str, float],
    ):
        worlds = sorted({track.world for track in tracks})
        if shares and (shares.keys() != set(worlds) or min(shares.values()) <= 0):
            raise WorldsimError(
                f"batch.shares={shares} are not one share above 0 for each of the worlds in the "
                f"data: {', '.join(worlds)}"
            )
        self._tracks = tracks
        weights = _rarity(tracks, steps, balance)
        self._ends = np.cumsum([len(weight) for weight in weights])
        if shares:
            totals = dict.fromkeys(worlds, 0.0)
            for track, weight in zip(tracks, weights, strict=True):
                totals[track.world] += float(weight.sum())
            weights = [
                weight * (shares[track.world] / totals[track.world])
                for track, weight in zip(tracks, weights, strict=True)
            ]
        self._chances = np.cumsum(np.concatenate(weights))

    def __call__(self, rng: np.random.Generator) -> tuple[Track, int]:
        """Return a track and the frame to begin at."""
        chance = rng.random() * self._chances[-1]
        place = int(np.searchsorted(self._chances, chance, side="right"))
        index = int(np.searchsorted(self._ends, place, side="right"))
        return self._tracks[index], int(place - (self._ends[index - 1] if index else 0))


def _rarity(tracks: list[Track], steps: int, balance: float) -> list[np.ndarray]:
    """Weigh every place of every track by the actions that follow, on average."""
    counts: dict[str, Counter[tuple[int, ...]]] = {}
    for track in tracks:
        counts.setdefault(track.world, Counter()).update(map(tuple, track.actions))
    weights = []
    for track in tracks:
        seen = counts[track.world]
        total = seen.total()
        step = [(seen[tuple(a)] / total) ** -balance for a in track.actions]
        sums = np.cumsum([0.0, *step])
        first = np.arange(len(step) if track.ended else len(step) - steps + 1)
        after = np.minimum(first + steps, len(step))
        weights.append((sums[after] - sums[first]) * steps / (after - first))
    return weights
