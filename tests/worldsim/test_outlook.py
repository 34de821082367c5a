import pytest
import torch

from tests.worldsim.pictures import pictures
from worldsim.advection import mirrored
from worldsim.beyond import SIDES, Beyond
from worldsim.outlook import Outlook

SIDE, UP, LEFT, FAR = 32, 16, 64, 24  # far: three eighths of a picture and more


def looking(std=0.1):
    torch.manual_seed(0)
    beyond = Beyond(values=3, width=8).requires_grad_(False)
    for parameter in beyond.parameters() if std else ():
        torch.nn.init.normal_(parameter, std=std)
    return Outlook(beyond, SIDE, (UP, LEFT))


LIES = {
    "right": (slice(UP, UP + SIDE), slice(LEFT + SIDE, None)),
    "left": (slice(UP, UP + SIDE), slice(0, LEFT)),
    "up": (slice(0, UP), slice(None)),
    "down": (slice(UP + SIDE, None), slice(None)),
}


@pytest.mark.parametrize("side", SIDES)
def test_to_look_again_at_once_finds_the_same(side):
    outlook = looking()
    first = outlook.first(pictures())
    again = outlook.again(first.clone(), side)
    torch.testing.assert_close(again, first, rtol=0, atol=1e-5)
    assert (first - mirrored(pictures(), UP, LEFT)).abs().max() > 1e-3, "and no mirror"


@pytest.mark.parametrize("side", SIDES)
def test_what_is_found_takes_the_place_of_what_nobody_saw_over_that_edge_alone(side):
    outlook, before = looking(), looking().first(pictures())
    wide = outlook.first(pictures(seed=1))
    wide[:, :, UP : UP + SIDE, LEFT : LEFT + SIDE] = before[
        :, :, UP : UP + SIDE, LEFT : LEFT + SIDE
    ]
    old = wide.clone()
    found = outlook.again(wide, side)
    changed = (found != old).any(dim=1)
    assert changed[:, *LIES[side]].float().mean() > 0.9
    changed[:, *LIES[side]] = False
    assert not changed.any()


def test_what_was_in_sight_stays():
    outlook = looking()
    wide = outlook.first(pictures())
    wide[:, :3, :UP, :40], wide[:, 3, :UP, :40] = 5, 1
    found = outlook.again(wide, "up")
    assert (found[:, :3, :UP, :40] == 5).all() and not (found[:, :3, :UP, 40:] == 5).any()


def test_what_is_said_from_what_was_said_is_known_no_better():
    outlook = looking()
    wide = outlook.first(pictures())
    wide[:, 3:, *LIES["left"]] = torch.tensor([0.0, 0.0, 3.5])[:, None, None]
    marks = wide[:, 3:].clone()
    assert torch.equal(outlook.again(wide, "left")[:, 3:], marks)
