import torch

from worldsim.distances import apart, emphasis, off, style, tone


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
