"""The plan of a ViZDoom scenario: where its walls are, and how far everywhere is from a thing.

Read from the scenario's own file, a UDMF map in a WAD; no engine is started.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

import numpy as np

from envs.doom_udmf import read_lump

CELL = 16.0  # map units along each side of a square of the plan
CLEAR = 22.0  # from a wall to the middle of a player, who is 16 wide to each side


class DoomPlan:
    """Squares where one can stand, and their distance from a goal.

    Attributes:
        goal: Where it is, in map units.
        origin: South-west corner of the first square.
        away: Squares to walk from each to the goal, ``(columns, rows)``; inf where one cannot stand
            or come from.
    """

    def __init__(self, lines: np.ndarray, goal: tuple[float, float]) -> None:
        """Plan the ways.

        Args:
            lines: Walls in map units, ``(N, 4)``: from (x, y) to (x, y).
            goal: Where ways lead to.
        """
        ends = lines.reshape(-1, 2)
        self.goal, self.origin = goal, ends.min(axis=0) - CELL
        count = np.ceil((ends.max(axis=0) + CELL - self.origin) / CELL).astype(int)
        middles = np.stack(np.meshgrid(*map(np.arange, count), indexing="ij"), axis=-1)
        self.away = self._flood(_far((middles + 0.5) * CELL + self.origin, lines) > CLEAR)

    @classmethod
    def of_scenario(cls, name: str, kind: int) -> DoomPlan:
        """Read one of ViZDoom's own, see `read`."""
        import vizdoom

        return cls.read(Path(vizdoom.__file__).parent / "scenarios" / f"{name}.wad", kind)

    @classmethod
    def read(cls, wad: Path, kind: int) -> DoomPlan:
        """Read a scenario's only map; ways lead to its first thing of a kind (Doom's number)."""
        text = read_lump(wad, "MAP01", "TEXTMAP").decode("ascii", "replace")
        blocks = {
            name: [
                dict(re.findall(r"(\w+)\s*=\s*([^;]+);", inside))
                for inside in re.findall(rf"^{name}[^{{]*\{{([^}}]*)\}}", text, re.MULTILINE)
            ]
            for name in ("vertex", "linedef", "thing")
        }
        corners = [(float(v["x"]), float(v["y"])) for v in blocks["vertex"]]
        walls = [line for line in blocks["linedef"] if line.get("twosided") != "true"]
        lines = np.array([[*corners[int(w["v1"])], *corners[int(w["v2"])]] for w in walls])
        goal = next(t for t in blocks["thing"] if int(t["type"]) == kind)
        return cls(lines, (float(goal["x"]), float(goal["y"])))

    def next_point(self, x: float, y: float) -> tuple[float, float]:
        """Return the farthest point of the way to the goal that lies straight ahead of (x, y)."""
        here = self._nearest(x, y)
        best = here
        while self.away[here] > 0:
            here = min(self._around(here), key=lambda cell: float(self.away[cell]))
            if not self._straight((x, y), self._middle(here)):
                return self._middle(best)
            best = here
        return self.goal

    def _flood(self, free: np.ndarray) -> np.ndarray:
        """Return the squares to walk from each free one to the goal's."""
        away = np.full(free.shape, np.inf)
        first = self._cell(*self.goal)
        away[first], todo = 0, deque([first])
        while todo:
            i, j = todo.popleft()
            for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                inside = 0 <= cell[0] < free.shape[0] and 0 <= cell[1] < free.shape[1]
                if inside and free[cell] and away[cell] > away[i, j] + 1:
                    away[cell] = away[i, j] + 1
                    todo.append(cell)
        return away

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        i, j = ((np.array((x, y)) - self.origin) / CELL).astype(int).tolist()
        return i, j

    def _middle(self, cell: tuple[int, int]) -> tuple[float, float]:
        x, y = ((np.array(cell) + 0.5) * CELL + self.origin).tolist()
        return x, y

    def _nearest(self, x: float, y: float) -> tuple[int, int]:
        """Return the nearest square to stand in; close to a wall one is in none."""
        places = np.argwhere(np.isfinite(self.away))
        off = np.linalg.norm((places + 0.5) * CELL + self.origin - (x, y), axis=1)
        i, j = places[int(off.argmin())].tolist()
        return i, j

    def _around(self, cell: tuple[int, int]) -> list[tuple[int, int]]:
        near = [(cell[0] + i, cell[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]
        return [n for n in near if 0 <= n[0] < len(self.away) and 0 <= n[1] < len(self.away[0])]

    def _straight(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether one can walk from point to point, the first steps away from a wall aside."""
        length = float(np.linalg.norm(np.subtract(end, start)))
        for share in np.arange(0, 1, CELL / 2 / max(length, CELL)):
            point = np.array(start) + share * np.subtract(end, start)
            close = np.linalg.norm(point - start) < 1.5 * CELL
            if not close and not np.isfinite(self.away[self._cell(*point)]):
                return False
        return True


def _far(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return the distance of points ``(..., 2)`` from the nearest of lines ``(N, 4)``."""
    far = np.full(points.shape[:-1], np.inf)
    for x0, y0, x1, y1 in lines:
        start, along = np.array((x0, y0)), np.array((x1 - x0, y1 - y0))
        share = ((points - start) @ along / max(1e-9, along @ along)).clip(0, 1)
        far = np.minimum(far, np.linalg.norm(points - start - share[..., None] * along, axis=-1))
    return far
