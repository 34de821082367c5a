import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import (
    BELIEVED,
    FAR,
    FINER,
    advect,
    coarser,
    finer,
    mirrored,
    roughness,
)


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


def test_a_finer_picture_is_the_same_picture():
    fine = finer(pictures())
    assert fine.shape == (2, 3, 32 * FINER, 32 * FINER)
    torch.testing.assert_close(coarser(fine), pictures(), rtol=0, atol=1e-6)


def test_moved_finer_a_picture_is_worn_down_less():
    """By a little over half a pixel, forty times there and back."""
    plain, fine = pictures(), finer(pictures())
    for k in range(40):
        way = 0.6 if k % 2 else -0.6
        plain = advect(plain, flow(way, way))
        fine = advect(fine, flow(FINER * way, FINER * way))
    middle = slice(8, -8)
    lost, less = (
        (x - pictures())[..., middle, middle].square().mean() for x in (plain, coarser(fine))
    )
    assert less < 0.5 * lost


def test_what_is_in_the_margin_can_be_moved_into_sight():
    wide = pictures(size=48)
    moved = advect(wide, flow(5, -3), margin=8)
    assert moved.shape == (2, 3, 32, 32)
    torch.testing.assert_close(moved, wide[:, :, 5:37, 13:45], rtol=0, atol=1e-3)


def test_beyond_the_edges_there_is_a_mirror_that_nobody_has_seen():
    wide = mirrored(pictures(size=8), 3, 20)
    assert wide.shape == (2, 6, 14, 48)
    assert torch.equal(wide[:, :3, 3:11, 20:28], pictures(size=8))
    assert torch.equal(wide[:, :3, :3, 20:28], pictures(size=8)[:, :, :3].flip(-2))
    assert torch.equal(wide[:, :3, 3:11, 28:36], pictures(size=8).flip(-1))
    assert torch.equal(wide[:, :3, 3:11, 36:44], pictures(size=8)), "and mirrors in mirrors"
    marked = torch.zeros(14, 48)
    marked[3:11, 20:28] = 1
    assert (wide[:, 3:5] == marked).all()
    worn = wide[0, 5]
    assert not worn[3:11, 20:28].any()
    assert worn[5, 27 + BELIEVED] == 1 and 0 < worn[5, 28] < worn[5, 29] < 1
    assert worn[0, 20 - BELIEVED] == 1 and worn[0, 20] == worn[3, 17], "by the farther edge"
    assert mirrored(pictures(size=8), 3, 999)[:, 5].max() == FAR


def test_roughness_is_the_contrast_of_what_is_around_a_spot():
    picture = torch.full((1, 3, 32, 32), 0.4)
    picture[..., 16:] += 0.1 * (torch.arange(16) % 2 * 2 - 1.0)  # stripes, to the right
    rough = roughness(picture)[0, 0]
    assert rough[:, :8].max() < 1e-4
    torch.testing.assert_close(rough[:, 25:28], torch.full((32, 3), 0.1), rtol=0, atol=0.012)
    even = torch.zeros(1, 1, 8, 8, requires_grad=True)
    roughness(even).sum().backward()
    assert even.grad.isfinite().all(), "nothing has a slope, too"
