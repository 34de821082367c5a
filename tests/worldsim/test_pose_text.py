import numpy as np
import pytest

from worldsim.pose_text import every_telling, motion, read_motion, tell_motion, write_motion


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0, 0, 0), (2, 0, 0), (1.0, 0.0, 0)),
        ((5, 5, 90), (5, 7, 90), (1.0, 0.0, 0)),
        ((5, 5, 90), (3, 5, 90), (0.0, 1.0, 0)),
        ((1, 1, 350), (1, 1, 5), (0.0, 0.0, 15)),
        ((1, 1, 5), (1, 1, 350), (0.0, 0.0, -15)),
    ],
)
def test_motion_is_as_seen_by_who_moves_and_in_metres(before, after, expected):
    got = motion(np.array(before, np.float32), np.array(after, np.float32), metres=0.5)
    assert got == pytest.approx(expected, abs=1e-5)


def test_what_is_written_is_read_again():
    rng = np.random.default_rng(0)
    for ahead, left, turn in rng.uniform(-40, 40, (50, 3)):
        text = write_motion(ahead, left, turn)
        assert read_motion(text) == pytest.approx((ahead, left, turn), abs=0.51)
        assert read_motion(text)[:2] == pytest.approx((ahead, left), abs=0.0051)


def test_nothing_has_no_minus():
    assert write_motion(-0.001, 0.0, -0.2) == "ahead +0.00 left +0.00 turn +0"


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ((0, 0, 0), "stood still"),
        ((0.02, -0.01, 0.9), "stood still"),
        ((0.15, 0, 0), "moved forward"),
        ((-0.12, 0.01, 0), "moved back"),
        ((0.01, 0.12, 0), "moved left"),
        ((0, -0.12, 0), "moved right"),
        ((0.15, -0.12, 0), "moved forward and right"),
        ((1.6, 0.3, 0), "moved forward"),  # a car that slides a little
        ((0, 0, 5), "turned left"),
        ((0.15, 0, -5), "moved forward, turned right"),
        ((-0.1, 0.1, 6), "moved back and left, turned left"),
    ],
)
def test_a_motion_is_told_without_numbers(moved, said):
    assert tell_motion(*moved) == said and said in every_telling()


def test_there_are_nine_ways_to_move_and_three_to_turn():
    assert len(set(every_telling())) == 27


@pytest.mark.parametrize("text", ["", "ahead", "ahead +1.00 left +0.1 turn +0", "go ahead +1.00"])
def test_what_is_no_motion_is_none(text):
    assert read_motion(text) is None
