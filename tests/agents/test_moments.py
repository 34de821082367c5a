import numpy as np
import pytest
import torch

from agents.moments import FitConfig, Moments, fit, joined, logits, mirrored
from agents.policy import About, make_policy
from worldsim.errors import WorldsimError


def moments(begins, at, keys):
    frames = np.arange(len(begins), dtype=np.uint8)[:, None, None, None]
    frames = frames + np.ones((1, 2, 2, 3), np.uint8)
    return Moments(frames, np.array(begins), np.array(at), np.array(keys))


def seen(found, which, stack, repeat=1):
    return found.stacked(np.array(which), stack, repeat)[:, ::3, 0, 0].tolist()


def test_moments_show_what_an_agent_sees():
    found = moments([0, 0, 0, 3, 3], [0, 2, 4], [0, 1, 0])
    assert seen(found, [0, 1, 2], 3) == [[0, 0, 1], [1, 2, 3], [0, 4, 5]]


def test_who_holds_an_action_sees_no_frames_in_between():
    found = moments([0] * 6, [5, 3], [0, 1])
    assert seen(found, [0, 1], 3, repeat=2) == [[2, 4, 6], [0, 2, 4]]


def test_joined_moments_are_those_of_each_part():
    first, second = moments([0, 0, 2], [1, 2], [1, 0]), moments([0, 0], [1], [1])
    both = joined([first, second])
    assert both.keys.tolist() == [1, 0, 1]
    assert seen(both, [0, 1, 2], 2) == seen(first, [0, 1], 2) + seen(second, [0], 2)


def test_in_a_mirror_left_and_right_are_exchanged():
    assert mirrored(("stay", "turn left", "turn right", "gas steer left", "gas steer right")) == [
        0, 2, 1, 4, 3
    ]  # fmt: skip
    with pytest.raises(WorldsimError, match="there would be 'turn right', which is no action"):
        mirrored(("stay", "turn left"))


@pytest.mark.parametrize("soft", [False, True])
def test_what_is_right_on_one_side_is_learnt_for_the_other_in_a_mirror(soft):
    frames = np.zeros((1, 36, 36, 3), np.uint8)
    frames[:, :, :12] = 255  # bright on the left: go right
    keys = np.array([2])
    known = Moments(
        frames, np.array([0]), np.array([0]), np.eye(3, dtype="f4")[keys] if soft else keys
    )
    policies = []
    for mirror in ([], [0, 2, 1]):
        torch.manual_seed(0)
        policies.append(make_policy(About("toy", ["stay", "left", "right"], 1, 36, "play")))
        fit(policies[-1], known, FitConfig(40, 8, 1e-3, 1, 1, 0, mirror), "fit")
    there = torch.from_numpy(frames.transpose(0, 3, 1, 2).copy())
    for policy, other_side in zip(policies, (2, 1), strict=True):
        assert logits(policy, there).argmax() == 2
        assert logits(policy, there.flip(-1)).argmax() == other_side
