"""Between numbers and words: a question in words comes to look for what its number looked for.

Who glances at frames has learnt it from questions by number (`train.glances`). In words a question
is what the transformer has made of a dozen tokens, and to find by trial that this is to look where
a number looked takes longer than there is: where nothing is ahead in four frames of five, "nothing"
is a good answer to "what is ahead". But which number a question has is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.batch import Batch
from worldsim.errors import WorldsimError
from worldsim.grammar import Question, questions
from worldsim.model import WorldTransformer
from worldsim.objective import ObjectiveConfig, WorldObjective
from worldsim.precision import fast
from worldsim.sequence import IGNORE, Example, Talk, pack, talk
from worldsim.text import ANSWER, ASK, INFER
from worldsim.train.batches import Batches
from worldsim.train.latents import Track
from worldsim.train.numbers import DID, Numbers
from worldsim.train.parts import Lessons, chances_of, learn_alone
from worldsim.train.run import RunFolder

ASKED = 10  # questions of a clip
TEXT = 256  # tokens of a clip
UNNUMBERED = -1


class Asked(NamedTuple):
    """Clips with questions in words, and what number each has where it is to be answered.

    Attributes:
        batch: Rows of two frames.
        number: ``(B, L)`` of the question that a position says a word of, or `UNNUMBERED`.
    """

    batch: Batch
    number: Tensor


class Lesson:
    """Puts questions that have a number into words; a function of the seed and of an update's.

    Args:
        batches: Of the training; knows all frames and words.
        numbers: Of questions.
        things: What may be asked after in vain, by world.
        shares: How often clips are of each world, as in `BatchConfig.shares`.
        seed: Of what is asked.

    Raises:
        WorldsimError: Of no labelled play anything is known.
    """

    def __init__(
        self,
        batches: Batches,
        numbers: Numbers,
        things: Mapping[str, Sequence[str]],
        shares: Mapping[str, float],
        seed: int = 0,
    ):
        self.batches, self.numbers, self.things, self.seed = batches, numbers, things, seed
        self.tracks = [t for t in batches.tracks if t.labelled and len(t.actions)]
        if not self.tracks:
            raise WorldsimError("no labelled play to ask about: raise batch.labelled_share")
        self._chances = chances_of(self.tracks, shares)

    def __call__(self, step: int, count: int) -> Asked:
        """Show so many clips; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 8])
        chosen = rng.choice(len(self.tracks), size=count, p=self._chances)
        examples, numbers = list[Example](), list[list[int]]()
        tokenizer = self.batches.tokenizer
        for track in (self.tracks[k] for k in chosen):
            at = int(rng.integers(1, len(track.actions) + 1))
            pairs = self._talks(track, at, rng)
            window = track.window(self.batches.latents, at - 1, 1)
            examples.append(talk(window, tokenizer, [one for one, _ in pairs]))
            numbers.append([number for _, number in pairs])
        rows, _ = pack(examples, count, TEXT, 2, tokenizer.pad)
        number = np.full(rows.text_ids.shape, UNNUMBERED)
        said = rows.text_targets != IGNORE
        for doc, mine in enumerate(numbers):
            for branch, which in enumerate(mine, 1):
                here = (rows.text_doc == doc) & (rows.text_branch == branch)
                number[said & here] = which
        none = np.zeros_like(rows.frame_doc)
        return Asked(self.batches.with_noise(rows, rng, none, none), torch.from_numpy(number))

    def _talks(self, track: Track, at: int, rng: np.random.Generator) -> list[tuple[Talk, int]]:
        """Return questions about a frame, the action that led to it first, and their numbers."""
        encode, mark = self.batches.tokenizer.encode, self.batches.tokenizer.mark
        found = [(Talk([mark(INFER)], track.actions[at - 1], at=1), self.numbers.of[DID])]
        possible = self._questions(track, at, rng)
        for one in (possible[k] for k in rng.permutation(len(possible))[: ASKED - 1]):
            asked = [mark(ASK), *encode(one.words(rng)), mark(ANSWER)]
            number = self.numbers.of[one.kind, one.thing]
            found.append((Talk(asked, encode(one.answer), at=1), number))
        return found

    def _questions(self, track: Track, at: int, rng: np.random.Generator) -> list[Question]:
        if not track.facts:
            return []
        absent = self.things.get(track.world, ())
        few = [absent[k] for k in rng.permutation(len(absent))]
        possible = questions(json.loads(track.facts[at]), few)
        return [one for one in possible if (one.kind, one.thing) in self.numbers.of]


def fit_askings(
    network: WorldTransformer,
    lesson: Lesson,
    run: RunFolder,
    steps: int,
    clips: int = 8,
    rate: float = 2e-3,
) -> None:
    """Let questions in words ask for what they ask by number, or take what was learnt before.

    Args:
        network: Of its `Glance`, what words think and what they look for is learnt, nothing else.
        lesson: Asks.
        run: Its folder keeps what was learnt.
        steps: Updates.
        clips: Of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    glance, device = network.glance, network.device
    assert glance is not None, "who has numbers glances"
    network.requires_grad_(False)
    part = nn.ModuleDict(
        {"thoughts": glance.thoughts, "norm": glance.query_norm, "query": glance.query}
    )
    objective, lessons = WorldObjective(network, ObjectiveConfig()), Lessons("askings", steps, rate)
    meant = lesson.numbers.weight.to(device)
    spread = meant.var()

    def off(shown: Asked) -> list[Tensor]:
        caught = list[Tensor]()
        handle = glance.query.register_forward_hook(lambda _, given, out: caught.append(out))
        try:
            with fast(device):
                objective.read(shown.batch.to(device))
        finally:
            handle.remove()
        number = shown.number.to(device)
        known = number != UNNUMBERED
        return [F.mse_loss(caught[0][known].float(), meant[number[known]]) / spread]

    learn_alone(part, run, lessons, lambda step: lesson(step, clips), off)
