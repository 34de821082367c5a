"""Recorded frames, worn down as dreams wear them: grown to a few means, or out of sight.

Whoever is to invent what a picture does not show learns from these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.advection import FAR, WORN
from worldsim.grammar import describe
from worldsim.inventor import MAX_WORDS, Hint, fit, heard
from worldsim.model import WorldTransformer
from worldsim.text import TextTokenizer
from worldsim.tiles import CELL
from worldsim.train.latents import Track
from worldsim.train.parts import chances_of

NOTHING = -1  # in the place of a token
TOLD = 0.35  # of the pictures nothing but words are known, about them or about their world
CAPTIONED = 0.7  # of these, and of others with words, with words about them
HEARD = 0.3  # of the others, words are known too
ALONE = 0.15  # of the others, no other picture of the same place is known
HIDDEN, MIRRORED = (
    0.5,
    0.7,
)  # of the others, with a side out of sight; a mirror there
BLANK = 0.1  # of the others, of which nothing is known but what the place looks like
BELIEVED = 0.5, 1.0, 2.0, 4.0, 8.0  # pixels beyond an edge, see `advection`
VAGUE = 1.0  # doublings, by up to which pictures are worn more than is said: dreams blur


class Shown(NamedTuple):
    """Frames and what is known of them.

    Attributes:
        latents: ``(n, c, h, w)``.
        like: ``(n, c, h, w)``, others of the same episodes.
        alone: ``(n,)``, whether those are not shown.
        words: ``(n, L)`` tokens of what is said about them, padded by `NOTHING`.
        worn: ``(n, 1, H, W)``, see `Hint`.
        source: ``(n, 2, H or W)``, the row and the column that each one shows before it is worn.
        luck: ``(n, 1 + h * w)`` in [0, 1], of what is left out.
    """

    latents: Tensor
    like: Tensor
    alone: Tensor
    words: Tensor
    worn: Tensor
    source: Tensor
    luck: Tensor


class Album:
    """Shows frames of recorded play; a function of the seed and the number of an update.

    Args:
        latents: All frames.
        tracks: Recorded play, labelled or not.
        tokenizer: For captions.
        shares: How often frames are of each world, as in `BatchConfig.shares`.
        pixels: (v, H, W), of a frame.
        seed: Of what is shown.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: Sequence[Track],
        tokenizer: TextTokenizer,
        shares: Mapping[str, float],
        pixels: tuple[int, int, int],
        seed: int = 0,
    ):
        self.latents, self.tracks, self.tokenizer = latents, tracks, tokenizer
        self.pixels, self.seed = pixels, seed
        self._chances = chances_of(tracks, shares)

    def __call__(self, step: int, count: int) -> Shown:
        """Show so many frames; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 5])
        chosen = [self.tracks[k] for k in rng.choice(len(self.tracks), count, p=self._chances)]
        at, other = (rng.integers([len(t.actions) + 1 for t in chosen]) for _ in range(2))
        frames, like = (
            np.concatenate([t.frames(self.latents, k, 1) for t, k in zip(chosen, of, strict=True)])
            for of in (at, other)
        )
        side = self.pixels[-1]
        worn, source = draw_worn(count, side, rng)
        told = rng.random(count) < TOLD
        worn[told] = WORN
        heard = told | (rng.random(count) < HEARD)
        words = np.full((count, MAX_WORDS), NOTHING)
        for k in np.flatnonzero(heard):
            ids = self._words(chosen[k], int(at[k]), rng)[:MAX_WORDS]
            words[k, : len(ids)] = ids
        alone = told | (rng.random(count) < ALONE)
        luck = rng.random((count, 1 + (side // CELL) ** 2), dtype=np.float32)
        found = frames, like, alone, words, worn, source, luck
        return Shown(*map(torch.from_numpy, found))

    def _words(self, track: Track, at: int, rng: np.random.Generator) -> list[int]:
        """Return a sentence about a frame, or about its world."""
        if rng.random() < CAPTIONED and track.facts:
            text = describe(json.loads(track.facts[at]), rng)
            if text:
                return self.tokenizer.encode(text)
        return track.prompt


def hint_of(network: WorldTransformer, shown: Shown) -> tuple[Tensor, Hint]:
    """Return pictures ``(n, v, H, W)`` and what is known of them."""
    picture, like = (network.canvas.draw(x) for x in (shown.latents, shown.like))
    rows, columns = shown.source.unbind(dim=1)
    seen = picture.gather(2, rows[:, None, :, None].expand_as(picture))
    seen = seen.gather(3, columns[:, None, None].expand_as(picture))
    vague = (2 * shown.luck[:, :1, None, None] - 1).clamp(min=0) * VAGUE
    said = heard(network.words, shown.words.clamp(min=0), shown.words != NOTHING)
    like = like * ~shown.alone[:, None, None, None]
    hint = fit(Hint(seen, (shown.worn + vague).clamp(max=WORN), like, said))
    return picture, hint._replace(worn=shown.worn)


def draw_worn(count: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw how worn pictures are: all of it as much, some of it more, one side out of sight.

    Returns:
        ``(count, 1, side, side)``, see `Hint`, and ``(count, 2, side)``, the row and the column
        that each one shows: beyond an edge it is a mirror that knows the less the farther off.
    """

    def luck(low: float, high: float, *size: int) -> np.ndarray:
        return rng.uniform(low, high, (count, *size)).astype(np.float32)

    line = np.arange(side)
    place = (line + 0.5) / side
    right, down = place - luck(0, 1, 1), place - luck(0.2, 0.8, 1)
    far = np.hypot(right[:, None], down[:, :, None]) / luck(0.1, 0.6, 1, 1)
    worn = luck(0, 4.5, 1, 1) * (luck(0, 1, 1, 1) > 0.35) + luck(-2, 4, 1, 1) * np.exp(-(far**2))
    source = np.tile(line, (count, 2, 1))
    for k in np.flatnonzero(luck(0, 1) < HIDDEN):
        edge, across, turned = rng.integers(1, round(0.8 * side)), rng.integers(2), rng.integers(2)
        beyond = (edge - line).clip(0)
        mirror = np.where(beyond > 0, (2 * edge - 1 - line).clip(max=side - 1), line)
        hidden = WORN * (beyond > 0)
        if rng.random() < MIRRORED:
            hidden = np.log2(1 + beyond / rng.choice(BELIEVED)).clip(max=FAR)
        if turned:
            mirror, hidden = side - 1 - mirror[::-1], hidden[::-1]
        source[k, across] = mirror
        worn[k] = np.maximum(worn[k], hidden if across else hidden[:, None])
    worn[luck(0, 1) < BLANK] = WORN
    return worn.clip(0, WORN).astype(np.float32)[:, None], source
