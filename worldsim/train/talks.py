"""What is asked of recorded frames while training: templates about single moments.

Each takes a frame of a track and returns a question with its answer, or None where the data does
not say what would be needed. It knows nothing of rows or batches.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from worldsim.attention import PARTS, PARTS_SIDE
from worldsim.data.episode import DEPTH_SIDE
from worldsim.errors import WorldsimError
from worldsim.grammar import ask, ask_in_vain, ask_motion, describe
from worldsim.pose_text import motion, write_motion
from worldsim.sequence import Example, Measure, Talk, simulate, talk
from worldsim.text import ANSWER, ASK, DEPTH, DEPTHS, DESCRIBE, INFER, POSE, TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.motions import around

# How often a clip is asked each kind of thing, on average, as far as the data knows the answer.
SHARES = {
    "describe": 1.0,  # a caption
    "ask": 2.0,  # a question about what is in sight
    "depth": 0.25,  # as much as most others together: so many parts of the picture
    "infer": 1.0,  # the action between two frames
    "pose": 1.0,  # the motion between them in metres and degrees
    "moved": 0.25,  # the same in words
    "nothing": 0.1,  # where, how far or of which colour is what is not in sight
}
PARTS_ASKED = 16  # of a picture; more pictures teach more than all of one
AFTER_TWO = ("infer", "pose", "moved")  # kinds that are about the way from one frame to the next


class Talks:
    """Asks all there is to ask of a place in recorded play.

    Args:
        latents: All frames.
        tokenizer: Turns words into tokens.
        things: What may be asked after in vain, by world.
        shares: How often a clip is asked each kind, see `SHARES`; what is left out is never asked.

    Attributes:
        moved: How all frames moved, see `motions.look_up`: shown around frames that are asked how
            one came there. None: nobody says.

    Raises:
        WorldsimError: A kind of that name is unknown, a share is negative, or all are 0.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tokenizer: TextTokenizer,
        things: Mapping[str, Sequence[str]],
        shares: Mapping[str, float] = SHARES,
    ):
        _check_shares(shares)
        self.shares = {kind: float(shares.get(kind, 0)) for kind in SHARES}
        self.latents, self.tokenizer, self.things = latents, tokenizer, things
        self.moved: np.ndarray | None = None

    def __call__(self, track: Track, first: int, rng: np.random.Generator) -> Example | None:
        """Return frame `first` and the next one, with questions about one or both.

        None where nothing is asked, because shares are small or the data knows no answer.
        """
        # A share with a fraction is rounded up or down by chance; whole ones take no luck.
        times = {
            kind: int(share) + (share % 1 > 0 and rng.random() < share % 1)
            for kind, share in self.shares.items()
        }
        found = [
            getattr(self, f"_{kind}")(track, first + (kind in AFTER_TWO), rng)
            for kind, count in times.items()
            for _ in range(count)
        ]
        talks = [asked for asked in found if asked]
        if not talks:
            return None
        example = talk(track.window(self.latents, first, 1), self.tokenizer, talks)
        # What is asked in words is asked without, as `Reader` asks it.
        if self.moved is not None and not times["moved"]:
            example.moves = {1: around(self.moved, track, first + 1)}
        return example

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
        return self._words(
            ask(json.loads(track.facts[at]), self.things.get(track.world, ()), rng), at=0
        )

    def _nothing(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F → none in sight, to a question about what is not."""
        if not track.facts:
            return None
        return self._words(
            ask_in_vain(json.loads(track.facts[at]), self.things.get(track.world, ()), rng), at=0
        )

    def _moved(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F0 F1 → what the eye just did, in words."""
        if track.pose is None:
            return None
        moved = motion(track.pose[at - 1], track.pose[at], track.metres)
        return self._words(ask_motion(moved, rng), at=1)

    def _words(self, asked: tuple[str, str] | None, at: int) -> Talk | None:
        """Write a question and its answer down."""
        if asked is None:
            return None
        question, answer = (self.tokenizer.encode(text) for text in asked)
        mark = self.tokenizer.mark
        return Talk([mark(ASK), *question, mark(ANSWER)], answer, at=at)

    def _pose(self, track: Track, at: int, rng: np.random.Generator) -> Talk | None:
        """F0 F1 → how the eye moved."""
        if track.pose is None:
            return None
        text = write_motion(*motion(track.pose[at - 1], track.pose[at], track.metres))
        return Talk([self.tokenizer.mark(POSE)], self.tokenizer.encode(text), at=1)

    def _depth(self, track: Track, at: int, rng: np.random.Generator) -> Measure | None:
        """F → how far away some parts of the picture are."""
        if track.depth is None:
            return None
        words, ids = depth_words(track.depth[at]).flatten(), self.tokenizer.depth_ids
        parts = rng.permutation(PARTS_SIDE**2)[:PARTS_ASKED].tolist()
        said = {PARTS + part: ids[words[part]] for part in parts}
        return Measure(self.tokenizer.mark(DEPTH), said)


def _check_shares(shares: Mapping[str, float]) -> None:
    for kind, share in shares.items():
        if kind not in SHARES:
            raise WorldsimError(
                f"batch.talk_shares.{kind}: there is no such kind, use {', '.join(SHARES)}"
            )
        if not 0 <= share < math.inf:
            raise WorldsimError(f"batch.talk_shares.{kind}={share}: use 0 or more")
    if not any(shares.values()):
        raise WorldsimError(
            "batch.talk_shares are all 0, so nothing can be asked: raise one, or set "
            "batch.talk_rows=0 to ask nothing"
        )


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
