"""Colours, type and small shapes of the window. Knows pygame, nothing of worlds."""

from __future__ import annotations

from functools import lru_cache

import pygame

Colour = tuple[int, int, int]

BACKGROUND: Colour = (17, 18, 22)
PANEL: Colour = (25, 27, 33)
LINE: Colour = (44, 47, 56)
DIM: Colour = (126, 132, 146)
TEXT: Colour = (221, 224, 231)
ACCENT: Colour = (255, 184, 84)
DREAM: Colour = (122, 162, 247)
REAL: Colour = (140, 196, 120)
RED: Colour = (240, 86, 86)

SMALL, NORMAL, LARGE = 18, 21, 32  # heights of pygame's own font, in pixels


def start_type() -> None:
    """Make type ready; fonts of an earlier window are void once pygame has quit."""
    pygame.font.init()
    font.cache_clear()
    text.cache_clear()


@lru_cache(maxsize=8)
def font(size: int) -> pygame.font.Font:
    """Return pygame's own font, which is there on every machine."""
    return pygame.font.Font(None, size)


@lru_cache(maxsize=512)
def text(words: str, size: int = NORMAL, colour: Colour = TEXT) -> pygame.Surface:
    """Return words as a picture; the same words are drawn only once."""
    return font(size).render(words, True, colour)


def fit(words: str, size: int, width: int) -> str:
    """Shorten words with an ellipsis until they fit a width in pixels."""
    if font(size).size(words)[0] <= width:
        return words
    while words and font(size).size(words + "...")[0] > width:
        words = words[:-1]
    return words.rstrip() + "..."


def wrap(words: str, size: int, width: int, max_lines: int) -> list[str]:
    """Break words into lines of a width in pixels; the last one may end in an ellipsis."""
    lines: list[str] = []
    rest = words.split()
    while rest and len(lines) < max_lines - 1:
        count = len(rest)
        while count > 1 and font(size).size(" ".join(rest[:count]))[0] > width:
            count -= 1
        lines.append(fit(" ".join(rest[:count]), size, width))
        rest = rest[count:]
    if rest:
        lines.append(fit(" ".join(rest), size, width))
    return lines


def pill(
    target: pygame.Surface, words: str, position: tuple[int, int], colour: Colour
) -> pygame.Rect:
    """Draw words on a rounded coloured ground, top left at `position`; returns where it is."""
    picture = text(words, SMALL, BACKGROUND)
    box = picture.get_rect(topleft=position).inflate(14, 8)
    box.topleft = position
    pygame.draw.rect(target, colour, box, border_radius=box.height // 2)
    target.blit(picture, picture.get_rect(center=box.center))
    return box


def shade(target: pygame.Surface, box: pygame.Rect, strength: int = 200, radius: int = 10) -> None:
    """Darken a rectangle so that words on it can be read (0 none, 255 black)."""
    veil = pygame.Surface(box.size, pygame.SRCALPHA)
    pygame.draw.rect(veil, (*BACKGROUND, strength), veil.get_rect(), border_radius=radius)
    target.blit(veil, box)
