import struct
from pathlib import Path

import pytest

from envs.doom_map import MAX_STEP, make_maze
from envs.doom_style import NAMED, PICKUPS, SKY, SPHERE, THEMES
from envs.doom_udmf import maze_text, read_things, write_wad

SEEDS = range(40)


def test_the_same_seed_gives_the_same_maze():
    assert maze_text(make_maze(7), 100, 100, 0) == maze_text(make_maze(7), 100, 100, 0)
    assert maze_text(make_maze(7), 100, 100, 0) != maze_text(make_maze(8), 100, 100, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_can_be_reached_on_foot(seed):
    maze = make_maze(seed)
    for cell in maze.cells:
        way = maze.path((0, 0), cell)
        assert way[0] == (0, 0) and way[-1] == cell
        for a, b in zip(way, way[1:], strict=False):
            assert b in maze.links[a]
            sector = maze.passages.get((min(a, b), max(a, b)), maze.room[a])
            opening = maze.sectors[sector]
            rooms = maze.sectors[maze.room[a]], maze.sectors[maze.room[b]]
            assert all(opening.floor - room.floor <= MAX_STEP for room in rooms)
            assert opening.ceiling - opening.floor >= 56  # the player's height


@pytest.mark.parametrize("seed", SEEDS)
def test_a_maze_has_one_sphere_and_things_that_leave_the_corridor_free(seed):
    maze = make_maze(seed)
    assert [thing.kind for thing in maze.things].count(SPHERE) == 1
    assert 6 <= len(maze.things) - 1 <= 15
    for thing in maze.things[1:]:
        x, y = maze.centre(maze.cell_at(thing.x, thing.y))
        if not thing.kind.pickup:  # 16 its radius, 16 the player's
            assert min(abs(thing.x - x), abs(thing.y - y)) >= 32


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_to_pick_up_is_worthless(seed):
    kinds = [thing.kind for thing in make_maze(seed).things if thing.kind.pickup]
    assert len(kinds) == len(set(kinds))
    assert sum(kind.name == "armour" for kind in kinds) <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_lines_close_every_sector_and_meet_only_at_their_ends(seed):
    points, lines = _geometry(maze_text(make_maze(seed), 100, 100, 0))
    degree = {}
    for a, b in lines:
        (ax, ay), (bx, by) = points[a], points[b]
        assert (ax == bx) != (ay == by)
        for end in (a, b):
            degree[end] = degree.get(end, 0) + 1
    assert min(degree.values()) >= 2
    for a, b in lines:
        low, high = sorted((points[a], points[b]))
        inside = [p for p in points if low < p < high and (p[0] == low[0] or p[1] == low[1])]
        assert not [p for p in inside if low[0] <= p[0] <= high[0] and low[1] <= p[1] <= high[1]]


def test_every_texture_exists_in_freedoom():
    vizdoom = pytest.importorskip("vizdoom")
    data = (Path(vizdoom.__file__).parent / "freedoom2.wad").read_bytes()
    names, walls = _lumps_and_textures(data)
    for theme in THEMES:
        assert set(theme.walls) | set(theme.accents) <= walls
        assert set(theme.floors) | set(theme.ceilings) <= names | {SKY}


def test_named_things_are_told_apart_by_their_engine_names():
    assert len({kind.number for kind in NAMED.values()}) == len(NAMED)
    assert {kind.words for kind in PICKUPS} == {
        *("blue key", "yellow key", "red key", "green armour", "blue armour")
    }


def test_overwriting_a_wad_keeps_the_file_and_the_place_of_the_map(tmp_path):
    path = tmp_path / "maze.wad"
    write_wad(path, "first", size=1000)
    inode, size = path.stat().st_ino, path.stat().st_size
    write_wad(path, "the second text", size=1000)
    assert (path.stat().st_ino, path.stat().st_size) == (inode, size)
    assert path.read_bytes()[12:1012] == b"the second text".ljust(1000)


def test_things_are_read_from_a_classic_map(tmp_path):
    things = struct.pack("<hhhhhhhhhh", 32, -64, 90, 1, 7, 100, 200, 0, 2014, 7)
    lumps = [(b"MAP07", b""), (b"THINGS", things)]
    body = b"".join(content for _, content in lumps)
    directory, at = b"", 12
    for name, content in lumps:
        directory += struct.pack("<ii8s", at, len(content), name)
        at += len(content)
    path = tmp_path / "a.wad"
    path.write_bytes(struct.pack("<4sii", b"IWAD", 2, 12 + len(body)) + body + directory)
    assert read_things(path, "map07") == [(32, -64, 90, 1), (100, 200, 0, 2014)]
    with pytest.raises(KeyError, match="map08"):
        read_things(path, "map08")


def _geometry(text):
    points, lines = [], []
    for line in text.splitlines():
        fields = dict(p.split("=") for p in line[line.find("{") + 1 : -1].split(";") if "=" in p)
        if line.startswith("vertex"):
            points.append((float(fields["x"]), float(fields["y"])))
        if line.startswith("linedef"):
            lines.append((int(fields["v1"]), int(fields["v2"])))
    return points, lines


def _lumps_and_textures(data):
    count, offset = struct.unpack_from("<ii", data, 4)
    entries = [struct.unpack_from("<ii8s", data, offset + 16 * i) for i in range(count)]
    names = {name.rstrip(b"\0").decode().upper(): at for at, _, name in entries}
    textures = set()
    for lump in ("TEXTURE1", "TEXTURE2"):
        if lump in names:
            at = names[lump]
            (number,) = struct.unpack_from("<i", data, at)
            for start in struct.unpack_from(f"<{number}i", data, at + 4):
                textures.add(data[at + start : at + start + 8].rstrip(b"\0").decode().upper())
    return set(names), textures
