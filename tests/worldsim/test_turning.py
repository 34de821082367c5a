import pytest
import torch
import torch.nn.functional as F

from worldsim.advection import advect
from worldsim.painter import polynomials
from worldsim.turning import turned


def lawn(side=64, seed=0):
    """Even patches with soft edges, (1, 3, side, side)."""
    rough = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(rough, (side, side), mode="bilinear")


def road(side=64):
    """A road straight ahead on an even lawn: nothing shows how far it slides along itself."""
    picture = torch.full((1, 3, side, side), -0.4)
    picture[..., side * 3 // 8 : side * 5 // 8] = 0.3
    for down in (side // 4, side * 5 // 8):  # but two lines across it
        picture[..., down : down + 3, :] = 0.1
    return F.avg_pool2d(F.pad(picture, (1,) * 4, mode="replicate"), 3, stride=1)


def turn(degrees, side=64, slide=(0.0, 0.0)):
    """Where spots were when a picture turns, (1, 2, side, side) in widths."""
    angle = torch.deg2rad(torch.tensor(degrees))
    _, right, down = polynomials(side, 1) / 2  # of place, from the middle, in widths
    x, y = (
        (angle.cos() - 1) * right - angle.sin() * down,
        angle.sin() * right + (angle.cos() - 1) * down,
    )
    return torch.stack([x + slide[0], y + slide[1]])[None]


def off(found, true):
    """Return pixels, away from the corners, which nobody saw twice."""
    return 64 * (found - true)[..., 12:-12, 12:-12].norm(dim=1).mean()


@pytest.mark.parametrize("degrees", [-15.0, -5.0, 2.0, 12.0])
@pytest.mark.parametrize("draw", [lawn, road])
def test_a_turn_of_the_whole_picture_is_found(degrees, draw):
    before, true = draw(), turn(degrees, slide=(0.02, -0.01))
    found = turned(advect(before, 64 * true), before, torch.zeros(1, 2, 16, 16))
    assert off(found, true) < 0.35 < off(torch.zeros_like(true), true)


def test_what_moves_by_itself_has_no_say():
    before, true = lawn(), turn(4.0)
    now = advect(before, 64 * true)
    for frame, at in ((before, 20), (now, 26)):
        frame[..., at : at + 12, 26:38] = 1.0
    assert off(turned(now, before, torch.zeros(1, 2, 16, 16)), true) < 0.35


def test_it_begins_with_what_is_known():
    before, true = lawn(), turn(0.0, slide=(0.45, 0.0))
    now, known = advect(before, 64 * true), torch.zeros(1, 2, 16, 16)
    assert off(turned(now, before, known), true) > 2
    known[:, 0] = 0.4
    assert off(turned(now, before, known), true) < 0.35


def test_where_nothing_is_to_be_seen_nothing_is_changed():
    even = torch.full((1, 3, 64, 64), 0.2)
    known = F.adaptive_avg_pool2d(turn(5.0), 16)
    torch.testing.assert_close(turned(even, even, known), turn(5.0), atol=1e-4, rtol=0)


def test_each_picture_is_looked_at_by_itself():
    before = torch.cat([lawn(seed=1), road()])
    true = torch.cat([turn(6.0), turn(-3.0)])
    now, nothing = advect(before, 64 * true), torch.zeros(2, 2, 16, 16)
    alone = [turned(now[k : k + 1], before[k : k + 1], nothing[:1]) for k in range(2)]
    torch.testing.assert_close(turned(now, before, nothing), torch.cat(alone), atol=1e-4, rtol=0)
