import numpy as np
import pytest

from tests.worldsim.data.episodes import make_frames
from worldsim.data.video import decode_video, encode_video


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((a.astype(float) - b) ** 2).mean()))


@pytest.mark.parametrize("size", [32, 63, 64])
def test_a_film_loses_almost_nothing(tmp_path, size):
    frames = make_frames(40, size + size % 2)[:, :size, :size]
    encode_video(tmp_path / "a.mp4", frames, 17.5)
    again = decode_video(tmp_path / "a.mp4", 40)
    assert again.shape == frames.shape and again.dtype == np.uint8
    assert psnr(frames, again) > 38
    assert np.abs((again.astype(float) - frames).mean((0, 1, 2))).max() < 0.6  # no colour cast


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3, (0,) * 3])
def test_pure_colours_stay_pure(tmp_path, colour):
    frames = np.empty((4, 16, 16, 3), np.uint8)
    frames[:] = colour
    encode_video(tmp_path / "a.mp4", frames, 10)
    assert np.abs(decode_video(tmp_path / "a.mp4", 4).astype(int) - frames).max() <= 2


def test_the_same_frames_give_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        encode_video(tmp_path / name, make_frames(10), 17.5)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
