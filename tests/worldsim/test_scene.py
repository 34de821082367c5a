import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.scene import Scene
from worldsim.surroundings import closed, opened

LANES, SECOND = torch.arange(2), torch.tensor([1])
NOTHING = torch.zeros(2, 64)


@pytest.fixture(scope="module")
def network():
    return make_checkpoint(momentum_width=32, beyond_width=8).network


def latents(seed=0):
    return torch.randn(2, 48, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_a_network_without_parts_knows_nothing_of_a_scene_but_what_was_seen():
    scene, past = Scene(make_checkpoint(painter_width=0).network, 2), torch.zeros(2, 3, 4, 4, 4)
    assert len(scene.state()) == 1
    scene.take(LANES, past[:, 0] + 1, NOTHING, None, None)
    scene.take_back(LANES)
    assert scene.ahead(LANES, NOTHING, past, LANES) == (None, None)
    assert torch.equal(scene.again(LANES).latents, past[:, 0] + 1)
    assert not scene.worn(LANES).any()


def test_what_a_scene_began_with_is_its_newest_frame_that_was_seen(network):
    scene, draw = Scene(network, 2), network.canvas.draw
    scene.take(LANES, latents(), NOTHING, None, None)
    assert torch.equal(scene.seen, latents())
    around = scene.around._anew(SECOND, draw(latents())[1:])
    scene.take(SECOND, latents(1)[1:], NOTHING[1:], None, around)
    assert torch.equal(scene.seen, latents()), "not one that was dreamed"
    scene.take(SECOND, latents(2)[1:], NOTHING[1:], None, None)
    again = scene.again(LANES)
    assert torch.equal(again.latents[1], latents(2)[1]) and not again.drift.any()
    assert torch.equal(again.latents[0], latents()[0]) and again.around is None


def test_a_picture_is_as_worn_as_its_spots_are_on_average(network):
    scene = Scene(network, 2)
    scene.take(LANES, latents(), NOTHING, None, None)
    assert not scene.worn(LANES).any(), "what was seen"
    around = scene.around._anew(SECOND, network.canvas.draw(latents())[1:])
    wide = opened(around.view, 3)
    up, left = scene.around.margins
    wide[:, -1] = 5  # beside the picture nobody cares
    wide[:, -1, up : up + 32, left : left + 32] = torch.tensor([1.0, 3.0]).repeat(16)
    scene.take(SECOND, latents()[1:], NOTHING[1:], None, around._replace(view=closed(wide)))
    assert scene.worn(LANES).tolist() == [0, 2] and scene.worn(SECOND).tolist() == [2]


def test_a_lane_begun_anew_has_forgotten_all_of_it(network):
    scene = Scene(network, 2)
    scene.forget(LANES, torch.zeros(2, 48, 4, 4))
    empty = [x.clone() for x in scene.state()]
    scene.take(LANES, latents(), NOTHING + 1, torch.ones(2, 3, 16, 16), None)
    scene.forget(SECOND, torch.zeros(1, 48, 4, 4))
    for now, before in zip(scene.state(), empty, strict=True):
        assert torch.equal(now[1], before[1])
    assert scene.seen[0].any()
