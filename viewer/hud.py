"""What is written beside and over the picture. Draws a `View`; knows pygame, no thread."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pygame

from viewer import theme
from viewer.keycaps import draw_keys
from viewer.session import Moment
from viewer.view import View
from worldsim.world import WorldSpec

PANEL_WIDTH = 268
_PADDING = 18
_ROW = 23
_FOOT = 56  # room for the status and the hint at the foot of the panel
MIN_HEIGHT = 400  # below this the panel cannot say all it has to say

HELP = [
    ("Space", "pause, go on"),
    (".", "one step, then pause"),
    ("Backspace", "hold to rewind"),
    ("R", "again from the same start"),
    ("N, Tab", "next start (Shift: previous)"),
    ("G", "the agent acts, or not"),
    ("Enter", "type a sentence, Enter says it"),
    ("V, F9", "record on and off"),
    ("P, F12", "screenshot"),
    ("+  -", "larger, smaller window"),
    ("M", "smooth or hard pixels"),
    ("U", "this panel on and off"),
    ("H, F1", "this help"),
    ("Esc", "quit"),
]


def draw_frame(
    target: pygame.Surface, area: pygame.Rect, frame: np.ndarray, smooth: bool
) -> pygame.Rect:
    """Draw a frame (H, W, 3) as large as fits, centred; hard pixels scale by whole numbers.

    Returns:
        Where the picture is.
    """
    height, width = frame.shape[:2]
    ratio = min(area.width / width, area.height / height)
    if not smooth and ratio >= 1.0:
        ratio = int(ratio)
    box = pygame.Rect(0, 0, max(1, round(width * ratio)), max(1, round(height * ratio)))
    box.center = area.center
    picture = pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
    scale = pygame.transform.smoothscale if smooth else pygame.transform.scale
    target.blit(scale(picture, box.size), box)
    return box


def draw_panel(target: pygame.Surface, box: pygame.Rect, view: View, held: Iterable[str]) -> None:
    """Draw the side panel: keys, speed, reward, where we are."""
    pygame.draw.rect(target, theme.PANEL, box)
    pygame.draw.line(target, theme.LINE, box.topleft, box.bottomleft)
    inner = box.inflate(-2 * _PADDING, -2 * _PADDING)
    clip = target.get_clip()
    target.set_clip(box)
    y = _draw_title(target, inner, view)
    if view.spec and view.moment:
        y = _draw_controls(target, inner, y, view.spec, view.moment, held)
        y = _draw_rows(target, inner, y, _numbers(view, view.spec, view.moment))
        _draw_words(target, inner, y, view)
    _draw_status(target, inner, view)
    target.set_clip(clip)


def _draw_title(target: pygame.Surface, inner: pygame.Rect, view: View) -> int:
    name = theme.text(view.spec.name if view.spec else "worldsim", theme.LARGE)
    target.blit(name, inner.topleft)
    if view.spec:
        kind, colour = ("dream", theme.DREAM) if view.dream else ("real", theme.REAL)
        theme.pill(target, kind, (inner.x + name.get_width() + 12, inner.y + 1), colour)
    return inner.y + 40


def _draw_controls(
    target: pygame.Surface,
    inner: pygame.Rect,
    y: int,
    spec: WorldSpec,
    moment: Moment,
    held: Iterable[str],
) -> int:
    acting = {word for word in spec.elements if word in moment.action}
    y += draw_keys(target, (inner.x, y), spec.keys, held, acting) + 6
    words = theme.fit(moment.action or "stay", theme.NORMAL, inner.width)
    idle = words == "stay"
    target.blit(theme.text(words, theme.NORMAL, theme.DIM if idle else theme.ACCENT), (inner.x, y))
    return y + _ROW + 8


def _numbers(view: View, spec: WorldSpec, moment: Moment) -> list[tuple[str, str]]:
    known = [] if moment.known is None else [("known", f"{100 * moment.known:.0f} %")]
    return [
        ("steps/s", f"{view.fps:.1f} of {spec.steps_per_second:g}"),
        ("model" if view.dream else "simulator", f"{moment.step_ms:.0f} ms"),
        ("step", f"{moment.step}  ({moment.step / spec.steps_per_second:.1f} s)"),
        ("reward", f"{moment.reward:+.2f}"),
        ("return", f"{moment.total_reward:+.2f}"),
        *known,
        ("start", view.start),
    ]


def _draw_rows(
    target: pygame.Surface, inner: pygame.Rect, y: int, rows: list[tuple[str, str]]
) -> int:
    for label, value in rows:
        if y + _ROW > inner.bottom - _FOOT:
            break
        target.blit(theme.text(label, theme.SMALL, theme.DIM), (inner.x, y + 2))
        shown = theme.fit(value, theme.NORMAL, inner.width - 84)
        target.blit(theme.text(shown, theme.NORMAL), (inner.x + 84, y))
        y += _ROW
    return y + 6


def _draw_words(target: pygame.Surface, inner: pygame.Rect, y: int, view: View) -> None:
    """Write the prompt and what was said, in the room that is left above the status."""
    sentence = view.moment.sentence if view.moment else ""
    for label, words in (("prompt", view.prompt), ("said", sentence)):
        lines = theme.wrap(words, theme.NORMAL, inner.width, 3)
        if not lines or y + 20 + len(lines) * 20 > inner.bottom - _FOOT:
            continue
        target.blit(theme.text(label, theme.SMALL, theme.DIM), (inner.x, y))
        for number, line in enumerate(lines):
            target.blit(theme.text(line, theme.NORMAL), (inner.x, y + 18 + 20 * number))
        y += 26 + 20 * len(lines)


def _draw_status(target: pygame.Surface, inner: pygame.Rect, view: View) -> None:
    hint = theme.text("H help    Enter say    Esc quit", theme.SMALL, theme.DIM)
    target.blit(hint, (inner.x, inner.bottom - hint.get_height()))
    x, y = inner.x, inner.bottom - hint.get_height() - 34
    rate = view.spec.steps_per_second if view.spec else 1.0
    shown = [
        (view.recorded_frames is not None, f"REC {(view.recorded_frames or 0) / rate:.0f} s",
         theme.RED),
        (view.rewinding, "rewind", theme.DREAM),
        (view.agent_acts, "agent", theme.REAL),
        (view.paused, "paused", theme.ACCENT),
        (bool(view.moment and view.moment.ended), "ended", theme.ACCENT),
    ]  # fmt: skip
    for on, words, colour in shown:
        if on:
            x = theme.pill(target, words, (x, y), colour).right + 8


def draw_help(target: pygame.Surface, box: pygame.Rect, spec: WorldSpec | None) -> None:
    """Draw the tables of keys, the world's and ours, over the whole window."""
    theme.shade(target, box, 238, radius=0)
    moves: dict[str, list[str]] = {}
    for key, word in (spec.keys if spec else {}).items():
        moves.setdefault(word, []).append(key.capitalize())
    rows = [(", ".join(keys), word) for word, keys in moves.items()]
    top = box.y + max(14, (box.height - 40 - _ROW * len(HELP)) // 2)
    column = min(260, box.width * 2 // 5)
    left = box.x + max(20, (box.width - column - 380) // 2)
    _draw_table(target, (left, top), "Move", rows, 84, column - 84)
    x = left + column
    _draw_table(target, (x, top), "Keys", HELP, 100, box.right - x - 110)


def _draw_table(
    target: pygame.Surface,
    corner: tuple[int, int],
    title: str,
    rows: list[tuple[str, str]],
    indent: int,
    room: int,
) -> None:
    x, y = corner
    target.blit(theme.text(title, theme.LARGE), (x, y))
    for number, (keys, meaning) in enumerate(rows):
        row = y + 38 + number * _ROW
        target.blit(theme.text(keys, theme.NORMAL, theme.ACCENT), (x, row))
        shown = theme.fit(meaning, theme.NORMAL, max(20, room))
        target.blit(theme.text(shown, theme.NORMAL), (x + indent, row))


def draw_banner(
    target: pygame.Surface, box: pygame.Rect, title: str, words: str, colour: theme.Colour
) -> None:
    """Write a title and a sentence across the middle of the picture."""
    lines = theme.wrap(words, theme.NORMAL, box.width - 60, 5)
    height = 60 + 22 * len(lines)
    band = pygame.Rect(box.x, box.centery - height // 2, box.width, height)
    theme.shade(target, band, 225)
    heading = theme.text(title, theme.LARGE, colour)
    target.blit(heading, heading.get_rect(midtop=(band.centerx, band.y + 16)))
    for number, line in enumerate(lines):
        picture = theme.text(line, theme.NORMAL)
        target.blit(picture, picture.get_rect(midtop=(band.centerx, band.y + 48 + 22 * number)))


def draw_toast(target: pygame.Surface, box: pygame.Rect, words: str, above: int = 0) -> None:
    """Write news at the foot of the picture, `above` pixels higher."""
    lines = theme.wrap(words, theme.SMALL, box.width - 48, 3)
    pictures = [theme.text(line, theme.SMALL) for line in lines]
    height = 14 + 18 * len(lines)
    band = pygame.Rect(0, 0, max(p.get_width() for p in pictures) + 28, height)
    band.midbottom = (box.centerx, box.bottom - 14 - above)
    theme.shade(target, band, 215)
    for number, picture in enumerate(pictures):
        target.blit(picture, (band.x + 14, band.y + 9 + 18 * number))


def draw_text_line(target: pygame.Surface, box: pygame.Rect, typed: str, cursor: bool) -> None:
    """Draw the line being typed at the foot of the picture; its end stays visible."""
    band = pygame.Rect(box.x + 12, box.bottom - 54, box.width - 24, 42)
    theme.shade(target, band, 240)
    pygame.draw.rect(target, theme.ACCENT, band, width=1, border_radius=10)
    label = theme.text("say", theme.NORMAL, theme.ACCENT)
    target.blit(label, (band.x + 14, band.y + 14))
    room = band.width - 34 - label.get_width()
    shown = typed
    while theme.font(theme.NORMAL).size(shown)[0] > room - 6:
        shown = shown[1:]
    x = band.x + 24 + label.get_width()
    if typed:
        target.blit(theme.text(shown, theme.NORMAL), (x, band.y + 14))
    else:
        example = theme.fit("turn left", theme.NORMAL, room)
        target.blit(theme.text(example, theme.NORMAL, theme.LINE), (x + 4, band.y + 14))
    if cursor:
        end = x + theme.font(theme.NORMAL).size(shown)[0] + 1
        pygame.draw.line(target, theme.TEXT, (end, band.y + 12), (end, band.bottom - 13), 2)
