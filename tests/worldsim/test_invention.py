import pytest
import torch

from tests.worldsim.pictures import pictures
from tests.worldsim.tiny import make_checkpoint
from worldsim.invention import Invention
from worldsim.painter import beside
from worldsim.surroundings import Surroundings, closed, opened

SIDE, UP, LEFT = 32, 16, 64
SIGHT = slice(UP, UP + SIDE), slice(LEFT, LEFT + SIDE)
EVERY = torch.arange(2)
NOISE = torch.randn(2, 192, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network():
    return make_checkpoint(invent_width=96).network


LIKE = pictures(seed=1)


@pytest.fixture(scope="module")
def invention(network):
    return Invention(network, network.inventor, 2)


def frames(network):
    """Latents of pictures that the canvas can draw."""
    return network.canvas.read(pictures())


def around_of(network, worn):
    """What lies around frames of which so much is worn, ``(2, 1, SIDE, SIDE)``."""
    surroundings = Surroundings(network.canvas, 2)
    surroundings.take(EVERY, network.canvas.draw(frames(network)), None)
    painter, picture = network.painter, network.canvas.draw(frames(network))
    plan = torch.zeros(2, network.config.plan_width, 4, 4)
    past = torch.stack([picture, picture], dim=1)
    moved, _ = painter.move(past, plan, torch.zeros(2, 64), near=beside(picture))
    still = moved._replace(flow=0 * moved.flow, worn=worn, appears=0 * worn, known=1 + 0 * worn)
    return surroundings, surroundings.moved(EVERY, type(moved)(*(x[:, None] for x in still)))


def worn_of(worn=0.0):
    return torch.full((2, 1, SIDE, SIDE), worn)


def test_what_is_known_well_enough_is_left_alone(network, invention):
    _, around = around_of(network, worn_of(0.9))
    latents, after = invention.into(EVERY, frames(network), around, LIKE, NOISE)
    assert torch.equal(latents, frames(network)) and after is around


def test_only_what_is_worn_is_replaced_and_then_it_is_known(network, invention):
    """The middle of the first of two lanes."""
    worn = worn_of()
    worn[0, :, 8:24, 8:24] = 3
    surroundings, around = around_of(network, worn)
    latents, after = invention.into(EVERY, frames(network), around, LIKE, NOISE)
    assert torch.equal(latents[1], frames(network)[1])
    assert torch.equal(after.view[1], around.view[1])
    changed = (network.canvas.draw(latents) - network.canvas.draw(frames(network))).abs()
    assert changed[0, :, 9:23, 9:23].mean() > 0.1
    assert changed[0, :, :8].max() < 1e-4  # cells of 8 pixels that nothing was replaced in
    seen, known, left = opened(after.view, 3)[0, 3:, *SIGHT].float()
    assert seen.all() and not left.any()
    assert not known[8:24, 8:24].any() and known[:8].all()
    surroundings.take(EVERY, network.canvas.draw(latents), after)
    kept = surroundings.near(EVERY).fine[0]
    torch.testing.assert_close(
        torch.nn.functional.avg_pool2d(kept, 2)[:, 8:24, 8:24],
        network.canvas.draw(latents)[0][:, 8:24, 8:24], rtol=0, atol=1e-3,
    )  # fmt: skip


def test_what_comes_into_sight_is_invented_farther_than_it_is_seen(network, invention):
    worn = worn_of()
    worn[:, :, :, 28:] = 4
    _, around = around_of(network, worn)
    wide = opened(around.view, 3)
    wide[:, -1, :, LEFT + SIDE :] = 5
    around = around._replace(view=closed(wide))
    _, after = invention.into(EVERY, frames(network), around, LIKE, NOISE)
    before, now = (opened(x.view, 3).float() for x in (around, after))
    beside_it = now[:, 3:, SIGHT[0], LEFT + SIDE + 4 : LEFT + SIDE + 12]
    assert beside_it[:, 0].all() and not beside_it[:, 1:].any(), "in sight once, not real, not worn"
    assert torch.equal(now[..., :LEFT], before[..., :LEFT])
    assert torch.equal(now[..., LEFT + SIDE + 12 :], before[..., LEFT + SIDE + 12 :])


def test_lanes_do_not_disturb_each_other(network, invention):
    _, around = around_of(network, worn_of(3.0))
    latents, after = invention.into(EVERY, frames(network), around, LIKE, NOISE)
    second = torch.tensor([1])
    alone = type(around)(*(x[1:] for x in around))
    one, its = invention.into(second, frames(network)[1:], alone, LIKE[1:], NOISE[1:])
    torch.testing.assert_close(one, latents[1:], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        opened(its.view, 3).float(), opened(after.view[1:], 3).float(), rtol=0, atol=1e-2
    )


def test_a_first_frame_follows_words_and_luck(network, invention):
    levels = [1.0, 0.6, 0.3, 0.0]
    first = invention.first(EVERY, NOISE, levels)
    assert first.shape == frames(network).shape and torch.isfinite(first).all()
    assert not torch.allclose(first, invention.first(EVERY, NOISE.flip(0), levels))
    invention.said[:] = torch.randn(2, 64)
    told = invention.first(EVERY, NOISE, levels)
    invention.said[:] = 0
    assert not torch.allclose(first, told)
