import numpy as np

from agents.moments import Moments, joined


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
