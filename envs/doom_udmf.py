"""Writing a maze as a UDMF map, and reading the things of a classic Doom map: the WAD format."""

from __future__ import annotations

import struct
from pathlib import Path

from envs.doom_map import SUB, WALL, Cell, Maze

Side = tuple[int, str]  # sector, texture
Line = tuple[tuple[int, int], tuple[int, int], int, int, str]  # ends, front, back (-1), texture


def maze_text(maze: Maze, x: float, y: float, angle: int) -> str:
    """Return the UDMF text of a maze with the player starting at (x, y), facing `angle` degrees."""
    raster, owners = _raster(maze)
    lines = _merge(_edges(maze, raster, owners))
    size = int(maze.cell_size)
    at = _positions(maze.columns, size), _positions(maze.rows, size)
    parts = ['namespace="zdoom";\n', _thing(1, x, y, angle)]
    parts += [_thing(thing.kind.number, thing.x, thing.y, 0) for thing in maze.things]
    numbers: dict[tuple[int, int], int] = {}
    sides = 0
    for start, end, front, back, texture in lines:
        ids = [numbers.setdefault(point, len(numbers)) for point in (start, end)]
        offset = _along(at, start, end)
        parts.append(_side(front, texture, offset, back >= 0))
        extra = "blocking=true;dontpegbottom=true;"
        if back >= 0:
            parts.append(_side(back, texture, offset, True))
            extra = f"twosided=true;sideback={sides + 1};"
        parts.append(f"linedef{{v1={ids[0]};v2={ids[1]};sidefront={sides};{extra}}}\n")
        sides += 2 if back >= 0 else 1
    parts += [f"vertex{{x={at[0][i]}.0;y={at[1][j]}.0;}}\n" for i, j in numbers]
    for s in maze.sectors:
        parts.append(
            f"sector{{heightfloor={s.floor};heightceiling={s.ceiling};lightlevel={s.light};"
            f'texturefloor="{s.floor_flat}";textureceiling="{s.ceiling_flat}";}}\n'
        )
    return "".join(parts)


def write_wad(path: Path, text: str, map_name: str = "MAP01", size: int = 0) -> None:
    """Write a WAD of one UDMF map; the text is padded with spaces to at least `size` bytes.

    An existing file is overwritten in place (same inode), so that an engine that has it open
    reads the new map. With the same `size` the map lies at the same offset.
    """
    body = text.encode().ljust(size)
    lumps = [(map_name, b""), ("TEXTMAP", body), ("ENDMAP", b"")]
    data, directory = b"", b""
    for name, content in lumps:
        directory += struct.pack("<ii8s", 12 + len(data), len(content), name.encode())
        data += content
    blob = struct.pack("<4sii", b"PWAD", len(lumps), 12 + len(data)) + data + directory
    with open(path, "r+b" if path.exists() else "wb") as file:
        file.write(blob)
        file.truncate()


def read_things(wad: Path, map_name: str) -> list[tuple[int, int, int, int]]:
    """Return (x, y, angle, type) of every thing of a classic-format map in a WAD.

    Raises:
        KeyError: The WAD has no such map.
    """
    things = read_lump(wad, map_name, "THINGS")
    return [(x, y, angle, kind) for x, y, angle, kind, _ in struct.iter_unpack("<hhhhh", things)]


def read_lump(wad: Path, map_name: str, kind: str) -> bytes:
    """Return a part of a map in a WAD, such as its "THINGS" or, of a UDMF map, its "TEXTMAP".

    Raises:
        KeyError: The WAD has no such map, or the map no such part.
    """
    with open(wad, "rb") as file:  # tens of megabytes, of which a few kilobytes are wanted
        count, offset = struct.unpack("<4xii", file.read(12))
        file.seek(offset)
        entries = list(struct.iter_unpack("<ii8s", file.read(16 * count)))
        names = [name.rstrip(b"\0").decode("ascii", "replace").upper() for *_, name in entries]
        if map_name.upper() not in names:
            raise KeyError(f"no map '{map_name}' in {wad.name}")
        if kind not in names[names.index(map_name.upper()) :]:
            raise KeyError(f"map '{map_name}' in {wad.name} has no {kind}")
        start, size, _ = entries[names.index(kind, names.index(map_name.upper()))]
        file.seek(start)
        return file.read(size)


def _thing(number: int, x: float, y: float, angle: int) -> str:
    skills = "".join(f"skill{k}=true;" for k in range(1, 6))
    return f"thing{{x={x:.1f};y={y:.1f};angle={angle};type={number};{skills}single=true;}}\n"


def _side(sector: int, texture: str, offset: int, two_sided: bool) -> str:
    where = ("texturetop", "texturebottom") if two_sided else ("texturemiddle",)
    textures = "".join(f'{name}="{texture}";' for name in where)
    return f"sidedef{{sector={sector};offsetx={offset};{textures}}}\n"


def _positions(cells: int, size: int) -> list[int]:
    """Return where the raster lines lie: a wall, then a quarter, a half and a quarter of a cell."""
    at = [0]
    for _ in range(cells):
        for width in (WALL, size // 4, size // 2, size // 4):
            at.append(at[-1] + width)
    return [*at, at[-1] + WALL]


def _raster(maze: Maze) -> tuple[dict[Cell, int], dict[Cell, Cell]]:
    """Return the sector of every open raster square, and the maze cell each belongs to."""
    raster: dict[Cell, int] = {}
    owner: dict[Cell, Cell] = {}

    def fill(columns: range, rows: range, sector: int, cell: Cell) -> None:
        for i in columns:
            for j in rows:
                raster[i, j], owner[i, j] = sector, cell

    for i, j in maze.cells:
        x, y = SUB * i + 1, SUB * j + 1
        fill(range(x, x + 3), range(y, y + 3), maze.room[i, j], (i, j))
        for there in maze.links[i, j]:
            if there < (i, j):
                continue
            pair = ((i, j), there)
            sector = maze.passages.get(pair, maze.room[i, j])
            narrow = pair in maze.doorways
            if there[0] > i:
                rows = range(y + 1, y + 2) if narrow else range(y, y + 3)
                fill(range(x + 3, x + 4), rows, sector, (i, j))
            else:
                columns = range(x + 1, x + 2) if narrow else range(x, x + 3)
                fill(columns, range(y + 3, y + 4), sector, (i, j))
        four = [maze.room.get((i + a, j + b)) for a in (0, 1) for b in (0, 1)]
        if len(set(four)) == 1 and four[0] not in maze.pillars:
            fill(range(x + 3, x + 4), range(y + 3, y + 4), maze.room[i, j], (i, j))
    return raster, owner


def _edges(maze: Maze, raster: dict[Cell, int], owner: dict[Cell, Cell]) -> list[Line]:
    """Return a line for every raster edge that separates two sectors, or a sector from rock."""
    lines: list[Line] = []
    for (i, j), sector in raster.items():
        # the front of a line is on its right, seen from its first end
        around = (
            ("north", (i, j + 1), (i, j + 1), (i + 1, j + 1)),
            ("south", (i, j - 1), (i + 1, j), (i, j)),
            ("east", (i + 1, j), (i + 1, j + 1), (i + 1, j)),
            ("west", (i - 1, j), (i, j), (i, j + 1)),
        )
        for side, near, start, end in around:
            other = raster.get(near, -1)
            if other == sector or (other >= 0 and side in ("south", "west")):
                continue
            texture = maze.wall if other >= 0 else maze.wall_of.get((owner[i, j], side), maze.wall)
            lines.append((start, end, sector, other, texture))
    return lines


def _merge(lines: list[Line]) -> list[Line]:
    """Join collinear lines of equal sides where nothing else meets them: fewer, longer lines."""
    degree: dict[tuple[int, int], int] = {}
    for start, end, *_ in lines:
        degree[start] = degree.get(start, 0) + 1
        degree[end] = degree.get(end, 0) + 1
    follows = {(line[0], line[2:]): line for line in lines if degree[line[0]] == 2}
    merged = []
    starts = sorted(lines, key=lambda line: (line[0], line[1]))
    inner = {id(n) for n in (_next(line, follows) for line in starts) if n is not None}
    for line in starts:
        if id(line) in inner:
            continue
        end, following = line[1], _next(line, follows)
        while following is not None:
            end, following = following[1], _next(following, follows)
        merged.append((line[0], end, *line[2:]))
    return merged


def _next(line: Line, follows: dict) -> Line | None:
    start, end = line[:2]
    found = follows.get((end, line[2:]))
    if found is None:
        return None
    same_row = start[1] == end[1] == found[1][1]
    same_column = start[0] == end[0] == found[1][0]
    return found if same_row or same_column else None


def _along(at: tuple[list[int], list[int]], start: tuple[int, int], end: tuple[int, int]) -> int:
    """Return the texture offset that lets a wall texture run on from line to line."""
    if start[1] == end[1]:
        return at[0][start[0]] * (1 if end[0] > start[0] else -1)
    return at[1][start[1]] * (1 if end[1] > start[1] else -1)
