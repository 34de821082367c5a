import math

import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import advect, coarser, finer, mirrored
from worldsim.canvas import Canvas
from worldsim.painter import Moved
from worldsim.surroundings import Surroundings, closed, opened

SIDE = 32
UP, LEFT = 16, 64
MIDDLE = slice(UP, UP + SIDE), slice(LEFT, LEFT + SIDE)
EVERY = torch.arange(2)


def begun():
    around = Surroundings(Canvas(channels=192, size=4, cell=8), lanes=2)
    around.take(EVERY, pictures(), None)
    return around


def as_moved(picture, flow, known=1.0, appears=0.0, worn=0.0):
    """Say of a picture that it was moved, that nothing is new in it and nothing was mended."""
    none = torch.zeros(len(picture), 1, SIDE, SIDE)
    parts = picture, flow, none, none + known, finer(picture), none + appears, none + worn
    return Moved(*(x if x.dim() == 5 else x[:, None] for x in parts))


def go(around, right, down=0.0, picture=None, lanes=EVERY, known=1.0):
    """Draw a picture that everything moved to, as `flow` says it: from where."""
    flow = torch.tensor([right, down]).float().view(1, 2, 1, 1).expand(len(lanes), 2, 16, 16)
    picture = torch.zeros(len(lanes), 3, SIDE, SIDE) if picture is None else picture
    around.take(lanes, picture, around.moved(lanes, as_moved(picture, flow, known)))


def kept(around):
    """Return colours and marks of all that is kept, (2, 6, H, W)."""
    return opened(around.view, 3)


def colours(around):
    return kept(around)[:, :3].float()


def test_it_begins_as_a_mirror_that_nobody_has_seen():
    around = begun()
    assert torch.equal(kept(around), mirrored(pictures(), UP, LEFT).half())
    assert not around.off.any()
    near = around.near(torch.tensor([1]))
    assert torch.equal(near.around, mirrored(pictures(), 8, 8).half()[1:]), "a quarter each way"
    torch.testing.assert_close(coarser(near.fine), pictures()[1:], rtol=0, atol=1e-5)


class Saying(torch.nn.Module):
    """What lies beyond an edge has a colour of its own on every side."""

    looked = 0

    def over(self, picture, side, far):
        self.looked += len(picture)
        beyond = torch.full_like(picture, {"right": 0.1, "left": 0.2, "up": 0.3, "down": 0.4}[side])
        lie = {"right": (1, -1), "left": (-1, -1), "up": (-1, -2), "down": (1, -2)}[side]
        beyond = beyond.narrow(lie[1], 0, far)
        return torch.cat([picture, beyond][:: lie[0]], dim=lie[1])


def test_what_is_said_to_lie_beyond_edges_takes_the_place_of_the_mirror_and_of_no_mark():
    around = Surroundings(Canvas(channels=192, size=4, cell=8), 2, Saying())
    around.take(EVERY, pictures(), None)
    around.near(EVERY)
    mirror, found = mirrored(pictures(), UP, LEFT).half(), kept(around)
    assert torch.equal(found[:, 3:], mirror[:, 3:])
    assert torch.equal(found[:, :3, *MIDDLE], mirror[:, :3, *MIDDLE])
    right, left, up, down = (torch.tensor(k / 10).half() for k in (1, 2, 3, 4))
    assert (found[:, :3, MIDDLE[0], LEFT + SIDE : LEFT + SIDE + 16] == right).all()
    assert (found[:, :3, MIDDLE[0], LEFT - 16 : LEFT] == left).all()
    assert (found[:, :3, :UP, MIDDLE[1]] == up).all()
    assert (found[:, :3, UP + SIDE :, MIDDLE[1]] == down).all()
    beside = slice(LEFT + SIDE, LEFT + SIDE + 16)
    assert (found[:, :3, :UP, beside] == up).all(), "corners are above what is beside the picture"
    assert (found[:, :3, UP + SIDE :, beside] == down).all()
    farther = found[:, :3, MIDDLE[0], LEFT + SIDE + 32 :]
    assert torch.equal(farther, found[:, :3, MIDDLE[0], LEFT : LEFT + SIDE].flip(-1)[..., :32])


def test_nobody_looks_beyond_an_edge_twice_or_before_things_move():
    around = Surroundings(Canvas(channels=192, size=4, cell=8), 2, saying := Saying())
    for seed in range(3):
        around.take(EVERY, pictures(seed=seed), None)
    assert not saying.looked
    around.near(EVERY[1:])
    assert saying.looked == 2 + 2 * 3, "sides of one of two, and corners"
    around.near(EVERY)
    go(around, right=1.0)
    around.near(EVERY)
    assert saying.looked == 16
    before = kept(around).clone()
    around.take_back(EVERY)
    around.take(EVERY, pictures(seed=5), None)  # seen in the place of what was dreamed
    around.near(EVERY)
    assert saying.looked == 16 and not torch.equal(kept(around), before)


def looked_at(saying):
    """Begin, and look around; forget how often."""
    around = Surroundings(Canvas(channels=192, size=4, cell=8), 2, saying)
    around.take(EVERY, pictures(), None)
    around.near(EVERY)
    saying.looked = 0
    return around


def test_before_all_that_was_said_is_in_sight_it_is_looked_for_again():
    around = looked_at(saying := Saying())
    for _ in range(4):
        go(around, right=0.0, down=-3.0)
        around.near(EVERY)
    assert not saying.looked, "twelve of sixteen pixels are left of what was said"
    go(around, right=0.0, down=-3.0, lanes=EVERY[1:])
    saying.over = lambda picture, side, far: torch.nn.functional.pad(
        picture, (0, 0, far, 0), value=7
    )
    around.near(EVERY)
    found = colours(around)
    assert (found[1, :, :UP, MIDDLE[1]] == 7).all(), "over the edge it was used up at"
    assert not (found[0] == 7).any() and not (found[1, :, UP:] == 7).any()


def test_what_was_ever_in_sight_is_not_looked_for_again():
    around = looked_at(Saying())
    for _ in range(2):
        go(around, right=0.0, down=4.0, picture=pictures(seed=1))  # eight rows leave above
    left = kept(around)[:, :, UP - 8 : UP, MIDDLE[1]].clone()
    assert left[:, 3].all()
    around.used[:, 2] = SIDE
    around.near(EVERY)
    assert torch.equal(kept(around)[:, :, UP - 8 : UP, MIDDLE[1]], left)
    assert (kept(around)[:, :3, : UP - 8, MIDDLE[1]] == torch.tensor(0.3).half()).all()


def test_looking_again_can_be_taken_back_with_the_step_that_made_it_due():
    around = looked_at(Saying())
    before = around.used.clone()
    go(around, right=5.0)
    assert around.used[0].tolist() == pytest.approx([5, 0, 0, 0], abs=1e-4)
    around.take_back(EVERY)
    assert torch.equal(around.used, before)


def test_who_begins_with_the_same_picture_looks_once():
    around = Surroundings(Canvas(channels=192, size=4, cell=8), 2, saying := Saying())
    around.take(EVERY, pictures()[:1].expand(2, -1, -1, -1), None)
    around.near(EVERY)
    assert saying.looked == 2 + 2 * 3
    assert torch.equal(around.view[0], around.view[1])


def test_what_is_mended_is_no_part_of_what_moves_but_what_appears_is():
    around, flow = begun(), torch.zeros(2, 2, 16, 16)
    moved, drawn = pictures(seed=1), pictures(seed=2)
    appears = torch.zeros(2, 1, SIDE, SIDE)
    appears[..., :8] = 1
    around.take(EVERY, drawn, around.moved(EVERY, as_moved(moved, flow, appears=appears)))
    kept, (seen, fine) = coarser(around.fine), around.near(EVERY)
    torch.testing.assert_close(kept[..., 8:], moved[..., 8:], rtol=0, atol=1e-5)
    torch.testing.assert_close(kept[..., :8], drawn[..., :8], rtol=0, atol=1e-5)
    assert torch.equal(fine, around.fine)
    assert torch.equal(seen[:, :3, 8:-8, 8:-8], drawn.half()), "what leaves is what was shown"


@pytest.mark.parametrize("speed", [8.0, 2.5, 0.3])
def test_what_left_the_picture_comes_back_as_it_was(speed):
    """Going along a long wall and back again, nothing of it is blurred."""
    wall = pictures(size=128)[..., :SIDE, :]

    def sight(at):
        shift = torch.tensor([at, 0.0]).view(1, 2, 1, 1).expand(2, 2, SIDE, 128)
        return advect(wall, shift)[..., :SIDE]

    around, steps = Surroundings(Canvas(channels=192, size=4, cell=8), lanes=2), round(24 / speed)
    around.take(EVERY, sight(0.0), None)
    for k in range(steps):
        go(around, speed, picture=sight(speed * (k + 1)))
    for k in reversed(range(steps)):
        gone = max(1, round(speed * (k + 1)))
        kept = colours(around)[..., UP : UP + SIDE, LEFT - gone : LEFT]
        off = (kept - wall[..., :gone]).abs()
        assert off.max() < (1e-3 if speed == 8 else 0.3), "it is a spot off at most"
        if gone >= 8:
            changes = (x.diff(dim=-1).abs().mean() for x in (kept, wall[..., :gone]))
            assert next(changes) > 0.8 * next(changes)
        go(around, -speed, picture=sight(speed * k))


def test_at_rest_nothing_moves_however_long():
    around = begun()
    go(around, 3.0, picture=pictures(seed=3))
    before = around.view.clone()
    for _ in range(500):
        go(around, 1e-4, -1e-4, picture=pictures(seed=3))
    assert torch.equal(around.view, before)


def test_slow_motion_adds_up():
    around = begun()
    for _ in range(16):
        go(around, 0.25, picture=pictures())
    wide = mirrored(pictures(), UP, LEFT).half().float()[:, :3]
    moved = colours(around)[..., UP : UP + SIDE, LEFT + SIDE : -8]
    assert torch.equal(moved, wide[..., UP : UP + SIDE, LEFT + SIDE + 4 : -4])


def test_what_lies_around_turns_as_the_picture_does():
    """An eighth of a radian about the middle: what is left of it down, what is right of it up."""
    around, at = begun(), (torch.arange(16) + 0.5) / 8 - 1
    flow = SIDE / 2 * 0.125 * torch.stack([-at[:, None].expand(16, 16), at.expand(16, 16)])
    spread = around._spread(flow.expand(2, 2, 16, 16)).float()
    down, right = spread[0]
    middle = UP + SIDE // 2
    assert down[middle, LEFT - 4] == pytest.approx(-0.125 * (SIDE / 2 + 3.5), abs=0.01)
    assert down[middle, LEFT + SIDE + 3] == pytest.approx(0.125 * (SIDE / 2 + 3.5), abs=0.01)
    assert right[UP - 4, LEFT] == pytest.approx(0.125 * (SIDE / 2 + 3.5), abs=0.01)
    assert (down[:, : LEFT - 24] == down[:, :1]).all(), "farther off it moves alike"
    made = opened(around.moved(EVERY, as_moved(pictures(), flow.expand(2, 1, 2, 16, 16))).view, 3)
    wide = kept(around)
    assert torch.equal(made[:, :3, 31:33, 20:40], wide[:, :3, 26:28, 20:40]), "left of it, down"


def test_what_turns_step_by_step_is_nowhere_far_from_its_place():
    """A seventh of a right angle in sixteen steps and back: colours say where a spot began."""
    around, at = begun(), (torch.arange(16) + 0.5) / 8 - 1
    size = torch.tensor(around.view.shape[1:3])
    rows, columns = (torch.arange(int(n)).float() for n in size)
    began = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    wide = kept(around)
    wide[:, :2] = began
    around.view.copy_(closed(wide))
    middle, one = (size[:, None, None] - 1) / 2, 0.014
    near = slice(UP - 4, UP + SIDE + 4), slice(LEFT - 4, LEFT + SIDE + 4)
    flow = SIDE / 2 * one * torch.stack([-at[:, None].expand(16, 16), at.expand(16, 16)])
    for way, turned in ((1, 16 * one), (-1, 0)):
        for _ in range(16):
            moved = as_moved(pictures(), way * flow.expand(2, 1, 2, 16, 16))
            made = around.moved(EVERY, moved)
            around.take(EVERY, opened(made.view, 3)[:, :3, *MIDDLE].float(), made)
        down, right = began - middle
        true = torch.stack([
            down * math.cos(turned) + right * math.sin(turned),
            right * math.cos(turned) - down * math.sin(turned),
        ])  # fmt: skip
        off = (colours(around)[:, :2] - middle - true)[..., *near].abs()
        assert off.mean() < 0.5 and off.max() < 2.5, "pixels, each way"


def test_no_row_parts_from_its_neighbours():
    """However little they agree about where they came from, a column stays nearly one."""
    around, flow = begun(), torch.zeros(2, 2, 16, 16)
    flow[:, 0] = 12.0 * torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
    shift = around._spread(flow)[:, 1, UP : UP + SIDE, :LEFT].float()
    assert shift.diff(dim=1).abs().max() < 1


def test_what_is_drawn_was_in_sight_but_is_real_only_where_that_was_so():
    around = begun()
    go(around, 8.0, known=0.25)
    seen, known, _ = kept(around)[:, 3:].unbind(dim=1)
    assert seen[:, *MIDDLE].all() and (known[:, *MIDDLE] == 0.25).all()
    left = slice(UP, UP + SIDE), slice(LEFT - 8, LEFT)
    assert seen[:, *left].all() and known[:, *left].all()
    assert not seen[:, *MIDDLE[:1], LEFT + SIDE :].any()
    around.take(EVERY, pictures(), None)
    assert kept(around)[:, 4][:, *MIDDLE].all(), "a real frame is real"


def test_a_step_can_be_taken_back_and_a_real_frame_keeps_what_left_on_the_way():
    around, other = begun(), begun()
    go(around, 6.0, picture=pictures(seed=1))
    ahead = around.view.clone()
    around.take_back(EVERY)
    assert torch.equal(around.view, other.view) and torch.equal(around.fine, other.fine)
    around.take(EVERY, pictures(seed=2), None)
    assert torch.equal(around.view[:, :, :LEFT], ahead[:, :, :LEFT])
    assert torch.equal(kept(around)[:, :3, *MIDDLE], pictures(seed=2).half())
    around.take(EVERY, pictures(seed=2), None)
    assert torch.equal(kept(around), mirrored(pictures(seed=2), UP, LEFT).half())


def test_lanes_do_not_disturb_each_other():
    around, second = begun(), torch.tensor([1])
    before = [x.clone() for x in around.state()]
    go(around, 5.0, lanes=second)
    for one, other in zip(around.state(), before, strict=True):
        assert torch.equal(one[0], other[0])
    assert not torch.equal(around.view[1], before[0][1])


def test_a_flow_that_is_no_number_breaks_no_memory():
    around = begun()
    go(around, torch.nan)
    assert kept(around).isfinite().all() and around.off.isfinite().all()
