"""The window as a person meets it: a real X display, real key events, a picture of the screen."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from tests.viewer.xvfb import MISSING, Display, open_display

pytestmark = [
    pytest.mark.window,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    with open_display() as opened:
        yield opened


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "drive.jsonl").read_text().splitlines()]


def actions(folder: Path) -> list[str]:
    return [event["action"] for event in events(folder) if "action" in event]


def quit_and_wait(display: Display, program: subprocess.Popen[str]) -> None:
    display.xdotool("key", "Escape")
    assert program.wait(timeout=20) == 0


def test_real_keys_drive_the_world(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        display.hold("w", 1.0)
        display.xdotool("keydown", "Left")
        display.hold("Up", 0.7)
        display.xdotool("keyup", "Left")
        time.sleep(0.3)
        quit_and_wait(display, program)
    done = actions(tmp_path)
    assert done.count("forward") >= 8
    assert done.count("forward turn left") >= 5
    assert done[-1] == "stay"


def test_a_sentence_is_typed_and_said_without_moving(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        display.xdotool("key", "Return")
        time.sleep(0.5)
        display.xdotool("type", "--delay", "40", "was ist das")
        display.xdotool("key", "Return")
        time.sleep(0.5)
        quit_and_wait(display, program)
    assert {"say": "was ist das"}.items() <= next(e for e in events(tmp_path) if "say" in e).items()
    assert set(actions(tmp_path)) == {"stay"}


def test_pause_rewind_and_next_start(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        display.hold("w", 0.6)
        display.hold("BackSpace", 0.6)
        display.xdotool("key", "n")
        display.xdotool("key", "space")
        time.sleep(0.3)
        before = len(actions(tmp_path))
        time.sleep(0.5)
        assert len(actions(tmp_path)) == before
        display.xdotool("key", "period")
        time.sleep(0.3)
        assert len(actions(tmp_path)) == before + 1
        quit_and_wait(display, program)
    assert any("restore_step" in event for event in events(tmp_path))
    assert [e["reset"]["start"] for e in events(tmp_path) if "reset" in e] == ["hall", "cave"]


def test_a_key_held_while_the_focus_goes_is_let_go(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        window = display.xdotool("getwindowfocus")
        display.xdotool("keydown", "w")
        time.sleep(0.5)
        display.xdotool("windowunmap", "--sync", window)
        time.sleep(0.5)
        lost = actions(tmp_path)
        display.xdotool("keyup", "w")
        display.xdotool("windowmap", "--sync", window)
        display.xdotool("windowfocus", "--sync", window)
        time.sleep(0.3)
        quit_and_wait(display, program)
    assert "forward" in lost
    assert lost[-1] == "stay"


def test_the_screen_shows_the_world_and_the_panel(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        display.xdotool("keydown", "w")
        time.sleep(0.8)
        display.xdotool("key", "F12")
        if shutil.which("import"):
            screen = str(tmp_path / "screen.png")
            command = ["import", "-window", "root", screen]
            subprocess.run(command, env=display.environment, check=True)
            assert pygame.surfarray.array3d(pygame.image.load(screen)).std() > 20
        display.xdotool("keyup", "w")
        time.sleep(0.3)
        quit_and_wait(display, program)
    (screenshot,) = tmp_path.glob("worldsim-fake-*.png")
    pixels = pygame.surfarray.array3d(pygame.image.load(screenshot))
    assert pixels[:512].std() > 20  # the world
    assert (pixels[512:] == (255, 184, 84)).all(-1).sum() > 500  # the lit cap of W


def test_a_resized_window_still_shows_the_whole_picture(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path) as program:
        window = display.xdotool("getwindowfocus")
        display.xdotool("windowsize", "--sync", window, "1000", "700")
        time.sleep(0.5)
        display.xdotool("key", "p")
        time.sleep(0.5)
        quit_and_wait(display, program)
    (screenshot,) = tmp_path.glob("worldsim-fake-*.png")
    pixels = pygame.surfarray.array3d(pygame.image.load(screenshot))
    assert pixels.shape[:2] == (1000, 700)
    assert pixels[60:680, 40:660].std() > 20


def test_a_broken_world_keeps_the_window_and_the_film(display: Display, tmp_path: Path) -> None:
    with display.play(tmp_path, FAKE_FAIL_AT="10") as program:
        time.sleep(0.5)
        assert program.poll() is None
        display.xdotool("key", "Escape")
        assert program.wait(timeout=20) == 1
    assert len(actions(tmp_path)) == 9
