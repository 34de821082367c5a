import pytest
import torch

from worldsim.canvas import Canvas
from worldsim.gait import SIDE, UNIT, Gait, drawn_out, roughly
from worldsim.model import WorldTransformer
from worldsim.momentum import STEPS, Momentum

WIDTH = 64


@pytest.fixture
def gait():
    return Gait(STEPS, WIDTH, 32)


def slow_and_fast():
    drift = torch.zeros(2, 3, SIDE, SIDE)
    drift[0, 0], drift[1, 1], drift[:, 2] = 0.01, -0.2, 1
    return drift


def test_untrained_it_says_that_things_go_on_as_they_did(gait):
    drift = slow_and_fast()
    torch.testing.assert_close(gait(drift, torch.ones(2, STEPS, WIDTH)), drift[:, :2])


def test_all_that_was_done_is_heard_and_how_things_moved_is_seen(gait):
    for parameter in gait.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    drift, said = slow_and_fast()[:1], torch.ones(1, STEPS, WIDTH)
    changed = gait(drift, said) - drift[:, :2]
    for step in range(STEPS):
        other = said.clone()
        other[:, step] *= -1
        assert (gait(drift, other) - drift[:, :2] - changed).abs().max() > 1e-3 * UNIT, step
    faster = drift.clone()
    faster[:, 0] *= 10
    assert (gait(faster, said) - faster[:, :2] - changed).abs().max() > 1e-3 * UNIT


def test_momentum_believes_it_by_half_until_it_knows_better():
    momentum = Momentum(Canvas(48, 4, 8), 32, WIDTH, gait=16)
    pictures = torch.randn(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    drift, said = torch.zeros(1, 3, 16, 16), torch.ones(1, STEPS, WIDTH)
    assert not momentum(pictures, drift, said).any()
    torch.nn.init.constant_(momentum.gait.change.bias, 2.0)  # two units right and down
    by_half = torch.full((1, 2, 16, 16), 2 * UNIT * 32 / 2)
    torch.testing.assert_close(momentum(pictures, drift, said), by_half)
    torch.nn.init.constant_(momentum.believe.bias, 20.0)
    torch.testing.assert_close(momentum(pictures, drift, said), 2 * by_half)


def test_what_places_have_in_common_is_what_is_told_of_them():
    field = torch.arange(16.0).repeat(1, 2, 16, 1)
    torch.testing.assert_close(roughly(field)[0, 0, 0], torch.tensor([1.5, 5.5, 9.5, 13.5]))


def test_what_turns_as_a_whole_is_drawn_to_its_edges():
    at = torch.linspace(-1, 1, 32)
    turn = torch.stack([-2 * at[:, None].expand(32, 32), 2 * at.expand(32, 32)])[None]
    torch.testing.assert_close(drawn_out(roughly(turn), 32), turn)


def test_a_gait_without_momentum_is_an_error():
    sizes = {"width": 64, "latent_channels": 48, "latent_size": 4, "cell": 8}
    with pytest.raises(ValueError, match="gait_width=16 momentum_width=0"):
        WorldTransformer(gait_width=16, **sizes)
