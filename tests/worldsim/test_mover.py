import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.mover import Mover, advect


def make_mover(seed=0):
    torch.manual_seed(seed)
    return Mover(side=32, told=7, width=32, match_width=8)


def awake():
    mover = make_mover()
    for parameter in mover.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return mover


def past():
    """The pictures, and others before them."""
    return torch.stack([pictures(), pictures().flip(-1)], dim=1)


def flow(right, down):
    return torch.tensor([right, down]).float().view(1, 2, 1, 1).expand(2, 2, 16, 16)


def test_without_flow_nothing_changes():
    torch.testing.assert_close(advect(pictures(), flow(0, 0)), pictures(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -5), (8, 8)])
def test_a_flow_of_whole_pixels_is_a_shift_with_repeated_borders(right, down):
    rows = (torch.arange(32) + down).clamp(0, 31)
    columns = (torch.arange(32) + right).clamp(0, 31)
    moved = advect(pictures(), flow(right, down))
    torch.testing.assert_close(moved, pictures()[:, :, rows][..., columns], rtol=0, atol=1e-3)


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_moved_a_hundred_times_a_picture_keeps_its_shapes_and_grows_no_waves(shift):
    lengths = torch.tensor([3.0, 4, 6, 8, 12, 24])
    waves = torch.cos(torch.arange(128) * 2 * torch.pi / lengths[:, None])
    picture = waves[:, None, None].expand(-1, 1, 8, -1)
    there = torch.tensor([shift, 0.0]).view(1, 2, 1, 1).expand(len(lengths), 2, 4, 64)
    for step in range(100):
        picture = advect(picture, there if step % 2 else -there)
    left = picture[:, 0, 4, 52:76].std(dim=-1) / waves[:, 52:76].std(dim=-1)
    assert left.max() < 1.001
    assert left[-1] > 0.9 and left[-2] > 0.7


def test_a_flow_that_is_no_number_gives_none_and_does_not_crash():
    broken = flow(torch.nan, 0).clone().requires_grad_()
    moved = advect(pictures(), broken)
    moved.sum().backward()
    assert not moved.isfinite().any()


def test_each_spot_follows_its_own_flow():
    left = flow(4, 0).clone()
    left[..., 8:] = 0
    moved = advect(pictures(), left)
    torch.testing.assert_close(moved[..., 18:], pictures()[..., 18:], rtol=0, atol=1e-3)
    assert (moved[..., :14] - pictures()[..., :14]).abs().max() > 0.1


def test_descending_the_error_finds_the_shift():
    """The flow is learnt from pictures alone, so its gradient must lead somewhere."""
    shift = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.2)
    for _ in range(60):
        moved = advect(pictures(), shift.view(1, 2, 1, 1).expand(2, 2, 16, 16))
        loss = (moved - pictures().roll(-2, dims=-1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(shift.detach(), torch.tensor([2.0, 0.0]), rtol=0, atol=0.4)


def test_an_untrained_mover_leaves_the_picture_as_it_was():
    moved = make_mover()(past(), torch.randn(2, 7))
    torch.testing.assert_close(moved, pictures(), rtol=0, atol=1e-4)


def test_words_and_both_pictures_before_change_what_is_expected():
    mover, said = awake(), torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    before = mover(past(), said)
    for place in range(2):
        other = past()
        other[:, place] *= 0.5
        assert not torch.allclose(before, mover(other, said))
    assert not torch.allclose(before, mover(past(), said + torch.arange(7)))


def test_a_sweep_is_a_polynomial_of_the_place():
    """Its first field is the same everywhere; one of the first degree is a zoom."""
    mover = make_mover()
    with torch.no_grad():
        mover.sweep.bias[0] = 0.5
    sweep = mover._sweep(torch.zeros(1, 64))
    assert sweep.shape == (1, 2, 16, 16) and not sweep[0, 1].any()
    torch.testing.assert_close(sweep[0, 0], torch.full((16, 16), 0.5))
    middle = (torch.arange(16) + 0.5) / 8 - 1
    columns = [field for field in mover.fields if torch.allclose(field[0], middle)]
    assert len(columns) == 1, "one field grows from left to right"
    assert len(mover.fields) == 10, "all products up to the third degree"


def test_it_works_in_sixteen_bits():
    mover, said = make_mover(), torch.randn(2, 7)
    exact, less = mover(past(), said), mover.bfloat16()(past(), said.bfloat16())
    assert less.dtype == torch.float32, "of the weights alone: pictures stay as exact as they came"
    torch.testing.assert_close(less, exact, rtol=0, atol=1e-4)
