"""What is asked of recorded frames while training: templates about single moments.

Each takes a frame of a track and returns a question with its answer, or None where the data does
not say what would be needed. It knows nothing of rows or batches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.data.episode import DEPTH_SIDE
from worldsim.grammar import ask, describe
from worldsim.pose_text import motion, write_motion
from worldsim.sequence import Example, Talk, simulate, talk
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, INFER, POSE, TextTokenizer
from worldsim.train.latents import Track

DEPTH_SHARE = 0.25  # of clips are asked for depth, too


class Talks:
    """Asks all there is to ask of a place in recorded play.

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

    def __call__(self, track: Track, first: int, rng: np.random.Generator) -> Example:
        """Return frame `first` and the next one, with questions about one or both."""
        one = [self._describe, self._ask, self._ask]
        if rng.random() < DEPTH_SHARE:  # as long as all the others together
            one.append(self._depth)
        found = [kind(track, first, rng) for kind in one]
        found += [kind(track, first + 1, rng) for kind in (self._infer, self._pose)]
        talks = [asked for asked in found if asked]
        return talk(track.window(self.latents, first, 1), self.tokenizer, talks)

    def imagine(self, track: Track, at: int, rng: np.random.Generator) -> Example | None:
        """Return a caption → F, the only template here in which a frame is what is learnt."""
        text = describe(json.loads(track.facts[at]), rng) if track.facts else None
        if text is None:
            return None
        words = self.tokenizer.encode(text)
        window = track.window(self.latents, at, 0)
        return simulate(window, self.tokenizer, len(words) + 4, [], words)

    def _infer(self, track: Track, at: int, rng: np.random.Generator) -> Talk:
        """F0 F1 → the action that led from one to the other."""
        return Talk([self.tokenizer.mark(INFER)], track.actions[at - 1], at=1)

    def _describe(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → a caption."""
        text = describe(json.loads(track.facts[at]), rng) if track.facts else None
        if text is None:
            return None
        return Talk([self.tokenizer.mark(DESCRIBE)], self.tokenizer.encode(text))

    def _ask(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → the answer to a question."""
        if not track.facts:
            return None
        asked = ask(json.loads(track.facts[at]), self.things.get(track.world, ()), rng)
        if asked is None:
            return None
        question, answer = (self.tokenizer.encode(text) for text in asked)
        mark = self.tokenizer.mark
        return Talk([mark(ASK), *question, mark(ANSWER)], answer)

    def _pose(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F0 F1 → how the eye moved."""
        if track.pose is None:
            return None
        text = write_motion(*motion(track.pose[at - 1], track.pose[at], track.metres))
        return Talk([self.tokenizer.mark(POSE)], self.tokenizer.encode(text), at=1)

    def _depth(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → how far away everything is, row by row."""
        if track.depth is None:
            return None
        ids = self.tokenizer.depth_ids
        said = [ids[word] for word in depth_words(track.depth[at]).flatten()]
        return Talk([self.tokenizer.mark(DEPTH)], said, place=PARTS)


def depth_words(depth: np.ndarray) -> np.ndarray:
    """Return which of `DEPTHS` is nearest, by ratio, in each part of the picture.

    Args:
        depth: uint16 ``(DEPTH_SIDE, DEPTH_SIDE)`` centimetres.

    Returns:
        ``(PARTS_SIDE, PARTS_SIDE)`` numbers of distances.
    """
    part = DEPTH_SIDE // PARTS_SIDE
    metres = depth.reshape(PARTS_SIDE, part, PARTS_SIDE, part).mean(axis=(1, 3)) / 100
    return np.abs(np.log(metres)[..., None] - np.log(DEPTHS)).argmin(axis=-1)
