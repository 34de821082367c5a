import torch

from worldsim.distances import apart, astray, emphasis, off, style, tone


def test_style_knows_rows_apart_but_not_places_in_them():
    """Pictures turned along the horizon are alike; upside down or blurred they are not."""
    picture = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    assert style([picture], [picture.roll(3, dims=-1)]).max() < 1e-6
    assert style([picture], [picture.flip(-2)]).min() > 0.1
    flat = picture.mean(dim=-1, keepdim=True).expand_as(picture)
    assert style([picture], [flat]).min() > 0.1


def test_tone_sees_colour_and_contrast_of_rows_and_no_places_in_them():
    picture = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert tone(picture, picture.roll(3, dims=-1)).max() < 1e-6
    assert torch.allclose(tone(picture, picture + 0.5), torch.tensor(0.5))
    assert tone(picture, 0.5 * picture).min() > 0.1


def test_an_edge_is_the_worse_the_farther_it_is_off():
    edge, even = torch.zeros(1, 3, 8, 16), torch.ones(1, 1, 8, 8)
    edge[..., 8:] = 1
    near, far = (apart(edge.roll(k, dims=-1)[..., 4:12], edge[..., 4:12], even) for k in (1, 3))
    assert 0 < near < far
    assert apart(edge[..., 4:12], edge[..., 4:12], even) == 0


def test_what_changes_counts_as_much_as_everything_however_small_it_is():
    before = torch.zeros(2, 3, 8, 8)
    now = before.clone()
    now[0, :, 2, 2] = 1  # one pixel of 64
    weight = emphasis(now, before, more=3.0)
    assert torch.allclose(weight[0].mean(), torch.tensor(4.0))
    assert weight[0, 0, 2, 2] == 1 + 3 * 64 and weight[0, 0, 0, 0] == 1
    assert (weight[1] == 1).all(), "nothing changes"
    assert (emphasis(now, before, more=0.0) == 1).all()
    missed, added = off(before, now, weight), off(before + 1 / 64, before, weight)
    assert missed[0] > 40 * added[0], "a ball missed is worse than a shade everywhere"


def motion(right=2.0, trust=1.0):
    """Two rows of three frames; the second one is at rest."""
    true = torch.zeros(2, 3, 3, 4, 4)
    true[0, :, 0], true[:, :, 2] = right, trust
    return true


def test_a_flow_is_astray_by_pixels_where_motion_is_known():
    flow = torch.zeros(2, 3, 2, 4, 4)
    flow[:, :, 1] = 0.5
    off, _ = astray(flow, motion())
    torch.testing.assert_close(off, torch.tensor([[2.5], [0.5]]).expand(2, 3))
    torch.testing.assert_close(astray(flow, motion(trust=0.5))[0], off / 2)


def test_what_goes_too_short_or_too_far_misses_the_pace_and_what_goes_aside_does_not():
    true = motion()
    for share, aside in ((0.0, 0.0), (0.5, 1.0), (1.0, 3.0), (1.5, 0.0)):
        flow = share * true[:, :, :2]
        flow[:, :, 1] += aside
        short = astray(flow, true)[1]
        torch.testing.assert_close(short[0], torch.full((3,), (1 - share) ** 2))
        assert not short[1].any(), "of a row at rest no pace is wanted"


def test_a_row_keeps_its_pace_as_a_whole():
    """A step too long and one too short are no matter to it; each is off all the same."""
    true = motion()
    flow = true[:, :, :2] * torch.tensor([0.5, 1.5, 1.0]).view(1, 3, 1, 1, 1)
    off, short = astray(flow, true)
    torch.testing.assert_close(short, torch.zeros(2, 3))
    torch.testing.assert_close(off[0], torch.tensor([1.0, 1.0, 0.0]))
