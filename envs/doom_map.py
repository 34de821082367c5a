"""Generated mazes: a layout from a seed, written as a UDMF map in a WAD, in pure Python.

UDMF is text, and the engine builds its own nodes, so no map compiler is needed. The same seed
gives the same maze on every machine; nothing here knows the engine or Gymnasium.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from envs.doom_style import PICKUPS, SCENERY, SKY, SPHERE, THEMES, Kind
from envs.grid import SIDES, Cell, Grid, Thing

MAX_STEP = 24  # the player climbs this many map units without jumping
WALL, SUB = 16, 4  # wall thickness in map units; raster columns per cell: the wall and three parts


@dataclass
class Sector:
    """Heights in map units, light 0 to 255, and the flats of one area."""

    floor: int
    ceiling: int
    light: int
    floor_flat: str
    ceiling_flat: str


@dataclass
class Maze(Grid[Kind]):
    """Layout and looks of one maze; positions are map units with the origin at its south-west.

    Attributes:
        seed: What it was generated from.
        room: Number of the room each cell belongs to; cells of one room have no wall between.
        doorways: Pairs of cells joined by a narrow opening instead of a wide one.
        sectors: One per room, in room order, then one per passage between rooms.
        passages: Sector number of every opening between two rooms.
        wall: Main wall texture.
        wall_of: Accent textures by (cell, side name), where not the main one.
        pillars: Rooms that keep a pillar where four of their cells meet.
    """

    seed: int
    room: dict[Cell, int] = field(default_factory=dict)
    doorways: set[tuple[Cell, Cell]] = field(default_factory=set)
    sectors: list[Sector] = field(default_factory=list)
    passages: dict[tuple[Cell, Cell], int] = field(default_factory=dict)
    wall: str = ""
    wall_of: dict[tuple[Cell, str], str] = field(default_factory=dict)
    pillars: set[int] = field(default_factory=set)


def make_maze(seed: int) -> Maze:
    """Generate the maze of a seed: layout, heights, light, textures and things."""
    rng = random.Random(seed)
    columns, rows = rng.randint(4, 9), rng.randint(4, 9)
    maze = Maze(columns, rows, rng.choice((128, 144, 160, 176, 192)), WALL, seed)
    maze.carve(rng, (0.08, 0.3))
    _merge_rooms(maze, rng)
    _decorate(maze, rng)
    _place_things(maze, rng)
    return maze


def _merge_rooms(maze: Maze, rng: random.Random) -> None:
    """Merge some rectangles of cells into rooms; choose which other openings are doorways."""
    maze.room = {cell: number for number, cell in enumerate(maze.cells)}
    taken: set[Cell] = set()
    for _ in range(rng.randint(1, maze.columns * maze.rows // 8)):
        width, height = rng.choice(((2, 2), (2, 1), (1, 2), (3, 2), (2, 3), (3, 1), (1, 3)))
        i0 = rng.randint(0, maze.columns - width)
        j0 = rng.randint(0, maze.rows - height)
        cells = [(i0 + i, j0 + j) for i in range(width) for j in range(height)]
        if taken.intersection(cells):
            continue
        taken.update(cells)
        for cell in cells:
            maze.room[cell] = maze.room[cells[0]]
            for near in maze.around(cell):
                if near in cells:
                    maze.link(cell, near)
        if rng.random() < 0.5:
            maze.pillars.add(maze.room[cells[0]])
    share = rng.choice((0.0, 0.2, 0.5, 0.8))
    for here, there in maze.openings():
        if maze.room[here] != maze.room[there] and rng.random() < share:
            maze.doorways.add((here, there))


def _decorate(maze: Maze, rng: random.Random) -> None:
    """Choose one coherent look, then small differences of height and light from room to room."""
    theme = rng.choice(THEMES)
    maze.wall = rng.choice(theme.walls)
    accents = rng.sample(theme.accents, rng.randint(1, 2))
    floor, other_floor = rng.sample(theme.floors, 2)
    ceiling = rng.choice(theme.ceilings)
    light, height = rng.randint(160, 232), rng.choice((104, 112, 128, 128, 144, 160))
    cells_of: dict[int, list[Cell]] = {}
    for cell in maze.cells:
        cells_of.setdefault(maze.room[cell], []).append(cell)
    maze.room = {c: n for n, cells in enumerate(cells_of.values()) for c in cells}
    maze.pillars = {n for n, old in enumerate(cells_of) if old in maze.pillars}
    for cells in cells_of.values():
        big = len(cells) > 1
        base = rng.choice((8, 16, 24)) if rng.random() < 0.2 else 0
        extra = (
            rng.choice((16, 32, 64, 96)) if big or rng.random() < 0.1 else rng.choice((0, 0, 16))
        )
        glow = min(255, max(128, light + rng.choice((-32, -16, 0, 0, 0, 16, 24))))
        flat = other_floor if (big and rng.random() < 0.6) or base else floor
        maze.sectors.append(Sector(base, base + height + extra, glow, flat, ceiling))
        if big and rng.random() < 0.4:
            accent = rng.choice(accents)
            maze.wall_of.update({(cell, side): accent for cell in cells for side in SIDES})
    for here, there in maze.openings():
        if maze.room[here] != maze.room[there]:
            maze.passages[here, there] = len(maze.sectors)
            maze.sectors.append(_passage(maze, rng, here, there))
    for _ in range(maze.columns * maze.rows // 5):
        _accent_stretch(maze, rng, rng.choice(accents))


def _passage(maze: Maze, rng: random.Random, here: Cell, there: Cell) -> Sector:
    a, b = maze.sectors[maze.room[here]], maze.sectors[maze.room[there]]
    floor, ceiling = max(a.floor, b.floor), min(a.ceiling, b.ceiling)
    if (here, there) in maze.doorways or rng.random() < 0.2:
        ceiling = min(ceiling, floor + rng.choice((80, 88, 96)))
    # under the open sky a lintel needs a solid underside
    flat = a.floor_flat if a.ceiling_flat == SKY else a.ceiling_flat
    if ceiling == min(a.ceiling, b.ceiling):
        flat = a.ceiling_flat
    return Sector(floor, ceiling, (a.light + b.light) // 2, a.floor_flat, flat)


def _accent_stretch(maze: Maze, rng: random.Random, texture: str) -> None:
    side = rng.choice(tuple(SIDES))
    step = (0, 1) if side in ("east", "west") else (1, 0)
    cell = rng.choice(maze.cells)
    for _ in range(rng.randint(1, 3)):
        maze.wall_of[cell, side] = texture
        cell = (cell[0] + step[0], cell[1] + step[1])


def _place_things(maze: Maze, rng: random.Random) -> None:
    """Put the sphere in the middle of a dead end and everything else in corners of cells."""
    ends = [cell for cell in maze.cells if len(maze.links[cell]) == 1] or maze.cells
    exit_cell = rng.choice(ends)
    maze.things = [Thing(SPHERE, *maze.centre(exit_cell))]
    spots = [(cell, dx, dy) for cell in maze.cells for dx in (-1, 1) for dy in (-1, 1)]
    rng.shuffle(spots)
    used: set[Cell] = {exit_cell}
    # a second key of one colour, or an armour no better than the worn one, cannot be picked up
    keys = list(PICKUPS[:3])
    rng.shuffle(keys)
    chosen = keys[: rng.randint(1, 3)] + rng.sample(PICKUPS[3:], rng.randint(0, 1))
    chosen += [rng.choice(SCENERY) for _ in range(rng.randint(5, 11))]
    for kind in chosen:
        cell, dx, dy = next((s for s in spots if s[0] not in used), spots[0])
        used.add(cell)
        x, y = maze.centre(cell)
        reach = maze.cell_size / 2 - 24 - (12 if kind.pickup else 0)
        maze.things.append(Thing(kind, x + dx * reach, y + dy * reach))
