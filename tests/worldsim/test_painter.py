import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.canvas import Canvas
from worldsim.painter import Painter, advect, smooth

NONE_NEW = torch.zeros(2, 1, 32, 32)
NEW_ABOVE = torch.zeros(2, 1, 32, 32)
NEW_ABOVE[:, :, :16] = 1


def make_painter(seed=0, may_rest=True, may_appear=True):
    torch.manual_seed(seed)
    canvas = Canvas(channels=192, size=4, cell=8)
    return Painter(
        canvas, plan=5, whole=7, widths=[8, 16, 32], may_rest=may_rest, may_appear=may_appear
    )


def past():
    """The pictures, and others before them."""
    return torch.stack([pictures(), pictures().flip(-1)], dim=1)


def flow(right, down):
    return torch.tensor([right, down]).float().view(1, 2, 1, 1).expand(2, 2, 16, 16)


def test_without_flow_nothing_changes():
    torch.testing.assert_close(advect(pictures(), flow(0, 0))[0], pictures(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -5), (8, 8)])
def test_a_flow_of_whole_pixels_is_a_shift_with_repeated_borders(right, down):
    rows = (torch.arange(32) + down).clamp(0, 31)
    columns = (torch.arange(32) + right).clamp(0, 31)
    moved, new = advect(pictures(), flow(right, down))
    torch.testing.assert_close(moved, pictures()[:, :, rows][..., columns], rtol=0, atol=1e-3)
    # What comes from past the edge is new, softly so in the last two pixels.
    past = ((torch.arange(32) + down)[:, None] % 32 != (torch.arange(32) + down)[:, None]) | (
        (torch.arange(32) + right) % 32 != torch.arange(32) + right
    )
    assert ((new[:, 0] > 0) == past).all() and new.max() == 1


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_moved_a_hundred_times_a_picture_keeps_its_shapes_and_grows_no_waves(shift):
    lengths = torch.tensor([3.0, 4, 6, 8, 12, 24])
    waves = torch.cos(torch.arange(128) * 2 * torch.pi / lengths[:, None])
    picture = waves[:, None, None].expand(-1, 1, 8, -1)
    there = torch.tensor([shift, 0.0]).view(1, 2, 1, 1).expand(len(lengths), 2, 4, 64)
    for step in range(100):
        picture, _ = advect(picture, there if step % 2 else -there)
    left = picture[:, 0, 4, 52:76].std(dim=-1) / waves[:, 52:76].std(dim=-1)
    assert left.max() < 1.001
    assert left[-1] > 0.9 and left[-2] > 0.7


def test_a_flow_that_is_no_number_gives_none_and_does_not_crash():
    broken = flow(torch.nan, 0).clone().requires_grad_()
    moved, _ = advect(pictures(), broken)
    moved.sum().backward()
    assert not moved.isfinite().any()


def test_each_spot_follows_its_own_flow():
    left = flow(4, 0).clone()
    left[..., 8:] = 0
    moved, _ = advect(pictures(), left)
    torch.testing.assert_close(moved[..., 18:], pictures()[..., 18:], rtol=0, atol=1e-3)
    assert (moved[..., :14] - pictures()[..., :14]).abs().max() > 0.1


def test_descending_the_error_finds_the_shift():
    """The flow is learnt from pictures alone, so its gradient must lead somewhere."""
    shift = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.2)
    for _ in range(60):
        moved, _ = advect(pictures(), shift.view(1, 2, 1, 1).expand(2, 2, 16, 16))
        loss = (moved - pictures().roll(-2, dims=-1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(shift.detach(), torch.tensor([2.0, 0.0]), rtol=0, atol=0.4)


def test_an_untrained_painter_leaves_the_picture_as_it_was():
    painter, given = make_painter(), pictures()
    plan, whole = torch.randn(2, 5, 4, 4), torch.randn(2, 7)
    (moved, _, new), features = painter.move(past(), plan, whole)
    assert not new.any()
    torch.testing.assert_close(moved, given, rtol=0, atol=1e-4)
    assert not painter.mended(moved, given, features, whole, NONE_NEW).any()


def test_only_what_is_new_gets_its_colours_by_mending():
    painter, given, whole = make_painter(), pictures(), torch.zeros(2, 7)
    (moved, _, _), features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    with torch.no_grad():
        painter.draw.bias.copy_(torch.randn(3, 1).expand(3, 4).flatten())
    added = painter.mended(moved, given, features, whole, NEW_ABOVE)
    assert added[:, :, :16].mean(dim=(2, 3)).abs().min() > 0.01
    torch.testing.assert_close(added[:, :, 16:], torch.zeros(2, 3, 16, 32), rtol=0, atol=1e-5)


def at_random(painter):
    for parameter in painter.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return painter


def test_where_nothing_happens_the_picture_stays_but_for_what_is_new():
    """Whatever flow and mending would say of the left half."""
    painter, given, whole = at_random(make_painter()), pictures(), torch.randn(2, 7)
    left = torch.ones(2, 1, 16, 16)
    left[..., 8:] = 0
    painter._happening = lambda features, whole: 1 - left
    (moved, _, _), features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    torch.testing.assert_close(moved[..., :15], given[..., :15], rtol=0, atol=1e-4)
    assert (moved[..., 18:] - given[..., 18:]).abs().max() > 0.01
    added = painter.mended(moved, given, features, whole, NEW_ABOVE)
    assert not added[:, :, 16:, :16].any()
    assert added[:, :, :16, :16].any() and added[:, :, 16:, 16:].any()


def test_what_happens_may_be_said_for_all_of_the_picture_at_once():
    painter, whole = make_painter(), torch.randn(2, 7)
    features, first = torch.randn(2, 8, 16, 16), painter.rest_all[0]
    torch.testing.assert_close(painter._happening(features, whole), torch.ones(2, 1, 16, 16))
    apart = first(whole[1]) - first(whole[0])
    with torch.no_grad():
        painter.rest_all[1] = torch.nn.Identity()
        painter.rest_all[2].weight.copy_(-16 * apart / apart.square().sum())
        painter.rest_all[2].bias.copy_(8 - painter.rest_all(whole)[0])
    there, gone = painter._happening(features, whole)
    assert 0.999 < there.min() < 1.02 and gone.max() < 0.02


def test_one_that_may_rest_begins_as_one_that_may_not():
    may, may_not = make_painter(), make_painter(may_rest=False)
    own = at_random(may_not).state_dict()
    may.load_state_dict(may.state_dict() | own)
    given = past(), torch.randn(2, 5, 4, 4), torch.randn(2, 7)
    may_moved, may_not_moved = may.move(*given)[0], may_not.move(*given)[0]
    for one, other in zip(may_moved, may_not_moved, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_what_appears_in_the_midst_of_a_picture_gets_its_colours_by_mending():
    painter, given, whole = make_painter(), pictures(), torch.zeros(2, 7)
    features = torch.zeros(2, 8, 16, 16)
    features[:, :, 6:10, 6:10] = 1.0  # a square of eight pixels
    with torch.no_grad():
        painter.draw.bias.copy_(torch.randn(3, 1).expand(3, 4).flatten())
        painter.appear.weight[:, :, 1, 1] = 2.0
    added = painter.mended(given, given, features, whole, NONE_NEW)
    colour = added[:, :, 14:18, 14:18].mean(dim=(2, 3))
    torch.testing.assert_close(colour, added.amax(dim=(2, 3)) + added.amin(dim=(2, 3)))
    assert colour.abs().min() > 0.01
    torch.testing.assert_close(added[..., :8], torch.zeros(2, 3, 32, 8), rtol=0, atol=1e-5)


def test_one_in_whom_something_may_appear_begins_as_one_in_whom_nothing_may():
    may, may_not = make_painter(), make_painter(may_appear=False)
    own = at_random(may_not).state_dict()
    may.load_state_dict(may.state_dict() | own)
    given, features, whole = pictures(), torch.randn(2, 8, 16, 16), torch.randn(2, 7)
    one, other = (x.mended(given, given, features, whole, NEW_ABOVE) for x in (may, may_not))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_mending_adds_detail_and_no_colour():
    painter, given, whole = make_painter(), pictures(), torch.zeros(2, 7)
    (moved, _, _), features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    torch.nn.init.normal_(painter.draw.weight)
    added = painter.mended(moved, given, features, whole, NONE_NEW)
    assert smooth(added, 4).abs().mean() < 0.2 * added.abs().mean()
    torch.nn.init.zeros_(painter.draw.weight)
    with torch.no_grad():
        painter.draw.bias.copy_(torch.randn(3, 1).expand(3, 4).flatten())  # one value a colour
    colour = painter.mended(moved, given, features, whole, NONE_NEW)
    torch.testing.assert_close(colour, torch.zeros_like(colour), rtol=0, atol=1e-5)


def test_what_is_even_is_smooth_already():
    even = torch.full((1, 3, 8, 8), 0.7)
    torch.testing.assert_close(smooth(even, 2), even)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 25.0
    expected = torch.zeros(9, 9)
    expected[2:7, 2:7] = 1.0
    torch.testing.assert_close(smooth(dot, 2)[0, 0], expected)


def test_plan_word_on_the_whole_and_both_frames_before_reach_the_picture():
    painter = at_random(make_painter())
    plan, whole = torch.randn(2, 5, 4, 4), torch.randn(2, 7)

    def paint(past, plan, whole):
        (moved, _, _), features = painter.move(past, plan, whole)
        return moved, painter.mended(moved, pictures(), features, whole, NONE_NEW)

    before = paint(past(), plan, whole)
    others = [x.clone() for x in (past(), past())]
    for place, other in enumerate(others):
        other[:, place] *= 0.5
    for changed in (
        paint(past(), plan + 1, whole),
        paint(past(), plan, whole + 1),
        *(paint(other, plan, whole) for other in others),
    ):
        for one, other in zip(before, changed, strict=True):
            assert not torch.allclose(one, other)


def test_a_sweep_is_a_polynomial_of_the_place():
    """Its first field is the same everywhere; one of the first degree is a zoom."""
    painter = make_painter()
    with torch.no_grad():
        painter.sweep.bias[0] = 0.5
    sweep = painter._sweep(torch.zeros(1, 7))
    assert sweep.shape == (1, 2, 16, 16) and not sweep[0, 1].any()
    torch.testing.assert_close(sweep[0, 0], torch.full((16, 16), 0.5))
    middle = (torch.arange(16) + 0.5) / 8 - 1
    columns = [field for field in painter.fields if torch.allclose(field[0], middle)]
    assert len(columns) == 1, "one field grows from left to right"
    assert len(painter.fields) == 10, "all products up to the third degree"


def test_it_works_in_sixteen_bits():
    painter = make_painter().bfloat16()
    plan, whole = torch.randn(2, 5, 4, 4).bfloat16(), torch.randn(2, 7).bfloat16()
    (moved, _, new), features = painter.move(past().bfloat16(), plan, whole)
    assert moved.dtype == torch.bfloat16
    assert painter.mended(moved, moved, features, whole, new).isfinite().all()
