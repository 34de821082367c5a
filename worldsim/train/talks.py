"""What is asked of recorded frames while training: templates about single moments.

Each takes a frame of a track and returns a question with its answer, or None where the data does
not say what would be needed. It knows nothing of rows or batches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from worldsim.data.episode import DEPTH_SIDE
from worldsim.grammar import ask, describe
from worldsim.pose_text import motion, write_motion
from worldsim.sequence import Example, simulate, talk
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, INFER, POSE, TextTokenizer
from worldsim.train.latents import Track

DEPTH_WORDS = 8  # distances along each side of the picture that are said


class Talk(NamedTuple):
    """What is asked of a frame, and the right answer.

    Attributes:
        asked: Tokens: a mark of `text.TALK` and, after `ASK`, the question and `ANSWER`.
        said: Tokens of the answer.
        before: How many frames before it must be seen, too.
    """

    asked: list[int]
    said: list[int]
    before: int

    @property
    def length(self) -> int:
        """Tokens it takes, the mark at its end included."""
        return len(self.asked) + len(self.said) + 1


class Talks:
    """Asks something of a place in recorded play.

    Args:
        latents: All frames.
        tokenizer: Turns words into tokens.
        things: What may be asked after in vain, by world.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tokenizer: TextTokenizer,
        things: Mapping[str, Sequence[str]],
    ):
        self.latents, self.tokenizer, self.things = latents, tokenizer, things
        self._short = (self._infer, self._describe, self._ask, self._pose)

    def __call__(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """Return an example of a kind at random, about frames from `first` on."""
        kinds = (*self._short, self._depth, None)
        kind = kinds[int(rng.integers(len(kinds)))]
        if kind is None:
            return self._imagine(track, first, rng)
        at = first + 1 if kind in (self._infer, self._pose) else first
        found = kind(track, at, rng)
        if found is None:
            return None
        window = track.window(self.latents, at - found.before, found.before)
        return talk(window, self.tokenizer, found.asked, found.said)

    def about(self, track: Track, at: int, room: int, rng: np.random.Generator) -> list[Talk]:
        """Return short talks about one frame of several, in any order, that fit the room.

        Args:
            track: What was played.
            at: The frame; not the first of the track.
            room: Tokens there is room for.
            rng: Decides which.
        """
        found = []
        for k in rng.permutation(len(self._short)):
            one = self._short[k](track, at, rng)
            if one is not None and one.length <= room:
                found.append(one)
                room -= one.length
        return found

    def _imagine(self, track: Track, at: int, rng: np.random.Generator) -> Example | None:
        """A caption → F: the only template here in which a frame is what is learnt."""
        text = describe(json.loads(track.facts[at]), rng) if track.facts else None
        if text is None:
            return None
        words = self.tokenizer.encode(text)
        window = track.window(self.latents, at, 0)
        return simulate(window, self.tokenizer, len(words) + 4, [], words)

    def _infer(self, track: Track, at: int, rng: np.random.Generator) -> Talk:
        """F0 F1 → the action that led from one to the other."""
        return Talk([self.tokenizer.mark(INFER)], track.actions[at - 1], before=1)

    def _describe(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → a caption."""
        text = describe(json.loads(track.facts[at]), rng) if track.facts else None
        if text is None:
            return None
        return Talk([self.tokenizer.mark(DESCRIBE)], self.tokenizer.encode(text), before=0)

    def _ask(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → the answer to a question."""
        if not track.facts:
            return None
        asked = ask(json.loads(track.facts[at]), self.things.get(track.world, ()), rng)
        if asked is None:
            return None
        question, answer = (self.tokenizer.encode(text) for text in asked)
        mark = self.tokenizer.mark
        return Talk([mark(ASK), *question, mark(ANSWER)], answer, before=0)

    def _pose(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F0 F1 → how the eye moved."""
        if track.pose is None:
            return None
        text = write_motion(*motion(track.pose[at - 1], track.pose[at], track.metres))
        return Talk([self.tokenizer.mark(POSE)], self.tokenizer.encode(text), before=1)

    def _depth(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → how far away everything is, row by row."""
        if track.depth is None:
            return None
        ids = self.tokenizer.depth_ids
        said = [ids[word] for word in depth_words(track.depth[at]).flatten()]
        return Talk([self.tokenizer.mark(DEPTH)], said, before=0)


def depth_words(depth: np.ndarray) -> np.ndarray:
    """Return which of `DEPTHS` is nearest, by ratio, in each part of the picture.

    Args:
        depth: uint16 ``(DEPTH_SIDE, DEPTH_SIDE)`` centimetres.

    Returns:
        ``(DEPTH_WORDS, DEPTH_WORDS)`` numbers of distances.
    """
    part = DEPTH_SIDE // DEPTH_WORDS
    metres = depth.reshape(DEPTH_WORDS, part, DEPTH_WORDS, part).mean(axis=(1, 3)) / 100
    return np.abs(np.log(metres)[..., None] - np.log(DEPTHS)).argmin(axis=-1)
