"""Generated mazes and furnished rooms: a layout from a seed, in metres, in pure Python.

The same seed gives the same layout on every machine; nothing here knows the simulator.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from envs.grid import Cell, Grid, Thing

WALL = 0.25  # metres
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
# Never together in a layout of the training seeds: what a sentence about them means has to be
# put together from what is known of the kind and of the colour.
HELDOUT_PAIRS = frozenset({("box", "purple"), ("ball", "yellow"), ("key", "green")})
# Seeds of layouts: first and last of each split.
SEEDS = {"train": (0, 999_999), "heldout": (1_000_000, 1_999_999)}
WALLS = (
    *("brick_wall", "cinder_blocks", "concrete", "drywall", "marble", "stucco"),
    *("wood", "rock", "wood_planks", "metal_grill"),
)
# What most walls of a place are of: as its name says it, and in words.
WALL_WORDS = {
    name.removesuffix("_wall").replace("_", "-"): name.removesuffix("_wall").replace("_", " ")
    for name in WALLS
}
FLOORS = (
    *("floor_tiles_bw", "asphalt", "concrete_tiles", "grass", "wood_planks", "marble", "rock"),
    *("wood", "concrete"),
)
CEILINGS = ("concrete_tiles", "ceiling_tiles", "concrete", "wood_planks")


@dataclass(frozen=True)
class Kind:
    """A sort of thing: the words for it, its height and how much room it takes, in metres."""

    name: str
    colour: str
    height: float
    radius: float
    pickup: bool = False

    @property
    def words(self) -> str:
        """The words for it, colour first, such as ``"green ball"``."""
        return f"{self.colour} {self.name}".strip()


DUCK = Kind("duck", "", 0.5, 0.3, pickup=True)  # the exit
MEDKIT = Kind("medkit", "", 0.4, 0.3, pickup=True)
POTION = Kind("potion", "", 0.5, 0.25, pickup=True)
PLAIN = (
    MEDKIT,
    POTION,
    Kind("barrel", "", 1.0, 0.4),
    Kind("cone", "", 0.75, 0.35),
    Kind("chair", "", 1.0, 0.45),
    Kind("desk", "", 0.75, 0.75),
    Kind("tree", "", 2.0, 0.5),
)


def coloured(name: str, colour: str) -> Kind:
    """Return a box, ball or key of a colour."""
    height, radius, pickup = {
        "box": (0.6, 0.45, False),
        "ball": (0.6, 0.35, False),
        "key": (0.4, 0.25, True),
    }[name]
    return Kind(name, colour, height, radius, pickup)


PAIRS = tuple((name, colour) for name in ("box", "ball", "key") for colour in COLOURS)
# What there is in places of the training seeds.
THINGS = tuple(kind.words for kind in (DUCK, *PLAIN)) + tuple(
    coloured(*pair).words for pair in PAIRS if pair not in HELDOUT_PAIRS
)


@dataclass
class Layout(Grid[Kind]):
    """One place: its cells are rooms, open to each other by doors or whole walls.

    Attributes:
        seed: What it was generated from.
        furnished: A few large rooms with doors; otherwise a maze of small cells.
        door: Width of the openings between rooms; None opens the whole wall.
        height: Of the walls.
        wall_of: Wall texture of every cell.
        floor_of: Floor texture of every cell.
        ceiling: Texture; None is the open sky.
    """

    seed: int
    furnished: bool
    door: float | None
    height: float
    ceiling: str | None
    wall_of: dict[Cell, str] = field(default_factory=dict)
    floor_of: dict[Cell, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Kind, walls and seed, such as ``"maze-brick-000123"``."""
        common = Counter(self.wall_of.values()).most_common(1)[0][0]
        kind = "furnished" if self.furnished else "maze"
        return f"{kind}-{common.removesuffix('_wall').replace('_', '-')}-{self.seed:06d}"


def make_layout(seed: int) -> Layout:
    """Generate the place of a seed: rooms, doors, textures and things."""
    rng = random.Random(seed)
    furnished = rng.random() < 0.5
    columns, rows = (rng.randint(2, 3), rng.randint(1, 3)) if furnished else _two(rng, 3, 7)
    layout = Layout(
        columns=columns,
        rows=rows,
        cell_size=rng.uniform(4.5, 7.0) if furnished else rng.uniform(2.6, 3.6),
        wall_size=WALL,
        seed=seed,
        furnished=furnished,
        door=rng.uniform(1.2, 2.2) if furnished else None,
        height=rng.uniform(2.4, 3.4),
        ceiling=None if rng.random() < 0.2 else rng.choice(CEILINGS),
    )
    layout.carve(rng, (0.1, 0.6) if furnished else (0.05, 0.25))
    walls, floors = rng.sample(WALLS, 2), rng.sample(FLOORS, 2)
    for cell in layout.cells:
        other = rng.random() < (0.5 if furnished else 0.12)
        layout.wall_of[cell], layout.floor_of[cell] = walls[other], floors[other and furnished]
    _place_things(layout, rng)
    return layout


def _two(rng: random.Random, low: int, high: int) -> tuple[int, int]:
    return rng.randint(low, high), rng.randint(low, high)


def _place_things(layout: Layout, rng: random.Random) -> None:
    """Put the duck into a corner at a dead end and the others into other corners."""
    ends = [cell for cell in layout.cells if len(layout.links[cell]) == 1] or layout.cells
    corners = [(cell, dx, dy) for cell in layout.cells for dx in (-1, 1) for dy in (-1, 1)]
    rng.shuffle(corners)
    corners.sort(key=lambda corner: corner[0] not in ends)  # the first one is in a dead end
    first, others = corners[0], corners[1:]
    rng.shuffle(others)
    if not layout.furnished:  # two things in a small cell would block the way
        others = list({corner[0]: corner for corner in others if corner[0] != first[0]}.values())
    num_others = max(3, round(len(others) * rng.uniform(0.35, 0.6)))
    kinds = [DUCK] + [_any_kind(layout, rng) for _ in range(num_others)]
    for kind, (cell, dx, dy) in zip(kinds, [first, *others], strict=False):
        x, y = layout.centre(cell)
        reach = layout.cell_size / 2 - kind.radius - 0.15
        layout.things.append(Thing(kind, x + dx * reach, y + dy * reach))


def _any_kind(layout: Layout, rng: random.Random) -> Kind:
    """Return a kind that may be where the seed belongs."""
    if rng.random() < 0.4:
        return rng.choice(PLAIN)
    known = layout.seed <= SEEDS["train"][1]
    pairs = [pair for pair in PAIRS if not known or pair not in HELDOUT_PAIRS]
    return coloured(*rng.choice(pairs))
