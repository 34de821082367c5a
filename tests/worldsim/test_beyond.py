import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import mirrored
from worldsim.beyond import REACH, SIDES, Beyond, away, over_edge, towards
from worldsim.model import WorldTransformer


def beyond(seed=0, std=0.1):
    torch.manual_seed(seed)
    made = Beyond(values=3, width=8).requires_grad_(False)
    for parameter in made.parameters() if std else ():
        torch.nn.init.normal_(parameter, std=std)
    return made


def edge(hidden=(8, 12), seed=0):
    return over_edge(pictures(seed=seed), torch.tensor(hidden))


def test_beyond_the_edge_is_a_mirror_and_nothing_of_what_is_hidden():
    found = edge()
    torch.testing.assert_close(found.picture[0, :, :, 24:], pictures()[0, :, :, 16:24].flip(-1))
    torch.testing.assert_close(found.picture[1, :, :, :20], pictures()[1, :, :, :20])
    assert found.beyond[0, 0, 0].tolist() == [0] * 24 + list(range(1, 9))
    other = pictures()
    other[..., 24:] = 9
    assert torch.equal(over_edge(other, torch.tensor([8, 12])).picture, found.picture)


def test_farther_than_a_mirror_shows_is_the_picture_again():
    found = edge(hidden=(28, 28))
    assert found.picture[..., 4:].abs().max() <= 1
    torch.testing.assert_close(found.picture[..., 8:12], found.picture[..., :4])


@pytest.mark.parametrize("side", SIDES)
def test_one_that_learnt_nothing_continues_pictures_as_in_a_mirror(side):
    found = beyond(std=0).over(pictures(), side, 8)
    up, left = (8, 0) if side in ("up", "down") else (0, 8)
    mirror = mirrored(pictures(), up, left)[:, :3]
    cut = {"right": mirror[..., 8:], "left": mirror[..., :-8], "up": mirror[..., :-8, :],
           "down": mirror[..., 8:, :]}  # fmt: skip
    torch.testing.assert_close(found, cut[side], rtol=0, atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_turned_and_turned_back_a_picture_is_the_same(side):
    assert torch.equal(away(towards(pictures(), side), side), pictures())


def test_what_is_in_sight_stays_and_what_is_beyond_is_copied_from_it():
    """No colour comes that is nowhere in the picture."""
    plain, found = edge().picture, beyond()(edge(), "right")
    torch.testing.assert_close(found[0, :, :, :24], plain[0, :, :, :24])
    assert (found - plain)[0, :, :, 24:].abs().mean() > 1e-3
    low, high = plain.amin(dim=(2, 3), keepdim=True), plain.amax(dim=(2, 3), keepdim=True)
    assert (found >= low - 1e-5).all() and (found <= high + 1e-5).all()


def test_sides_are_told_apart():
    """Left and right are each other's mirror; up and down are not, nor are they sides."""
    looking, square = beyond(), pictures()
    ways = {side: towards(looking.over(square, side, 8), side) for side in SIDES}
    same = {side: looking(over_edge(torch.nn.functional.pad(square, (0, 8)),
                                    torch.tensor([8, 8])), side) for side in SIDES}  # fmt: skip
    assert ways["right"].shape == (2, 3, 32, 40)
    assert torch.equal(same["left"], same["right"])
    assert not torch.allclose(same["up"], same["right"])
    assert not torch.allclose(same["up"], same["down"])


def test_pictures_of_a_batch_do_not_disturb_each_other():
    both = beyond()(edge(), "right")
    alone = beyond()(type(edge())(*(x[1:] for x in edge())), "right")
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-5)


def test_however_loud_it_is_it_reaches_only_so_far():
    """What is copied from farther away than that does not count."""
    loud = beyond(std=2.0)
    wide = torch.zeros(1, 3, 32, 160)
    wide[..., : 160 - 2 * 16 - int(REACH) - 1] = 1
    found = loud(over_edge(wide, torch.tensor([16])), "right")
    assert torch.isfinite(found).all() and not found[..., -16:].any()


def test_what_is_not_a_number_crashes_nothing():
    lost = beyond()
    torch.nn.init.constant_(lost.flow.bias, float("nan"))
    torch.testing.assert_close(lost(edge(), "right")[..., :20], edge().picture[..., :20])


def test_a_model_looks_over_edges_only_where_a_pixel_is_a_pixel():
    for wrong in ({"cell": 1}, {"beyond_width": 12}, {"painter_width": 0}):
        given = {"width": 64, "beyond_width": 8, "latent_channels": 48, "cell": 8} | wrong
        with pytest.raises(ValueError, match="beyond_width"):
            WorldTransformer(**given)
