import imageio.v3 as iio
import pytest

from agents.film import film, or_say_why
from agents.play import Played, play
from agents.scripted import Stay
from tests.agents.toy import SPEC, Colours, Knowing


def test_the_best_episode_is_filmed_as_it_was_seen(tmp_path):
    played = play(Colours(), Knowing(), [3], keep=True)
    film(tmp_path / "a" / "best.mp4", [Played(0, [1.0], True, [0], []), *played], SPEC)
    frames = iio.imread(tmp_path / "a" / "best.mp4", plugin="pyav")
    assert frames.shape == (13, 144, 144, 3)
    red = [frame[0, 0, 0] > 127 for frame in played[0].frames]
    assert (frames[:, 70, 70, 0] > 127).tolist() == red
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["best.mp4"]


def test_a_film_that_fails_leaves_the_one_before_and_a_line(tmp_path, monkeypatch, capsys):
    path, played = tmp_path / "best.mp4", play(Colours(), Stay(), [0], keep=True)
    film(path, played, SPEC)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError("no space left\non device")

    monkeypatch.setattr(iio, "imwrite", full)
    with or_say_why(path):
        film(path, played, SPEC)
    assert capsys.readouterr().out == f"no film {path}: no space left on device\n"
    assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt), or_say_why(path):
        raise KeyboardInterrupt
