import pytest
import torch

from worldsim.matching import Matching

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
