"""What dreams follow while a model learns: recorded play, or a place at rest."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from worldsim.text import REWARD_BINS, TextTokenizer
from worldsim.train.latents import Track
from worldsim.world import NO_ACTION

CONTEXT = 4  # real frames that a dream begins with


class Lane(NamedTuple):
    """Play that a dream follows: `frames` of a track from `first` on."""

    track: Track
    first: int
    frames: int


def at_rest(track: Track, frame: int, frames: int, tokenizer: TextTokenizer) -> Lane:
    """Return so many frames in which nothing moves and nobody does anything.

    What comes is known however long it lasts, which of no other dream can be said: one frame of
    the track, over and over. It pays what pays least there.
    """
    steps = frames - 1
    size = dict(zip(tokenizer.answer_ids, map(abs, REWARD_BINS), strict=False))  # of no end
    calmest = min((answer for answer in track.answers if answer in size), key=size.__getitem__)
    rest = replace(
        track,
        start=track.start + frame,
        stride=0,
        actions=[tokenizer.encode(NO_ACTION)] * steps,
        sentences=[[]] * steps,
        stretch=[0] * steps,
        answers=[calmest] * frames,
        ended=False,
        pose=None,
        facts=None,
        depth=None,
    )
    return Lane(rest, 0, frames)
