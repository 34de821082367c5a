import numpy as np
import pytest

from envs.rooms_map import DUCK, HELDOUT_PAIRS, SEEDS, make_layout


@pytest.fixture(scope="module")
def layouts():
    return [make_layout(seed) for seed in range(150)]


def pairs(layout):
    return {(thing.kind.name, thing.kind.colour) for thing in layout.things}


def test_a_seed_always_gives_the_same_place_and_another_one_another():
    assert make_layout(5) == make_layout(5) != make_layout(6)


def test_train_and_heldout_seeds_are_disjoint():
    assert SEEDS["train"][1] < SEEDS["heldout"][0]


def test_every_cell_can_be_reached(layouts):
    for layout in layouts:
        for cell in layout.cells:
            way = layout.path(layout.cells[0], cell)
            assert all(b in layout.links[a] for a, b in zip(way, way[1:], strict=False))


def test_there_are_mazes_and_furnished_rooms_with_and_without_ceiling(layouts):
    assert 40 < sum(layout.furnished for layout in layouts) < 110
    assert 10 < sum(layout.ceiling is None for layout in layouts) < 60
    assert all((layout.door is None) != layout.furnished for layout in layouts)


def test_the_duck_is_the_only_exit_and_comes_first(layouts):
    for layout in layouts:
        assert [k for k, thing in enumerate(layout.things) if thing.kind is DUCK] == [0]
        assert len(layout.things) >= 4


def test_things_stand_inside_their_cells_and_apart(layouts):
    for layout in layouts:
        for thing in layout.things:
            x, y = layout.centre(layout.cell_at(thing.x, thing.y))
            free = layout.cell_size / 2 - thing.kind.radius
            assert max(abs(thing.x - x), abs(thing.y - y)) < free
        at = np.array([(thing.x, thing.y) for thing in layout.things])
        radii = np.array([thing.kind.radius for thing in layout.things])
        apart = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) - radii - radii[:, None]
        assert apart[~np.eye(len(at), dtype=bool)].min() > 0


def test_in_a_small_cell_there_is_room_to_walk_past_its_thing(layouts):
    for layout in layouts:
        if not layout.furnished:
            cells = [layout.cell_at(thing.x, thing.y) for thing in layout.things]
            assert len(set(cells)) == len(cells)


def test_heldout_pairs_are_found_in_heldout_places_only(layouts):
    assert not set().union(*map(pairs, layouts)) & HELDOUT_PAIRS
    heldout = [make_layout(SEEDS["heldout"][0] + k) for k in range(60)]
    assert set().union(*map(pairs, heldout)) >= HELDOUT_PAIRS
