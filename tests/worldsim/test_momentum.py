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


def test_pictures_are_moved_by_what_it_says():
    network = make_checkpoint(momentum_width=32).network
    pictures, drift, said = shown(torch.zeros(1, 3, 16, 16))
    plan = torch.zeros(1, network.config.plan_width, 4, 4)
    whole = torch.zeros(1, network.config.width)
    going = network.momentum(pictures, drift, said)
    none = network.painter.move(pictures, plan, whole)[0].flow
    for layer in (network.painter.rest, network.painter.rest_all[-1], network.painter.told):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    none = network.painter.move(pictures, plan, whole)[0].flow
    told = network.painter.move(pictures, plan, whole, going)[0].flow
    torch.testing.assert_close(told - none, going, rtol=1e-4, atol=1e-4)
