"""Where a session can go back to: snapshots of the last seconds, within a memory budget.

Knows nothing of what is in a snapshot but its size.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

BUDGET_BYTES = 512 * 2**20


@dataclass(frozen=True, eq=False)
class Kept:
    """A place to go back to: the world's snapshot and what the session knew then."""

    snapshot: Any
    step: int
    moment: Any
    info: dict[str, Any]
    num_past: int


class History:
    """The last `num_steps` steps, or every second, third ... of them where snapshots are large.

    Which steps are kept depends on their number and on the size of a snapshot alone, so that
    replaying a recording keeps the same ones.
    """

    def __init__(self, num_steps: int, budget: int = BUDGET_BYTES) -> None:
        """Take how far to reach back, in steps (0 keeps nothing), and the bytes to spend."""
        self.num_steps = num_steps
        self._budget = budget
        self._every: int | None = None
        self._kept: deque[Kept] = deque()

    def wants(self, step: int) -> bool:
        """Say whether the state at this step should be kept."""
        return self.num_steps > 0 and step % (self._every or 1) == 0

    def keep(
        self, take: Callable[[], Any], step: int, moment: Any, info: dict[str, Any], num_past: int
    ) -> None:
        """Take a snapshot and forget what lies too far back."""
        snapshot = take()
        if self._every is None:
            total = count_bytes(snapshot) * self.num_steps
            self._every = max(1, math.ceil(total / self._budget))
        self._kept.append(Kept(snapshot, step, moment, info, num_past))
        while self._kept[0].step < step - self.num_steps + 1:
            self._kept.popleft()

    def back_to(self, step: int) -> Kept | None:
        """Return the latest state no later than `step`, else the oldest; forget it and later ones.

        None when nothing is kept.
        """
        found = None
        while self._kept:
            found = self._kept.pop()
            if found.step <= step:
                break
        return found

    def has(self, step: int) -> bool:
        """Say whether exactly this step is kept."""
        return any(kept.step == step for kept in self._kept)

    def clear(self) -> None:
        """Forget everything: the world was reset."""
        self._kept.clear()


def count_bytes(value: Any, depth: int = 6) -> int:
    """Return about how many bytes the arrays and tensors inside a value take."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if depth == 0:
        return 0
    if isinstance(value, Mapping):
        inside: Any = value.values()
    elif isinstance(value, list | tuple):
        inside = value
    elif isinstance(value, bytes):
        return len(value)
    else:
        inside = getattr(value, "__dict__", {}).values()
    return sum(count_bytes(part, depth - 1) for part in inside)
