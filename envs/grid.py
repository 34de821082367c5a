"""Rooms in a grid and the openings between them: what generated mazes have in common."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

Cell = tuple[int, int]
SIDES: dict[str, Cell] = {"east": (1, 0), "north": (0, 1), "west": (-1, 0), "south": (0, -1)}


class Kind(Protocol):
    """A sort of thing that sentences name."""

    @property
    def words(self) -> str:
        """The words for it, colour first, such as ``"green torch"``."""

    @property
    def pickup(self) -> bool:
        """Whether one takes it by walking over it."""


K = TypeVar("K", bound=Kind)


@dataclass(frozen=True)
class Thing(Generic[K]):
    """One named thing where it stands."""

    kind: K
    x: float
    y: float


@dataclass
class Grid(Generic[K]):
    """Cells, some of them open to each other; positions have their origin in the south-west.

    Attributes:
        columns: Number of cells from west to east.
        rows: Number of cells from south to north.
        cell_size: Side of a cell without its walls.
        wall_size: Thickness of a wall.
        links: Which neighbours each cell opens to.
        things: Everything with a name; the exit, whose touch ends an episode, first.
    """

    columns: int
    rows: int
    cell_size: float
    wall_size: float
    links: dict[Cell, list[Cell]] = field(default_factory=dict, kw_only=True)
    things: list[Thing[K]] = field(default_factory=list, kw_only=True)

    @property
    def cells(self) -> list[Cell]:
        """All cells, row by row."""
        return [(i, j) for j in range(self.rows) for i in range(self.columns)]

    @property
    def exit_cell(self) -> Cell:
        """The cell in which the exit is."""
        return self.cell_at(self.things[0].x, self.things[0].y)

    def centre(self, cell: Cell) -> tuple[float, float]:
        """Return the middle of a cell."""
        pitch, half = self.cell_size + self.wall_size, self.cell_size / 2
        return self.wall_size + cell[0] * pitch + half, self.wall_size + cell[1] * pitch + half

    def cell_at(self, x: float, y: float) -> Cell:
        """Return the cell nearest to a position."""
        pitch, edge = self.cell_size + self.wall_size, self.wall_size / 2
        i, j = int((x - edge) // pitch), int((y - edge) // pitch)
        return min(max(i, 0), self.columns - 1), min(max(j, 0), self.rows - 1)

    def path(self, start: Cell, goal: Cell) -> list[Cell]:
        """Return the shortest way from cell to cell, both ends included."""
        came: dict[Cell, Cell] = {start: start}
        queue = deque([start])
        while queue and goal not in came:
            here = queue.popleft()
            for there in self.links[here]:
                if there not in came:
                    came[there] = here
                    queue.append(there)
        way = [goal]
        while way[-1] != start:
            way.append(came[way[-1]])
        return way[::-1]

    def around(self, cell: Cell) -> list[Cell]:
        """Return the cells beside one, open to it or not."""
        near = [(cell[0] + dx, cell[1] + dy) for dx, dy in SIDES.values()]
        return [(i, j) for i, j in near if 0 <= i < self.columns and 0 <= j < self.rows]

    def link(self, a: Cell, b: Cell) -> None:
        """Open the wall between two cells."""
        if b not in self.links[a]:
            self.links[a].append(b)
            self.links[b].append(a)

    def openings(self) -> Iterator[tuple[Cell, Cell]]:
        """Yield every open pair of cells once."""
        for here in self.cells:
            for there in sorted(self.links[here]):
                if there > here:
                    yield here, there

    def carve(self, rng: random.Random, loops: tuple[float, float]) -> None:
        """Join all cells by a random spanning tree, then open some more walls to make loops.

        Args:
            rng: Decides everything.
            loops: Least and greatest share of the other walls that are opened.
        """
        self.links = {cell: [] for cell in self.cells}
        stack, seen = [rng.choice(self.cells)], set()
        seen.add(stack[0])
        while stack:
            # mostly depth first (long corridors), sometimes from an earlier cell (more branches)
            here = stack[-1] if rng.random() < 0.75 else rng.choice(stack)
            fresh = [cell for cell in self.around(here) if cell not in seen]
            if not fresh:
                stack.remove(here)
                continue
            there = rng.choice(fresh)
            seen.add(there)
            self.link(here, there)
            stack.append(there)
        share = rng.uniform(*loops)
        for here in self.cells:
            for there in self.around(here):
                if there > here and there not in self.links[here] and rng.random() < share:
                    self.link(here, there)
