import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.mender import WAVES, Mender, waves


def make_mender(seed=0, awake=True):
    torch.manual_seed(seed)
    mender = Mender(values=3, fold=2, plan=5, whole=7, features=8, widths=[8, 16, 32])
    for parameter in mender.parameters() if awake else ():
        torch.nn.init.normal_(parameter, std=0.1)
    return mender


def given():
    """Everything a mender is told of two frames of 32 by 32 pixels."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(2, *shape, generator=generator)

    return {
        "pictures": torch.stack([pictures() * (1 - 0.2 * k) for k in range(4)], dim=1),
        "new": torch.zeros(2, 1, 32, 32),
        "features": draw(8, 16, 16),
        "plan": draw(5, 4, 4),
        "whole": draw(7),
        "levels": torch.tensor([0.3, 0.9]),
    }


def test_an_untrained_mender_adds_nothing():
    assert not make_mender(awake=False)(**given()).any()


@pytest.mark.parametrize("name", ["pictures", "new", "features", "plan", "whole", "levels"])
def test_all_it_is_told_reaches_the_picture_of_its_own_frame_alone(name):
    mender, told = make_mender(), given()
    before = mender(**told)
    told[name] = told[name].clone()
    told[name][1] += 0.05
    after = mender(**told)
    torch.testing.assert_close(after[0], before[0])
    assert before.shape == (2, 3, 32, 32) and not torch.allclose(after[1], before[1])


def test_each_of_the_four_pictures_counts():
    mender, told = make_mender(), given()
    before = mender(**told)
    for place in range(4):
        other = told["pictures"].clone()
        other[:, place] *= 0.5
        assert not torch.allclose(mender(**(told | {"pictures": other})), before)


def test_it_works_in_sixteen_bits():
    told = {k: v if k == "levels" else v.bfloat16() for k, v in given().items()}
    drawn = make_mender().bfloat16()(**told)
    assert drawn.dtype == torch.bfloat16 and drawn.isfinite().all()


def test_levels_a_little_apart_are_told_apart_and_waves_stay_in_bounds():
    said = waves(torch.linspace(0, 1, 101))
    assert said.shape == (101, WAVES) and said.abs().max() <= 1
    apart = (said[1:] - said[:-1]).norm(dim=-1)
    assert apart.min() > 0.1
