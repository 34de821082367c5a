import pytest
import torch

from tests.worldsim.tiny import make_checkpoint
from worldsim.canvas import Canvas
from worldsim.model import WorldTransformer
from worldsim.momentum import STEPS, Momentum, drift_of

SIDE, WIDTH = 32, 64


@pytest.fixture
def momentum():
    return Momentum(Canvas(48, 4, 8), 32, WIDTH)


def shown(drift):
    pictures = torch.randn(len(drift), 2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return pictures, drift, torch.ones(len(drift), STEPS, WIDTH)


def test_untrained_it_says_that_things_go_on_as_they_did(momentum):
    drift = torch.zeros(2, 3, 16, 16)
    drift[0, 0], drift[1, 1] = 1 / 16, -1 / 8  # of a picture's width
    flow = momentum(*shown(drift))
    assert flow.shape == (2, 2, SIDE // 2, SIDE // 2)
    torch.testing.assert_close(flow[0, 0], torch.full((16, 16), SIDE / 16))
    torch.testing.assert_close(flow[1, 1], torch.full((16, 16), -SIDE / 8))
    assert not flow[0, 1].any() and not flow[1, 0].any()


def test_what_was_said_longest_ago_is_heard_too(momentum):
    for parameter in momentum.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    pictures, drift, said = shown(torch.zeros(1, 3, 16, 16))
    for step in range(STEPS):
        other = said.clone()
        other[:, step] *= -1
        different = momentum(pictures, drift, other) - momentum(pictures, drift, said)
        assert different.abs().max() > 1e-3, step


def test_a_flow_in_pixels_is_a_drift_in_widths():
    flow = torch.full((1, 2, 32, 32), 8.0)
    expected = torch.tensor([1 / 8, 1 / 8, 1.0])[:, None, None].expand(1, 3, 16, 16)  # and sure
    torch.testing.assert_close(drift_of(flow, 64, 16), expected)
    torch.testing.assert_close(drift_of(flow[..., :8, :8], 64, 16), expected)


@pytest.mark.parametrize("wrong", [{"momentum_width": 20}, {"painter_width": 0}, {"cell": 1}])
def test_momentum_where_it_cannot_be_is_an_error(wrong):
    sizes = {"momentum_width": 32, "painter_width": 96, "cell": 8} | wrong
    with pytest.raises(ValueError, match="linear codec"):
        WorldTransformer(width=64, latent_channels=48, latent_size=4, **sizes)


def test_where_a_place_is_odd_those_around_it_are_asked(momentum):
    drift = torch.zeros(1, 3, 8, 8)
    drift[0, 0, 4, 4] = 0.5
    flow = momentum(*shown(drift))[0, 0]
    assert flow.max() < SIDE * 0.5 / 8 and flow.min() == 0
    rough = (flow[:, 1:] - flow[:, :-1]).abs().max()
    assert rough < 0.6 * flow.max(), "nor is one spot far from the next"


@pytest.mark.parametrize("believed", [0.0, 0.5, 1.0])
def test_pictures_are_moved_by_what_it_says_as_far_as_that_is_believed(believed):
    network = make_checkpoint(momentum_width=32).network
    painter = network.painter
    pictures, drift, said = shown(torch.zeros(1, 3, 16, 16))
    plan = torch.zeros(1, network.config.plan_width, 4, 4)
    whole = torch.zeros(1, network.config.width)
    going = network.momentum(pictures, drift, said)
    for layer in (painter.rest, painter.rest_all[-1], painter.told, painter.believe):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    own = painter.move(pictures, plan, whole)[0].flow
    torch.nn.init.constant_(painter.believe.bias, torch.tensor(believed).logit(1e-6))
    told = painter.move(pictures, plan, whole, going)[0].flow
    torch.testing.assert_close(told, own + believed * (going - own), rtol=1e-4, atol=1e-3)
