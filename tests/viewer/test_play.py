from __future__ import annotations

from pathlib import Path

import pytest

import tests.fakes  # noqa: F401 (registers the fake world)
from viewer.play import FALLBACK_STEPS, PlayConfig, find_display_problem, play
from viewer.video import read_frames
from worldsim.errors import WorldsimError


@pytest.fixture
def no_display(monkeypatch, tmp_path: Path):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)


def test_without_a_display_play_says_so_and_films_ten_seconds(
    no_display, tmp_path: Path, capsys
) -> None:
    assert play(PlayConfig(world="fake")) == 0
    out = capsys.readouterr().out.splitlines()
    (film,) = tmp_path.glob("*.mp4")
    assert "no display" in out[0] and film.name in out[0]
    assert film.name in out[-1]
    assert len(list(read_frames(film))) == FALLBACK_STEPS + 1


def test_a_display_that_does_not_answer_is_no_display(no_display, monkeypatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4321")
    assert find_display_problem() is not None


def test_the_dummy_driver_counts_as_a_display(no_display, monkeypatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert find_display_problem() is None


def test_a_wrong_start_is_one_error_and_no_window_stays(no_display, monkeypatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(WorldsimError, match="unknown start 'cellar'"):
        play(PlayConfig(world="fake", start="cellar"))
