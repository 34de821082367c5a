"""The keys of a world, drawn as on a keyboard and lit while held. Knows pygame only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pygame

from viewer import theme

CAP, GAP = 32, 5
_LEFT_HAND = (("q", "w", "e"), ("a", "s", "d"))
_ARROWS = (("", "up", ""), ("left", "down", "right"))
_POINTS = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}


def draw_keys(
    target: pygame.Surface,
    corner: tuple[int, int],
    keys: Mapping[str, str],
    held: Iterable[str],
    words: Iterable[str] = (),
) -> int:
    """Draw the keys a world knows, top left at `corner`.

    Args:
        target: Where to draw.
        corner: Top left, in pixels.
        keys: `WorldSpec.keys`, key name to elementary word.
        held: Names of the keys held: fully lit.
        words: Elementary words that act now: their other keys are lit at the edge.

    Returns:
        The height drawn, in pixels.
    """
    held, words = set(held), set(words)
    left, top = corner
    x, y = left, top
    for cluster in (_LEFT_HAND, _ARROWS):
        if not any(key in keys for row in cluster for key in row):
            continue
        for i, row in enumerate(cluster):
            for j, key in enumerate(row):
                if key in keys:
                    box = pygame.Rect(x + j * (CAP + GAP), y + i * (CAP + GAP), CAP, CAP)
                    _draw_cap(target, box, key, key in held, keys[key] in words)
        x += 3 * (CAP + GAP) + 12
    drawn = {key for cluster in (_LEFT_HAND, _ARROWS) for row in cluster for key in row}
    y += 2 * (CAP + GAP) if x > left else 0
    x = left
    for key in (key for key in keys if key not in drawn):
        width = max(CAP, theme.text(key, theme.SMALL).get_width() + 16)
        _draw_cap(target, pygame.Rect(x, y, width, CAP), key, key in held, keys[key] in words)
        x += width + GAP
    return y + (CAP + GAP if x > left else 0) - top


def _draw_cap(target: pygame.Surface, box: pygame.Rect, key: str, held: bool, acting: bool) -> None:
    face = theme.ACCENT if held else theme.LINE
    ink = theme.BACKGROUND if held else theme.TEXT
    pygame.draw.rect(target, theme.BACKGROUND, box.move(0, 2), border_radius=7)
    pygame.draw.rect(target, face, box, border_radius=7)
    if acting and not held:
        pygame.draw.rect(target, theme.ACCENT, box, width=1, border_radius=7)
    if key in _POINTS:
        _draw_arrow(target, box.center, _POINTS[key], ink)
    else:
        size = theme.NORMAL if len(key) == 1 else theme.SMALL
        label = theme.text(key.upper() if len(key) == 1 else key, size, ink)
        target.blit(label, label.get_rect(center=box.center))


def _draw_arrow(
    target: pygame.Surface, centre: tuple[int, int], point: tuple[int, int], ink: theme.Colour
) -> None:
    (x, y), (dx, dy) = centre, point
    tip = (x + 7 * dx, y + 7 * dy)
    corners = [(x - 5 * dx + 6 * dy * s, y - 5 * dy + 6 * dx * s) for s in (-1, 1)]
    pygame.draw.polygon(target, ink, [tip, *corners])
