import pytest
import torch

from worldsim.matching import GRID, REACH, Matching, alike

SIDE = 32


@pytest.fixture
def matching():
    torch.manual_seed(0)
    matching = Matching(values=3, side=SIDE, width=16, out=4)
    torch.nn.init.constant_(matching.sharpness, 5.0)
    return matching.requires_grad_(False)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (2, 0), (-4, 0), (0, 4), (4, -2)])
def test_texture_is_found_where_it_was(matching, right, down):
    before = torch.rand(2, 3, SIDE, SIDE)
    now = before.roll((down, right), dims=(2, 3))
    flow, _ = matching(now, before)
    inside = flow[:, :, 8:-8, 8:-8].mean(dim=(0, 2, 3))
    assert torch.allclose(inside, torch.tensor([-right, -down]).float(), atol=0.5)


def test_nothing_to_compare_is_no_motion(matching):
    blank = torch.full((1, 3, SIDE, SIDE), 0.3)
    flow, _ = matching(blank, blank)
    assert (
        flow[:, :, 12:-12, 12:-12].abs().max() < 0.1
    )  # at the edge there is only one side to look


def test_the_comparison_says_nothing_before_it_has_learnt(matching):
    flow, told = matching(*torch.rand(2, 1, 3, SIDE, SIDE))
    assert flow.shape == (1, 2, SIDE, SIDE) and told.shape == (1, 4, SIDE, SIDE)
    assert not told.any()


def test_half_precision_finds_the_same_places(matching):
    now, before = torch.rand(2, 1, 3, SIDE, SIDE)
    flow, _ = matching(now, before)
    with torch.autocast("cpu", torch.bfloat16):
        coarse, _ = matching(now, before)
    assert (flow - coarse).abs().mean() < 0.1 * flow.abs().mean()


def moved_by(right, down):
    """Return textures, 64 pixels wide, and the same after they moved by so many spots of two."""
    before = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return before, before.roll((2 * down, 2 * right), (2, 3))


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, 0), (-2, 4), (1, -1)])
def test_patches_are_most_alike_where_they_came_from(right, down):
    before, now = moved_by(right, down)
    found = alike(now, before)
    ways = 2 * REACH + 1
    assert found.shape == (2, ways**2, GRID // 2, GRID // 2)
    from_where = (REACH - down) * ways + REACH - right
    inside = found[:, :, 3:-3, 3:-3]
    assert (inside.argmax(dim=1) == from_where).float().mean() > 0.95
    assert inside[:, from_where].mean() > 0.9 and inside.mean().abs() < 0.1


def test_brightness_and_contrast_do_not_make_patches_less_alike():
    before, now = moved_by(2, 0)
    assert (alike(0.5 * now + 0.3, before) - alike(now, before)).abs().mean() < 0.01


def test_an_even_picture_is_like_nothing():
    picture = moved_by(0, 0)[0]
    assert alike(torch.zeros_like(picture), picture).abs().max() < 1e-6
