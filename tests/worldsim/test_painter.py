import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import coarser, finer, mirrored, roughness, smooth
from worldsim.canvas import Canvas
from worldsim.painter import KEPT, LEAST, MOST, Moved, Nearby, Painter, inside

NONE_NEW = torch.zeros(2, 1, 32, 32)
NEW_ABOVE = torch.zeros(2, 1, 32, 32)
NEW_ABOVE[:, :, :16] = 1


def make_painter(seed=0, may_rest=True, may_appear=True, may_invent=True):
    torch.manual_seed(seed)
    canvas = Canvas(channels=192, size=4, cell=8)
    return Painter(
        canvas, plan=5, whole=7, widths=[8, 16, 32],
        may_rest=may_rest, may_appear=may_appear, may_invent=may_invent,
    )  # fmt: skip


def past():
    """The pictures, and others before them."""
    return torch.stack([pictures(), pictures().flip(-1)], dim=1)


def as_moved(picture, new=NONE_NEW):
    """Say of a picture that it was moved, and where that is new."""
    none = torch.zeros_like(new)
    return Moved(picture, torch.zeros(2, 2, 16, 16), new, 1 - new, finer(picture), none, none)


def test_an_untrained_painter_leaves_the_picture_as_it_was():
    painter, given = make_painter(), pictures()
    plan, whole = torch.randn(2, 5, 4, 4), torch.randn(2, 7)
    moved, features = painter.move(past(), plan, whole)
    assert moved.new.max() < 1e-5 and moved.known.min() > 1 - 1e-5
    torch.testing.assert_close(moved.picture, given, rtol=0, atol=1e-4)
    assert not painter.mended(moved, given, features, whole).any()


def test_only_what_is_new_gets_its_colours_by_mending():
    painter, given, whole = make_painter(), pictures(), torch.zeros(2, 7)
    moved, features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    with torch.no_grad():
        painter.draw.bias.copy_(torch.randn(3, 1).expand(3, 4).flatten())
    added = painter.mended(moved._replace(new=NEW_ABOVE), given, features, whole)
    assert added[:, :, :16].mean(dim=(2, 3)).abs().min() > 0.01
    torch.testing.assert_close(added[:, :, 16:], torch.zeros(2, 3, 16, 32), rtol=0, atol=1e-5)


def at_random(painter):
    for parameter in painter.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return painter


def test_where_nothing_happens_the_picture_stays():
    """Whatever flow and mending would say of the left half."""
    painter, given, whole = at_random(make_painter()), pictures(), torch.randn(2, 7)
    left = torch.ones(2, 1, 16, 16)
    left[..., 8:] = 0
    painter._happening = lambda features, whole: 1 - left
    moved, features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    torch.testing.assert_close(moved.picture[..., :15], given[..., :15], rtol=0, atol=1e-4)
    assert (moved.picture[..., 18:] - given[..., 18:]).abs().max() > 0.01
    added = painter.mended(moved._replace(new=NEW_ABOVE), given, features, whole)
    assert not added[..., :16].any() and added[..., 16:].any()


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
    added = painter.mended(as_moved(given), given, features, whole)
    colour = added[:, :, 14:18, 14:18].mean(dim=(2, 3))
    torch.testing.assert_close(colour, added.amax(dim=(2, 3)) + added.amin(dim=(2, 3)))
    assert colour.abs().min() > 0.01
    torch.testing.assert_close(added[..., :8], torch.zeros(2, 3, 32, 8), rtol=0, atol=1e-5)


def test_one_in_whom_something_may_appear_begins_as_one_in_whom_nothing_may():
    may, may_not = make_painter(), make_painter(may_appear=False)
    own = at_random(may_not).state_dict()
    may.load_state_dict(may.state_dict() | own)
    given, features, whole = pictures(), torch.randn(2, 8, 16, 16), torch.randn(2, 7)
    one, other = (
        x.mended(as_moved(given, NEW_ABOVE), given, features, whole) for x in (may, may_not)
    )
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_mending_adds_detail_and_no_colour():
    painter, given, whole = make_painter(), pictures(), torch.zeros(2, 7)
    moved, features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    torch.nn.init.normal_(painter.draw.weight)
    added = painter.mended(moved._replace(new=NONE_NEW), given, features, whole)
    assert smooth(added, 4).abs().mean() < 0.2 * added.abs().mean()
    torch.nn.init.zeros_(painter.draw.weight)
    with torch.no_grad():
        painter.draw.bias.copy_(torch.randn(3, 1).expand(3, 4).flatten())  # one value a colour
    colour = painter.mended(moved._replace(new=NONE_NEW), given, features, whole)
    torch.testing.assert_close(colour, torch.zeros_like(colour), rtol=0, atol=1e-5)


def test_towards_the_edges_less_is_mended():
    painter, given, whole = at_random(make_painter()), pictures(), torch.randn(2, 7)
    with torch.no_grad():
        painter.draw.weight.mul_(1e-3)  # so little that all of it suits the picture
    moved, features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    kept, less = painter.inside.clone(), painter.mended(moved, given, features, whole)
    painter.inside.fill_(1)
    torch.testing.assert_close(less, kept * painter.mended(moved, given, features, whole))
    assert (inside(32, 2.0)[16, :3] == torch.tensor([0.25, 0.75, 1.0])).all()
    assert (kept[8:24, 8:24] == 1).all() and kept[:, 0].max() == kept[-1].max() < 0.5


def test_what_is_mended_suits_the_contrast_of_what_was_never_mended():
    """Half of the picture is an even wall, whatever was mended in it; a ball appears there."""
    painter, whole = at_random(make_painter(may_appear=False)), torch.randn(2, 7)
    wall = pictures().clone()
    wall[..., 16:] = 0.2
    moved, features = painter.move(past(), torch.randn(2, 5, 4, 4), whole)
    moved = moved._replace(fine=finer(wall), picture=pictures())
    added = painter.mended(moved, pictures(), features, whole).detach()
    there, said = roughness(wall)[..., :12], roughness(added)
    assert 0.05 < said[..., :12].mean() < MOST * (there + LEAST).mean()
    assert said[..., 28:].max() < 2 * LEAST and added[..., 28:].abs().max() < 0.02
    painter._appearing = lambda features: torch.ones_like(features[:, :1])
    all_of_it = painter.mended(moved, pictures(), features, whole).detach()
    assert roughness(all_of_it)[..., 28:].mean() > 10 * said[..., 28:].mean()


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
        moved, features = painter.move(past, plan, whole)
        moved = moved._replace(new=NONE_NEW)
        return moved.picture, painter.mended(moved, pictures(), features, whole)

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
    moved, features = painter.move(past().bfloat16(), plan, whole)
    assert moved.picture.dtype == torch.float32, "what is rounded a dream adds up"
    assert painter.mended(moved, moved.picture, features, whole).isfinite().all()


def pushed(painter, right, down):
    """Let an untrained painter push everything so far."""
    with torch.no_grad():
        painter.flow.bias.copy_(torch.tensor([right, down]) / 4)
    return painter


def test_what_comes_into_sight_is_what_lay_beside_the_picture():
    """To the right lies something real, seen before; elsewhere nobody knows, and it is mirrored."""
    painter, whole = pushed(make_painter(), 5.0, 0.0), torch.zeros(2, 7)
    near = mirrored(pictures(), 8, 8)
    near[:, :3, 8:40, 40:] = 0.25
    near[:, 3:, 8:40, 40:] = 1
    plan = torch.zeros(2, 5, 4, 4)
    moved = painter.move(past(), plan, whole, near=Nearby(near, finer(pictures())))[0]
    torch.testing.assert_close(moved.picture[..., :26], pictures()[..., 5:31], rtol=0, atol=1e-3)
    torch.testing.assert_close(moved.picture[..., 28:], torch.full((2, 3, 32, 4), 0.25))
    assert moved.new.max() < 1e-5 and moved.known.min() > 1 - 1e-5
    blind = painter.move(past(), plan, whole)[0]
    ends = pictures()[..., -5:].flip(-1)
    torch.testing.assert_close(blind.picture[..., -5:], ends, rtol=0, atol=1e-3)
    assert blind.new[..., -4:].min() > 0.99 and blind.known[..., -4:].max() < 0.01
    assert blind.new[..., :26].max() < 1e-5 and blind.known[..., :26].min() > 1 - 1e-5


def test_what_was_mended_fades_unless_the_picture_is_at_rest():
    """Half of the picture was mended; the other half was moved, as it is, and moves on."""
    painter, whole, plan = (
        pushed(make_painter(), 4.0, 0.0),
        torch.zeros(2, 7),
        torch.zeros(2, 5, 4, 4),
    )
    mended = torch.zeros(2, 3, 32, 32)
    mended[..., 16:] = 0.2
    near = Nearby(mirrored(pictures(), 8, 8), finer(pictures() - mended))
    moved = painter.move(past(), plan, whole, near=near)[0]
    gone = pictures() - (1 - KEPT) * mended
    torch.testing.assert_close(moved.picture[..., 14:26], gone[..., 18:30], rtol=0, atol=2e-2)
    torch.testing.assert_close(moved.picture[..., :10], gone[..., 4:14], rtol=0, atol=2e-2)
    bare = coarser(moved.fine)
    torch.testing.assert_close(
        bare[..., 14:26], (pictures() - mended)[..., 18:30], rtol=0, atol=2e-2
    )
    painter._happening = lambda features, whole: torch.zeros_like(features[:, :1])
    still = painter.move(past(), plan, whole, near=near)[0]
    torch.testing.assert_close(still.picture, pictures(), rtol=0, atol=1e-4)


def test_one_that_may_invent_begins_as_one_that_may_not_and_learns_where_to():
    may, may_not = make_painter(), make_painter(may_invent=False)
    own = at_random(may_not).state_dict()
    may.load_state_dict(may.state_dict() | own)
    given, features, whole = pictures(), torch.randn(2, 8, 16, 16), torch.randn(2, 7)
    moved = as_moved(given, NEW_ABOVE)
    one, other = (x.mended(moved, given, features, whole) for x in (may, may_not))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    torch.nn.init.ones_(may.marks.weight)
    told = may.mended(moved, given, features, whole)
    unseen = moved._replace(known=torch.ones_like(moved.known))
    assert not torch.allclose(told, other)
    assert not torch.allclose(told, may.mended(unseen, given, features, whole))
