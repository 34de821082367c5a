"""Batches made ready while the last ones are in use, so that nothing waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

from worldsim.batch import Batch
from worldsim.train.batches import Batches

Both = tuple[Batch | None, Batch | None]


def load(
    batches: Batches, step: int, ahead: int = 1, threads: int = 1, pin: bool = False
) -> Generator[Both, None, None]:
    """Yield play and talk of ``step, step + 1, …``.

    Args:
        batches: Makes them; what a step has does not depend on who asks, or when.
        step: The first.
        ahead: Steps whose batches are ready or being made while one is in use.
        threads: How many are made at a time.
        pin: Put them where a GPU can fetch them from while it computes.
    """
    with ThreadPoolExecutor(max_workers=threads) as pool:
        coming = deque(pool.submit(make, batches, step + k, pin) for k in range(ahead))
        try:
            while True:
                coming.append(pool.submit(make, batches, step + ahead, pin))
                yield coming.popleft().result()
                step += 1
        finally:
            for batch in coming:
                batch.cancel()


def make(batches: Batches, step: int, pin: bool = False) -> Both:
    """Build play and talk of one step, as far as there are rows of them."""
    play, talk = batches(step) if batches.config.rows else None, batches.talk(step)
    if pin:
        play, talk = play and play.pinned(), talk and talk.pinned()
    return play, talk
