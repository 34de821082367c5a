import pytest
import torch

from worldsim.sampler import denoise, noise_levels


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_levels_fall_from_noise_to_clean(num_steps, shift):
    levels = noise_levels(num_steps, shift)
    assert len(levels) == num_steps + 1 and (levels[0], levels[-1]) == (1.0, 0.0)
    assert all(high > low for high, low in zip(levels[:-1], levels[1:], strict=True))


def test_a_shift_stays_noisy_longer():
    plain, shifted = noise_levels(8), noise_levels(8, 3.0)
    assert all(a < b for a, b in zip(plain[1:-1], shifted[1:-1], strict=True))


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_a_world_of_one_picture_is_recovered_exactly_whatever_the_noise(num_steps, shift):
    generator = torch.Generator().manual_seed(0)
    picture, noise = torch.randn(2, 3, 4, 4, 4, generator=generator, dtype=torch.float64)
    levels = noise_levels(num_steps, shift)
    found = denoise(noise, lambda x, level: (x - picture) / level, levels)
    torch.testing.assert_close(found, picture, rtol=0, atol=1e-12)


def test_the_network_is_asked_once_a_step_at_falling_levels():
    asked = []

    def velocity(latents, level):
        asked.append(level)
        return torch.zeros_like(latents)

    noise = torch.ones(1, 1, 2, 2)
    assert torch.equal(denoise(noise, velocity, [1.0, 0.4, 0.0]), noise)
    assert asked == [1.0, 0.4]
