import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from worldsim.errors import WorldsimError
from worldsim.starts import FRAMES_FILE, Start, load_starts, save_starts


@pytest.fixture
def starts():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    smooth = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None] * 9, (5, 16, 16, 3))
    return [
        Start("noise", "doom", noise, ["stay", "forward"]),
        Start("smooth", "rooms", np.ascontiguousarray(smooth), ["stay"] * 4),
    ]


def same(one, other):
    return all(
        (a.name, a.world, a.actions) == (b.name, b.world, b.actions)
        and np.array_equal(a.frames, b.frames)
        for a, b in zip(one, other, strict=True)
    )


def test_clips_come_back_to_the_last_bit_and_smooth_ones_take_less_room(tmp_path, starts):
    save_starts(tmp_path, starts)
    assert same(load_starts(tmp_path), starts)
    stored = load_file(tmp_path / FRAMES_FILE)
    assert stored["smooth"].nbytes < starts[1].frames.nbytes / 5


def test_clips_of_earlier_checkpoints_are_read_as_they_are(tmp_path, starts):
    save_starts(tmp_path, starts)
    save_file({start.name: start.frames for start in starts}, tmp_path / FRAMES_FILE)
    assert same(load_starts(tmp_path), starts)


def test_no_clips_are_none(tmp_path):
    assert load_starts(tmp_path) == []


def test_what_is_no_picture_is_a_damaged_checkpoint(tmp_path, starts):
    save_starts(tmp_path, starts)
    stored = load_file(tmp_path / FRAMES_FILE)
    stored["noise"] = np.zeros(100, np.uint8)
    save_file(stored, tmp_path / FRAMES_FILE)
    with pytest.raises(WorldsimError, match="checkpoint is damaged"):
        load_starts(tmp_path)
