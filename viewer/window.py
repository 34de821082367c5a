"""The window: shows what the worker sees, turns keys into commands. Knows pygame only.

It draws at 60 Hz whatever the world does; nothing here waits for a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pygame

from viewer import hud, theme
from viewer.textline import TextLine
from viewer.view import View
from viewer.worker import Worker

HZ = 60
_AUTO_SIZE = 512  # pixels of the picture when no scale is asked for
_TOAST_SECONDS = 4.0

# Movement goes by the place of a key, not its letter, so that WASD is under the same fingers on
# an AZERTY keyboard; commands go by the letter.
_PLACES = {
    getattr(pygame, name): name.removeprefix("KSCAN_").lower()
    for name in dir(pygame)
    if name.startswith("KSCAN_")
}


class Window:
    """Draws the view of a worker and obeys the keyboard.

    Example:
        >>> window = Window(worker, title="doom", scale=8, name_screenshot=lambda: Path("a.png"))
        >>> window.run()
    """

    def __init__(
        self,
        worker: Worker,
        *,
        title: str,
        scale: int | None,
        name_screenshot: Callable[[], Path],
    ) -> None:
        """Open the window; pygame's display must be usable.

        Args:
            worker: Started or about to be.
            title: In the window's frame.
            scale: Screen pixels for one of the world; None makes the picture about 512 high.
            name_screenshot: Names the PNG of the next screenshot.
        """
        pygame.display.init()
        theme.start_type()
        self.worker = worker
        self.line = TextLine()
        self.is_open = True
        self.show_help = False
        self.show_panel = True
        self.smooth = False
        self._scale = scale
        self._name_screenshot = name_screenshot
        self._picture_size = (64, 64)
        self._sized = False
        self._clock = pygame.time.Clock()
        self._toast: tuple[float, str] = (0.0, "")
        self._last_message = 0
        self._drawn: object = None
        self._commands = self._command_table()
        self._resize()
        pygame.display.set_caption(title)
        pygame.key.stop_text_input()

    # -- the loop ------------------------------------------------------------------------------

    def run(self) -> None:
        """Show the world until the person quits or the world cannot be opened."""
        while self.is_open:
            self.tick()
            if self.worker.view.error and self.worker.view.moment is None:
                return  # there is nothing to show: the caller prints the error
            self._clock.tick(HZ)

    def tick(self) -> None:
        """Obey the waiting events and draw once."""
        for event in pygame.event.get():
            self.handle(event)
        view = self.worker.view
        self._follow(view)
        # Drawing costs a core something: leave it out when nothing has changed.
        state = (view, self._held(), self.line.text, self._overlays(), self._surface().get_size())
        if state != self._drawn:
            self._drawn = state
            self._draw(view)

    def handle(self, event: pygame.event.Event) -> None:
        """Obey one event."""
        if event.type == pygame.QUIT:
            self.is_open = False
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._let_go()
        elif event.type in (pygame.WINDOWEXPOSED, pygame.WINDOWSIZECHANGED):
            self._drawn = None
        elif self.line.is_open:
            self._type(event)
        elif event.type == pygame.KEYDOWN:
            self._press(event)
        elif event.type == pygame.KEYUP:
            self.worker.held.release(_key_name(event))
            if event.key == pygame.K_BACKSPACE:
                self.worker.rewind(False)

    # -- keys ----------------------------------------------------------------------------------

    def _press(self, event: pygame.event.Event) -> None:
        if self.worker.held.press(_key_name(event)):
            return
        command = self._commands.get(event.key)
        if command:
            command(bool(getattr(event, "mod", 0) & pygame.KMOD_SHIFT))

    def _command_table(self) -> dict[int, Callable[[bool], object]]:
        """Return what each key does, given whether Shift is held."""
        worker = self.worker
        table: list[tuple[tuple[int, ...], Callable[[bool], object]]] = [
            ((pygame.K_SPACE,), lambda shift: worker.toggle_pause()),
            ((pygame.K_PERIOD, pygame.K_KP_PERIOD), lambda shift: worker.step_once()),
            ((pygame.K_BACKSPACE,), lambda shift: worker.rewind(True)),
            ((pygame.K_r,), lambda shift: worker.reset()),
            ((pygame.K_n, pygame.K_TAB), lambda shift: worker.next_start(-1 if shift else 1)),
            ((pygame.K_RETURN, pygame.K_KP_ENTER), lambda shift: self._open_line()),
            ((pygame.K_g,), lambda shift: worker.toggle_agent()),
            ((pygame.K_v, pygame.K_F9), lambda shift: worker.toggle_recording()),
            ((pygame.K_p, pygame.K_F12), lambda shift: self.screenshot()),
            ((pygame.K_PLUS, pygame.K_EQUALS, pygame.K_KP_PLUS), lambda shift: self._zoom(1)),
            ((pygame.K_MINUS, pygame.K_KP_MINUS), lambda shift: self._zoom(-1)),
            ((pygame.K_m,), lambda shift: self._toggle("smooth")),
            ((pygame.K_u,), lambda shift: self._toggle("show_panel")),
            ((pygame.K_h, pygame.K_F1), lambda shift: self._toggle("show_help")),
            ((pygame.K_ESCAPE,), lambda shift: self._escape()),
        ]
        return {key: command for keys, command in table for key in keys}

    def _toggle(self, name: str) -> None:
        setattr(self, name, not getattr(self, name))

    def _escape(self) -> None:
        if self.show_help:
            self.show_help = False
        else:
            self.is_open = False

    def _let_go(self) -> None:
        """Forget held keys: their release may never be reported."""
        self.worker.held.clear()
        self.worker.rewind(False)

    # -- the text line -------------------------------------------------------------------------

    def _open_line(self) -> None:
        self._let_go()
        self.line.open()
        pygame.key.start_text_input()
        pygame.key.set_repeat(350, 40)

    def _close_line(self) -> None:
        pygame.key.stop_text_input()
        pygame.key.set_repeat()

    def _type(self, event: pygame.event.Event) -> None:
        if event.type == pygame.TEXTINPUT:
            self.line.insert(event.text)
        if event.type != pygame.KEYDOWN:
            return
        if event.key == pygame.K_BACKSPACE:
            self.line.backspace()
        elif event.key == pygame.K_UP:
            self.line.recall(1)
        elif event.key == pygame.K_DOWN:
            self.line.recall(-1)
        elif event.key in (pygame.K_RETURN, pygame.K_KP_ENTER):
            sentence = self.line.submit()
            self._close_line()
            if sentence:
                self.worker.say(sentence)
        elif event.key == pygame.K_ESCAPE:
            self.line.cancel()
            self._close_line()

    # -- size ----------------------------------------------------------------------------------

    def _follow(self, view: View) -> None:
        """Take the size from the first frame, and news from the worker."""
        if view.moment is not None and not self._sized:
            self._sized = True
            height, width = view.moment.frame.shape[:2]
            if (width, height) != self._picture_size:
                self._picture_size = (width, height)
                self._resize()
        number, words = view.message
        if number != self._last_message:
            self._last_message = number
            self.tell(words)

    def _zoom(self, change: int) -> None:
        self._scale = max(1, self._current_scale() + change)
        self._resize()

    def _current_scale(self) -> int:
        return self._scale or max(1, _AUTO_SIZE // self._picture_size[1])

    def _resize(self) -> None:
        """Fit the window to the scale, and the scale to the screen."""
        width, height = self._picture_size
        screen_width, screen_height = pygame.display.get_desktop_sizes()[0]
        most = min((screen_width - hud.PANEL_WIDTH) // width, (screen_height - 80) // height)
        scale = max(1, min(self._current_scale(), most))
        if self._scale:
            self._scale = scale
        panel = hud.PANEL_WIDTH if self.show_panel else 0
        size = (max(160, width * scale) + panel, max(hud.MIN_HEIGHT, height * scale))
        pygame.display.set_mode(size, pygame.RESIZABLE)

    # -- drawing -------------------------------------------------------------------------------

    def tell(self, words: str) -> None:
        """Show news for a few seconds."""
        self._toast = (time.monotonic() + _TOAST_SECONDS, words)

    def screenshot(self) -> None:
        """Save the window as a PNG and say where."""
        path = self._name_screenshot()
        try:
            pygame.image.save(self._surface(), str(path))
            self.tell(f"saved {path}")
        except (OSError, pygame.error) as error:
            self.tell(f"cannot write '{path}': {error}")

    def _surface(self) -> pygame.Surface:
        surface = pygame.display.get_surface()
        assert surface is not None
        return surface

    def _held(self) -> frozenset[str]:
        return self.worker.held.held

    def _overlays(self) -> tuple[object, ...]:
        blink = self.line.is_open and time.monotonic() % 1.0 < 0.6
        toast = self._toast[1] if time.monotonic() < self._toast[0] else ""
        return (self.show_help, self.show_panel, self.smooth, self.line.is_open, blink, toast)

    def _draw(self, view: View) -> None:
        surface = self._surface()
        surface.fill(theme.BACKGROUND)
        width, height = surface.get_size()
        panel = hud.PANEL_WIDTH if self.show_panel and width >= hud.PANEL_WIDTH + 120 else 0
        area = pygame.Rect(0, 0, width - panel, height)
        picture = area
        if view.moment is not None:
            picture = hud.draw_frame(surface, area, view.moment.frame, self.smooth)
        if panel:
            box = pygame.Rect(area.right, 0, panel, height)
            hud.draw_panel(surface, box, view, self._held())
        self._draw_over(surface, picture, view)
        pygame.display.flip()

    def _draw_over(self, surface: pygame.Surface, box: pygame.Rect, view: View) -> None:
        if view.error:
            hud.draw_banner(surface, box, "the world has stopped", view.error, theme.RED)
        elif view.moment is None:
            hud.draw_banner(surface, box, "opening the world", "a few seconds", theme.TEXT)
        elif view.moment.ended and not self.show_help:
            words = "R: again, N: next start, Backspace: rewind"
            words = "the agent begins anew at the next start" if view.agent_acts else words
            hud.draw_banner(surface, box, "the episode has ended", words, theme.ACCENT)
        if self.show_help:
            hud.draw_help(surface, surface.get_rect(), view.spec)
            return
        *_, blink, toast = self._overlays()
        if toast:
            hud.draw_toast(surface, box, str(toast), above=50 if self.line.is_open else 0)
        if self.line.is_open:
            hud.draw_text_line(surface, box, self.line.text, bool(blink))


def _key_name(event: pygame.event.Event) -> str:
    """Return the name of a key by its place, or by its letter where the place is unknown."""
    place = _PLACES.get(getattr(event, "scancode", 0))
    return place if place and place != "unknown" else pygame.key.name(event.key)
