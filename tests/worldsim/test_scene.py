import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.scene import Scene

LANES, SECOND = torch.arange(2), torch.tensor([1])
NOTHING = torch.zeros(2, 64)


@pytest.fixture(scope="module")
def network():
    return make_checkpoint(momentum_width=32, invent_width=96).network


def latents(seed=0):
    return torch.randn(2, 48, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_a_network_without_parts_knows_nothing_of_a_scene():
    scene = Scene(make_checkpoint(painter_width=0).network, 2)
    assert not scene.state()
    scene.tell(LANES, NOTHING)
    scene.take(LANES, torch.zeros(2, 4, 8, 8), NOTHING, None, None)
    scene.take_back(LANES)
    assert scene.ahead(LANES, NOTHING, torch.zeros(2, 3, 4, 8, 8), LANES) == (None, None)


def test_the_likeness_of_a_scene_is_its_newest_frame_that_was_seen(network):
    scene, draw = Scene(network, 2), network.canvas.draw
    scene.take(LANES, latents(), NOTHING, None, None)
    assert torch.equal(scene.invention.like, draw(latents()))
    around = scene.around._anew(SECOND, draw(latents())[1:])
    scene.take(SECOND, latents(1)[1:], NOTHING[1:], None, around)
    assert torch.equal(scene.invention.like, draw(latents())), "not one that was dreamed"
    scene.take(SECOND, latents(2)[1:], NOTHING[1:], None, None)
    torch.testing.assert_close(scene.invention.like[1], draw(latents(2))[1])
    assert torch.equal(scene.invention.like[0], draw(latents())[0])


def test_a_lane_begun_anew_has_forgotten_all_of_it(network):
    scene = Scene(network, 2)
    scene.forget(LANES, torch.zeros(2, 48, 4, 4))
    empty = [x.clone() for x in scene.state()]
    scene.tell(LANES, torch.ones(2, 64))
    scene.take(LANES, latents(), NOTHING + 1, torch.ones(2, 3, 16, 16), None)
    scene.forget(SECOND, torch.zeros(1, 48, 4, 4))
    for now, before in zip(scene.state(), empty, strict=True):
        assert torch.equal(now[1], before[1])
    assert scene.invention.said[0].all() and scene.invention.like[0].any()
