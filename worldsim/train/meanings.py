"""After training: what sentences mean, fitted to what was done while they were said.

A model learns what keys do long before it learns that three words among ten do the same, for of
the words of a sentence it hears the sum. Here `Hearing` is fitted, with everything else as it is,
so that a sentence during which one and the same thing was done is heard as the key that does it;
said for a number of steps, as no key at all after these. What means no one thing, such as the way
to a box or the name of a place, is heard as the plain sum, as before. Learnt from recorded play
alone: from which sentences were in force and which keys were held.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from worldsim.checkpoint import Checkpoint
from worldsim.grammar import describe, lasting
from worldsim.hearing import AGES, Hearing
from worldsim.train.latents import Track
from worldsim.world import NO_ACTION

Ids = tuple[int, ...]

SURE = 0.8  # share of its stretches in which the same one thing is done, for a sentence to mean it
FEWEST = 3  # of these
COUNTED = 0.5  # of what is said is said for a number of steps
MOST = 2 * AGES  # of these; those longer than is told apart how long ago it was never end
LOST = 0.4  # of what is said so lacks a word: nothing is to hang on a single one
CAPTIONS = 2000  # looked at, as far as there are facts


class Words(NamedTuple):
    """What is said, and what it means.

    Attributes:
        ids: Of the words.
        means: Words that it is to be heard as; itself where it means no one action.
        counts: Whether it can be said for a number of steps.
    """

    ids: Ids
    means: Ids
    counts: bool = False


class Learnt(NamedTuple):
    """What came of it.

    Attributes:
        sentences: That mean one action.
        others: Words that mean no one action, those of keys among them.
        before: Mean squared distance from what they are to be heard as, beside 1 of their size.
        now: The same of what is heard at last.
    """

    sentences: int
    others: int
    before: float
    now: float


def fit_meanings(
    checkpoint: Checkpoint,
    tracks: Sequence[Track],
    steps: int,
    seed: int = 0,
    batch: int = 256,
    rate: float = 5e-3,
) -> Learnt | None:
    """Fit what is heard; None, and nothing is changed, where no sentence means an action.

    Args:
        checkpoint: Trained; only its network's `hearing` changes.
        tracks: Recorded play; that which is not labelled says nothing.
        steps: Updates.
        seed: Of what is said.
        batch: Sentences of an update.
        rate: Of Adam, falling to nothing along a half cosine.
    """
    hearing, rng = checkpoint.network.hearing, np.random.default_rng(seed)
    found = find_meanings(tracks)
    if hearing is None or not found:
        return None
    others = find_others(tracks, found, checkpoint, rng)
    say, before = _Say(found, others, checkpoint, rng), copy.deepcopy(hearing)
    hearing.requires_grad_(True)
    optimizer = torch.optim.Adam(hearing.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    asked = say(4 * batch)
    for _ in tqdm(range(steps), desc="meanings", unit="update"):
        loss = _off(hearing, before, say(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    hearing.requires_grad_(False)
    with torch.no_grad():
        was, now = (float(_off(one, before, asked)) for one in (before, hearing))
    return Learnt(len(found), len(others), was, now)


class _Said(NamedTuple):
    """Sums of words ``(N, D)``, how long ago they were said, and sums they are to be heard as."""

    sums: Tensor
    ages: Tensor
    meant: Tensor


class _Say:
    """Says something: half of it means one action, half does not."""

    def __init__(
        self,
        found: Sequence[Words],
        others: Sequence[Words],
        checkpoint: Checkpoint,
        rng: np.random.Generator,
    ):
        self._every, self._rng, self._tokenizer = [*found, *others], rng, checkpoint.tokenizer
        counts = [len(found), len(others)]
        self._chances = np.repeat([1 / max(1, n) for n in counts], counts)
        self._chances /= self._chances.sum()
        self._table = checkpoint.network.words.weight.detach()
        self._nothing = tuple(self._tokenizer.encode(NO_ACTION))

    def __call__(self, count: int) -> _Said:
        words, meant = list[Ids](), list[Ids]()
        ages = self._rng.integers(AGES + 1, size=count)
        for which, age in zip(
            self._rng.choice(len(self._every), count, p=self._chances), ages, strict=True
        ):
            ids, means = self._one(self._every[which], int(age))
            words.append(ids)
            meant.append(means)
        return _Said(_sums(words, self._table), torch.from_numpy(ages), _sums(meant, self._table))

    def _one(self, words: Words, age: int) -> tuple[Ids, Ids]:
        """Return words to say, perhaps for a number of steps, and what they mean so long after."""
        ids, means, rng = words.ids, words.means, self._rng
        if words.counts and rng.random() < COUNTED:
            number = int(rng.integers(1, MOST + 1))
            text = lasting(self._tokenizer.decode(list(ids)), number, rng)
            ids = tuple(self._tokenizer.encode(text))
            means = self._nothing if number <= age else means
        if words.counts and len(ids) > 3 and rng.random() < LOST:
            lost = int(rng.integers(len(ids)))
            ids = ids[:lost] + ids[lost + 1 :]
        return ids, means


def _off(hearing: Hearing, before: Hearing, said: _Said) -> Tensor:
    """Return how far what is heard is from how its meaning was heard; of sizes nothing is left."""
    with torch.no_grad():
        wanted = before(said.meant, torch.zeros_like(said.ages))
    heard = hearing(said.sums, said.ages)
    size = heard.shape[-1:]
    return F.mse_loss(F.rms_norm(heard, size), F.rms_norm(wanted, size))


def find_meanings(tracks: Sequence[Track]) -> list[Words]:
    """Return the sentences during which nearly always one and the same thing was done."""
    done: dict[Ids, list[set[Ids]]] = defaultdict(list)
    for track in tracks:
        at = 0
        while track.labelled and at < len(track.actions):
            steps = track.lasts(at)
            actions = {tuple(action) for action in track.actions[at : at + steps]}
            done[tuple(track.sentences[at])].append(actions)
            at += steps
    found = []
    for sentence, stretches in done.items():
        alone = Counter(next(iter(actions)) for actions in stretches if len(actions) == 1)
        action, count = alone.most_common(1)[0] if alone else ((), 0)
        if sentence and count >= max(FEWEST, SURE * len(stretches)):
            found.append(Words(sentence, action, counts=True))
    return found


def find_others(
    tracks: Sequence[Track],
    found: Sequence[Words],
    checkpoint: Checkpoint,
    rng: np.random.Generator,
) -> list[Words]:
    """Return everything that frames hear beside what was found: keys, ways, places, captions."""
    encode = checkpoint.tokenizer.encode
    mean = {words.ids for words in found}
    keys = [tuple(encode(text)) for spec in checkpoint.worlds.values() for text in spec.actions]
    known = [track for track in tracks if track.labelled]
    ways = {tuple(s) for track in known for s in track.sentences if s} - mean
    places = {tuple(track.prompt) for track in known if track.prompt}
    captions = set[Ids]()
    told = [track for track in known if track.facts]
    for k in rng.integers(len(told), size=CAPTIONS) if told else ():
        facts = told[k].facts or []
        text = describe(json.loads(facts[rng.integers(len(facts))]), rng)
        captions |= {tuple(encode(text))} if text else set()
    ends = [Words(ids, ids, counts=True) for ids in sorted(ways)]
    # Keys as often as all the rest: nothing of what they do is to change.
    rest = [Words(ids, ids) for ids in sorted({*places, *captions})]
    keys *= max(1, (len(ends) + len(rest)) // max(1, len(keys)))
    return [*ends, *rest, *(Words(ids, ids) for ids in keys)]


def describe_learnt(learnt: Learnt | None) -> str:
    """Say in a line what came of it."""
    if learnt is None:
        return (
            "what words mean was left as it was: no sentence of this play means an action, or the "
            "model hears sums alone (model.hears=false)"
        )
    return (
        f"{learnt.sentences} sentences are heard as what was done during them; off by "
        f"{learnt.now:.3f}, before {learnt.before:.3f} ({learnt.others} other words stay)"
    )


def _sums(sentences: Sequence[Ids], table: Tensor) -> Tensor:
    """Add up words, ``(N, D)``."""
    ids = torch.tensor([k for ids in sentences for k in ids])
    begins = torch.tensor([0, *np.cumsum([len(ids) for ids in sentences])[:-1].tolist()])
    return F.embedding_bag(ids, table, begins, mode="sum")
