import pytest
import torch

from worldsim.codec import PatchCodec
from worldsim.motion import Motion


def pictures(num=2, size=32, seed=0):
    """Smooth random pictures in [-1, 1], (num, 3, size, size)."""
    coarse = torch.randn(num, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").tanh()


@pytest.fixture(scope="module")
def codec():
    """All components kept: the codec itself loses nothing."""
    codec = PatchCodec(image_size=32, fold=8, keep=192, whiten=0.5, retouch=0)
    codec.fit(pictures(200, seed=1))
    return codec


@pytest.fixture(scope="module")
def motion(codec):
    motion = Motion(channels=192, size=4, cell=8)
    motion.fit(*codec.canvas())
    return motion


def test_without_flow_nothing_changes(codec, motion):
    latents = codec.encode(pictures())[:, None]
    still = motion(latents, torch.zeros(2, 1, 2, 8, 8))
    torch.testing.assert_close(codec.decode(still[:, 0]), pictures(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -5), (8, 8)])
def test_a_flow_of_whole_pixels_is_a_shift_with_repeated_borders(codec, motion, right, down):
    given = pictures()
    flow = torch.tensor([right, down]).view(1, 1, 2, 1, 1).expand(2, 1, 2, 8, 8) / 8
    moved = codec.decode(motion(codec.encode(given)[:, None], flow)[:, 0])
    rows = (torch.arange(32) + down).clamp(0, 31)
    columns = (torch.arange(32) + right).clamp(0, 31)
    torch.testing.assert_close(moved, given[:, :, rows][..., columns], rtol=0, atol=1e-3)


def test_each_spot_follows_its_own_flow(codec, motion):
    given = pictures()
    flow = torch.zeros(2, 1, 2, 8, 8)
    flow[..., :4] = 0.5
    moved = codec.decode(motion(codec.encode(given)[:, None], flow)[:, 0])
    torch.testing.assert_close(moved[..., 20:], given[..., 20:], rtol=0, atol=1e-3)
    assert (moved[..., :12] - given[..., :12]).abs().max() > 0.1


def test_cells_of_a_codec_that_is_not_linear_are_moved_themselves():
    latents = torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    flow = torch.zeros(1, 2, 2, 4, 4)
    flow[:, :, 0] = 1
    moved = Motion(channels=3, size=4, cell=1)(latents, flow)
    torch.testing.assert_close(moved, latents[..., [1, 2, 3, 3]], rtol=1e-4, atol=1e-5)


def test_descending_the_error_finds_the_shift(codec, motion):
    """The flow is learnt from pictures alone, so its gradient must lead somewhere."""
    given = pictures()
    after = codec.encode(given.roll(-2, dims=-1))[:, None]
    shift = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.03)
    for _ in range(60):
        flow = shift.view(1, 1, 2, 1, 1).expand(2, 1, 2, 8, 8)
        loss = (motion(codec.encode(given)[:, None], flow) - after).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(shift.detach(), torch.tensor([0.25, 0.0]), rtol=0, atol=0.05)


def test_a_sweep_is_a_polynomial_of_the_place(motion):
    """Its first field is the same everywhere; one of the first degree is a zoom."""
    weights = torch.zeros(1, 1, 2, len(motion.fields))
    weights[0, 0, 0, 0] = 0.5
    flow = motion.sweep(weights.flatten(2))
    assert flow.shape == (1, 1, 2, 8, 8)
    torch.testing.assert_close(flow[0, 0, 0], torch.full((8, 8), 0.5))
    assert not flow[0, 0, 1].any()
    middle = (torch.arange(8) + 0.5) / 4 - 1
    columns = [i for i, field in enumerate(motion.fields) if torch.allclose(field[0], middle)]
    assert len(columns) == 1, "one field grows from left to right"
    assert len(motion.fields) == 10, "all products up to the third degree"
