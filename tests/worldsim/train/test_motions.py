import numpy as np
import pytest

from worldsim.deed import BEFORE, STEPS
from worldsim.errors import WorldsimError
from worldsim.hindsight import GRID
from worldsim.sequence import PADDING, Example, Rows
from worldsim.train.latents import Track
from worldsim.train.motions import CHUNK, around, hide, look_up, moves_of


def make_tracks(*lengths):
    tracks, start = [], 0
    for length in lengths:
        tracks.append(Track(start=start, actions=[[7]] * length, sentences=[[]] * length,
                            stretch=[0] * length, answers=[0] * (length + 1)))  # fmt: skip
        start += length + 1
    return tracks, start


def test_motion_is_looked_up_once_and_kept(tmp_path):
    tracks, total = make_tracks(CHUNK + 5, 3)
    latents, asked = np.arange(total, dtype=np.float16)[:, None, None, None], []

    def hindsight(frames, follows):
        asked.append(follows.size)
        at = frames[:, :, :1] * np.ones((3, GRID, GRID))
        return np.where(follows[..., None, None, None], at, 9.0)

    path = tmp_path / "motions.npy"
    found = look_up(latents, tracks, hindsight, path)
    assert found.shape == (total, 3, GRID, GRID) and found.dtype == np.float16
    assert asked == [CHUNK + 1, 6, 4], "in chunks that begin where the last one ended"
    wanted = np.arange(total)
    wanted[[track.start for track in tracks]] = 0
    assert (found == wanted[:, None, None, None]).all()
    assert np.array_equal(look_up(latents, tracks, hindsight, path), found) and len(asked) == 3
    with pytest.raises(WorldsimError, match="of other frames"):
        look_up(latents[:-1], tracks, hindsight, path)
    path.write_bytes(b"no numbers")
    with pytest.raises(WorldsimError, match="damaged: delete it"):
        look_up(latents, tracks, hindsight, path)


def test_around_a_frame_are_the_steps_before_it_its_own_and_the_next():
    tracks, total = make_tracks(6, 6)
    moved = np.arange(total, dtype=np.float16)[:, None, None, None] * np.ones((3, 2, 2))
    second = tracks[1]  # frames 7 to 13

    def seen(at):
        found = around(moved, second, at)
        assert found.shape == (STEPS, 3, 2, 2) and found.dtype == np.float32
        return found[:, 0, 0, 0].tolist()

    assert seen(3) == [8, 9, 10, 11]
    assert seen(1) == [0, 0, 8, 9], "what led to the first frame is of another episode"
    assert seen(6) == [11, 12, 13, 0]


def test_what_is_around_a_step_is_hidden_here_and_there_and_the_step_itself_never():
    motions = np.ones((2000, STEPS, 3, 1, 1), np.float32)
    hide(motions, np.random.default_rng(0))
    known = motions[:, :, 0, 0, 0] > 0
    assert known[:, BEFORE].all()
    before, after = known[:, :BEFORE].all(axis=1), known[:, BEFORE + 1 :].all(axis=1)
    assert np.array_equal(before, known[:, :BEFORE].any(axis=1))
    for what in (before & after, before & ~after, ~before & after, ~before & ~after):
        assert 0.02 < what.mean() < 0.9
    assert (before & after).mean() > 0.5, "most are seen whole"


def test_rows_say_how_things_moved_around_the_frames_that_their_examples_say_it_of():
    example, other = Example(), Example()
    example.moves = {1: np.full((STEPS, 3, GRID, GRID), 2.0, np.float32)}
    none = np.zeros((1, 6), np.int64)
    doc = np.array([[1, 1, 0, 0, PADDING, PADDING]])
    time = np.array([[0, 1, 0, 1, 0, 0]])
    rows = Rows(*[none] * 7, none, none, time, doc)
    moves = moves_of(rows, [example, other], np.random.default_rng(0))
    assert moves.shape == (1, 6, STEPS, 3, GRID, GRID)
    assert (moves[0, 3, BEFORE] == 2).all()
    moves[0, 3] = 0
    assert not moves.any()
