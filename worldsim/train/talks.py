"""What is asked of recorded frames while training: templates whose answer is text.

Each takes a place in a track and returns an example, or None where the data does not say what
would be needed. It knows nothing of rows or batches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from worldsim.data.episode import DEPTH_SIDE
from worldsim.grammar import ask, describe
from worldsim.pose_text import motion, write_motion
from worldsim.sequence import Example, talk
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, INFER, POSE, TextTokenizer
from worldsim.train.latents import Track

DEPTH_WORDS = 8  # distances along each side of the picture that are said


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
        self._kinds: tuple[Callable[[Track, int, np.random.Generator], Example | None], ...] = (
            self._infer,
            self._describe,
            self._ask,
            self._pose,
            self._depth,
        )

    def __call__(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """Return an example of a kind at random, about frames from `first` on."""
        return self._kinds[int(rng.integers(len(self._kinds)))](track, first, rng)

    def _infer(self, track: Track, first: int, rng: np.random.Generator) -> Example:
        """F0 F1 → the action that led from one to the other."""
        return self._talk(track, first, 1, INFER, track.actions[first])

    def _describe(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """F → a caption."""
        text = describe(json.loads(track.facts[first]), rng) if track.facts else None
        return text and self._talk(track, first, 0, DESCRIBE, self.tokenizer.encode(text)) or None

    def _ask(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """F → the answer to a question."""
        if not track.facts:
            return None
        asked = ask(json.loads(track.facts[first]), self.things.get(track.world, ()), rng)
        if asked is None:
            return None
        question, answer = (self.tokenizer.encode(text) for text in asked)
        return self._talk(track, first, 0, ASK, answer, question)

    def _pose(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """F0 F1 → how the eye moved."""
        if track.pose is None:
            return None
        text = write_motion(*motion(track.pose[first], track.pose[first + 1], track.metres))
        return self._talk(track, first, 1, POSE, self.tokenizer.encode(text))

    def _depth(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """F → how far away everything is, row by row."""
        if track.depth is None:
            return None
        words = depth_words(track.depth[first])
        ids = self.tokenizer.depth_ids
        return self._talk(track, first, 0, DEPTH, [ids[word] for word in words.flatten()])

    def _talk(
        self,
        track: Track,
        first: int,
        steps: int,
        mark: str,
        said: list[int],
        question: Sequence[int] = (),
    ) -> Example:
        asked = [self.tokenizer.mark(mark)]
        if question:
            asked += [*question, self.tokenizer.mark(ANSWER)]
        window = track.window(self.latents, first, steps)
        return talk(window, self.tokenizer, asked, said)


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
