"""The window on SDL's dummy driver: events in, pixels out, no display needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pygame
import pytest

import tests.fakes  # noqa: F401 (registers the fake world)
from viewer import hud
from viewer.controls import HeldKeys
from viewer.session import Session
from viewer.window import Window
from viewer.worker import Worker


@pytest.fixture
def make_window(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened = []

    def make(scale: int | None = None, wait_for_world: bool = True) -> Window:
        worker = Worker(
            lambda: Session("worldsim/DreamFake-v0", rewind_seconds=5.0),
            HeldKeys(),
            name_recording=lambda: tmp_path / "film.mp4",
        )
        window = Window(
            worker, title="t", scale=scale, name_screenshot=lambda: tmp_path / "shot.png"
        )
        opened.append(window)
        worker.start()
        if wait_for_world:
            tick_until(window, lambda: worker.view.moment is not None)
        return window

    yield make
    for window in opened:
        window.worker.close()
    pygame.quit()


def tick_until(window: Window, condition: Callable[[], object], timeout: float = 10.0) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        window.tick()
        time.sleep(0.005)


def press(window: Window, key: int, mod: int = 0, release: bool = True) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod, unicode=""))
    if release:
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))
    window.tick()


def type_text(window: Window, text: str) -> None:
    for letter in text:
        pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=letter))
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=ord(letter), mod=0, unicode=""))
    window.tick()


def test_holding_w_drives_forward_and_lights_its_cap(make_window) -> None:
    window = make_window()
    dark = pygame.surfarray.array3d(pygame.display.get_surface())
    press(window, pygame.K_w, release=False)
    tick_until(window, lambda: window.worker.view.moment.action == "forward")
    window.tick()
    lit = pygame.surfarray.array3d(pygame.display.get_surface())
    amber = (lit == (255, 184, 84)).all(-1).sum()
    assert amber > 500 > (dark == (255, 184, 84)).all(-1).sum()
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_w, mod=0))
    tick_until(window, lambda: window.worker.view.moment.action == "stay")


def test_losing_the_focus_lets_go_of_the_keys(make_window) -> None:
    window = make_window()
    press(window, pygame.K_w, release=False)
    assert window.worker.held.held == {"w"}
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    window.tick()
    assert not window.worker.held.held


def test_a_slow_world_does_not_freeze_the_window(make_window, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_STEP_SECONDS", "1.0")
    window = make_window()
    slowest = 0.0
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        tick = time.monotonic()
        press(window, pygame.K_m)
        slowest = max(slowest, time.monotonic() - tick)
        time.sleep(0.01)
    assert slowest < 0.3


def test_the_window_draws_before_the_world_is_open(make_window) -> None:
    window = make_window(wait_for_world=False)
    window.tick()
    assert pygame.surfarray.array3d(pygame.display.get_surface()).std() > 1


def test_a_sentence_is_typed_without_driving(make_window) -> None:
    window = make_window()
    press(window, pygame.K_RETURN)
    type_text(window, "was")
    assert not window.worker.held.held
    press(window, pygame.K_BACKSPACE)
    press(window, pygame.K_RETURN)
    tick_until(window, lambda: window.worker.view.moment.sentence == "wa")
    press(window, pygame.K_RETURN)
    type_text(window, "n")
    press(window, pygame.K_ESCAPE)
    assert window.is_open and not window.line.is_open
    assert window.worker.view.moment.sentence == "wa"


def test_every_command_key_does_its_work(make_window, tmp_path: Path) -> None:
    window = make_window()
    view = lambda: window.worker.view  # noqa: E731
    press(window, pygame.K_SPACE)
    tick_until(window, lambda: view().paused)
    before = view().moment.step
    press(window, pygame.K_PERIOD)
    tick_until(window, lambda: view().moment.step == before + 1)
    press(window, pygame.K_n)
    tick_until(window, lambda: view().start == "cave")
    press(window, pygame.K_TAB, mod=pygame.KMOD_LSHIFT)
    tick_until(window, lambda: view().start == "hall")
    press(window, pygame.K_SPACE)
    press(window, pygame.K_F9)
    tick_until(window, lambda: view().recorded_frames)
    press(window, pygame.K_v)
    tick_until(window, lambda: view().recorded_frames is None)
    assert (tmp_path / "film.mp4").exists()
    tick_until(window, lambda: view().moment.step > 5)
    press(window, pygame.K_BACKSPACE, release=False)
    tick_until(window, lambda: view().rewinding)
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_BACKSPACE, mod=0))
    tick_until(window, lambda: not view().rewinding)
    press(window, pygame.K_F12)
    assert pygame.image.load(tmp_path / "shot.png").get_size()[1] == 512
    press(window, pygame.K_h)
    assert window.show_help
    press(window, pygame.K_ESCAPE)
    assert window.is_open and not window.show_help
    press(window, pygame.K_ESCAPE)
    assert not window.is_open


def test_the_window_grows_shrinks_and_never_leaves_the_screen(make_window) -> None:
    window = make_window(scale=8)
    size = pygame.display.get_surface().get_size()
    assert size == (512 + hud.PANEL_WIDTH, 512)
    press(window, pygame.K_EQUALS)
    assert pygame.display.get_surface().get_width() > size[0]
    for _ in range(40):
        press(window, pygame.K_EQUALS)
    screen = pygame.display.get_desktop_sizes()[0]
    assert pygame.display.get_surface().get_height() <= screen[1]
    for _ in range(80):
        press(window, pygame.K_MINUS)
    assert pygame.display.get_surface().get_height() >= 160


def test_hard_pixels_scale_by_whole_numbers_and_smooth_ones_fill() -> None:
    target = pygame.Surface((700, 500))
    frame = np.zeros((64, 64, 3), np.uint8)
    assert hud.draw_frame(target, target.get_rect(), frame, smooth=False).size == (448, 448)
    assert hud.draw_frame(target, target.get_rect(), frame, smooth=True).size == (500, 500)
    wide = np.zeros((32, 128, 3), np.uint8)
    assert hud.draw_frame(target, target.get_rect(), wide, smooth=False).size == (640, 160)


def test_the_world_stopping_is_shown(make_window, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_FAIL_AT", "2")
    window = make_window()
    tick_until(window, lambda: window.worker.view.error)
    window.tick()
    red = (pygame.surfarray.array3d(pygame.display.get_surface()) == (240, 86, 86)).all(-1).sum()
    assert red > 50
    assert window.is_open
