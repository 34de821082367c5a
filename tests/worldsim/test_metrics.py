from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS, as_images, psnr, sharpness, ssim, statistics


def _images(count: int = 6, size: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 10, 10, generator=generator)
    return functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1) * 2 - 1


def _blur(images: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(images, 5, 1, 2, count_include_pad=False)


@pytest.fixture(scope="module")
def lpips() -> LPIPS:
    try:
        return LPIPS.load()
    except WorldsimError as error:
        pytest.skip(str(error))


def test_lpips_is_zero_on_equal_images_symmetric_and_positive_else(lpips):
    a = _images()
    b = a.flip(0)
    assert lpips(a, a).abs().max() == 0
    assert torch.allclose(lpips(a, b), lpips(b, a)) and lpips(a, b).min() > 0.01
    assert all((head >= 0).all() for head in lpips.heads)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_lpips_grows_with_noise_and_with_blur(lpips, size):
    a = _images(size=size)
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(1))
    noisy = [lpips(a, (a + amount * noise).clamp(-1, 1)).mean() for amount in (0.05, 0.2, 0.5)]
    assert noisy == sorted(noisy)
    assert 0 < lpips(a, _blur(a)).mean() < lpips(a, _blur(_blur(_blur(a)))).mean()


def test_lpips_forgives_a_shift_that_psnr_punishes_more_than_blur(lpips):
    a = functional.interpolate(torch.rand(4, 3, 16, 16) * 2 - 1, size=64)
    shifted, blurred = a.roll(1, 3), _blur(_blur(a))
    assert lpips(a, shifted).mean() < lpips(a, blurred).mean()


def test_lpips_is_a_usable_loss(lpips):
    x = _images().requires_grad_()
    lpips(x, _images().flip(0)).sum().backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0
    flat = torch.zeros(1, 3, 64, 64, requires_grad=True)
    lpips(flat, torch.zeros(1, 3, 64, 64)).sum().backward()
    assert flat.grad.isfinite().all()
    assert not any(parameter.requires_grad for parameter in lpips.parameters())


def test_psnr_and_ssim_give_known_values():
    a = _images()
    assert psnr(a, a).min() == pytest.approx(100.0)
    assert ssim(a, a).min() == pytest.approx(1.0)
    zero = torch.zeros(1, 3, 32, 32)
    assert psnr(zero, zero + 0.2).item() == pytest.approx(20.0, abs=1e-3)
    assert ssim(a, -a).max() < 0.2
    assert ssim(a, _blur(a)).mean() < 0.999


def test_statistics_see_what_they_are_named_after():
    a = _images()
    assert (sharpness(_blur(a)) < sharpness(a)).all()
    assert (sharpness(a + 0.2 * torch.randn_like(a)) > sharpness(a)).all()
    now, paler = statistics(a), statistics(a * 0.5)
    assert (paler["contrast"] < now["contrast"]).all()
    assert (paler["saturation"] < now["saturation"]).all()
    tinted = statistics(a + torch.tensor([0.2, 0, 0]).view(1, 3, 1, 1))
    assert torch.allclose(tinted["red"] - now["red"], torch.tensor(0.2))
    assert torch.allclose(tinted["blue"], now["blue"])


def test_frames_become_images_between_minus_one_and_one():
    frames = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(3 * 16)
    images = as_images(frames.view(1, 2, 4, 4, 3))
    assert images.shape == (2, 3, 4, 4)
    assert images[0].eq(-1).all() and images[1].eq(1).all()
