"""Before anything is asked in words: who glances at frames learns what there is to see.

Of what is asked in words a pair of frames costs a pass through the whole transformer, and a pair of
convolutions wants to see hundreds of thousands. So they are asked first by number: all there is to
ask of a frame at once, which action led here, how the eye moved and how far the parts of the
picture are. Answers are not kept, and numbers until words ask for the same (`train.askings`); how a
question looks at a frame is what words then find ready, see `Glance`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.attention import PARTS_SIDE
from worldsim.canvas import Canvas
from worldsim.errors import WorldsimError
from worldsim.glance import Glance, Told
from worldsim.grammar import Question, mirrored, questions, questions_in_vain
from worldsim.pose_text import motion
from worldsim.precision import fast
from worldsim.text import DEPTHS
from worldsim.train.latents import Track
from worldsim.train.numbers import DID, Numbers
from worldsim.train.parts import Lessons, chances_of, learn_apart, learn_once
from worldsim.train.run import RunFolder
from worldsim.train.talks import depth_words

ALONE = 0.3  # of the frames are seen without the one before
TURNED = 0.3  # are seen as in a mirror
IN_VAIN = 0.5  # are asked where, how far or of which colour is what is not there
ASKED = 14  # questions of a frame at most
UNKNOWN = -100
FURTHEST = 4.0  # spreads of a world's motion that count


class Seen(NamedTuple):
    """Frames with what is known of them; `UNKNOWN` or NaN where nothing is.

    Attributes:
        latents: ``(n, 2, c, h, w)`` frames and those before, zeros where they are not shown.
        motion: ``(n, 3)`` in spreads of the world's.
        depth: ``(n, P)`` numbers of distances.
        asked: ``(n, ASKED)`` numbers of questions.
        answer: ``(n, ASKED)`` numbers of their answers.
        turned: ``(n,)`` whether all this is true of the frames as in a mirror.
    """

    latents: Tensor
    motion: Tensor
    depth: Tensor
    asked: Tensor
    answer: Tensor
    turned: Tensor


def fit_glance(
    glance: Glance,
    canvas: Canvas,
    latents: np.ndarray,
    tracks: Sequence[Track],
    things: Mapping[str, Sequence[str]],
    run: RunFolder,
    steps: int,
    shares: Mapping[str, float],
    seed: int = 0,
    batch: int = 64,
    rate: float = 1.5e-3,
) -> None:
    """Let a glance learn, or take what an earlier call has learnt in this run.

    Args:
        glance: What it sees and how it is looked at is learnt; what words make of that is not.
        canvas: Draws latents.
        latents: All frames.
        tracks: Recorded play; that which is not labelled is left out.
        things: What may be asked after in each world, by its name.
        run: Its folder keeps what was learnt.
        steps: Updates.
        shares: How often frames are of each world, as in `BatchConfig.shares`.
        seed: Of the frames.
        batch: Frames of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    device = next(glance.parameters()).device
    lessons = Lessons("glance", steps, rate, rise=0.1, decay=0.05)

    def learn() -> None:
        school = School(latents, tracks, things, shares, seed)
        # Whoever finds the glance learnt already has made no heads, and must have the same luck.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            heads = Heads(glance, school).to(device)

        def off(shown: Seen) -> list[Tensor]:
            seen = Seen(*(x.to(device) for x in shown))
            with torch.no_grad():
                pictures = drawn(canvas, seen)
            with fast(device):
                said = heads(glance, pictures, seen.asked)
            return [wrong(said, seen)]

        learn_apart(glance, run, lessons, lambda step: school(step, batch), off, heads)
        Numbers(heads.asked.weight.detach(), school.questions).save(run, steps)

    learn_once(glance, run, lessons.file, learn)


def drawn(canvas: Canvas, seen: Seen) -> Tensor:
    """Return pictures ``(n, 2, v, H, W)``, some of them as in a mirror."""
    pictures = canvas.draw(seen.latents.flatten(0, 1)).unflatten(0, seen.latents.shape[:2])
    return torch.where(seen.turned[:, None, None, None, None], pictures.flip(-1), pictures)


class Heads(nn.Module):
    """Questions and answers by number, a motion, distances: nothing in words."""

    def __init__(self, glance: Glance, school: School):
        super().__init__()
        width = glance.whole.out_features
        self.asked = nn.Embedding(len(school.questions), width)
        self.norm = nn.RMSNorm(width)
        self.answer = nn.Linear(width, len(school.answers))
        self.motion = nn.Linear(width, 3)
        self.depth = nn.Linear(width, len(DEPTHS))

    def forward(
        self, glance: Glance, pictures: Tensor, asked: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the answers, the motion and the distances that are said of frames."""
        whole, parts = glance(pictures)
        all_of = torch.zeros_like(asked)
        told = Told(parts[:, None], whole[:, None], of=all_of, part=all_of - 1)
        found = glance.find(self.asked(asked), told)
        return self.answer(self.norm(found)), self.motion(whole), self.depth(parts)


def wrong(said: tuple[Tensor, Tensor, Tensor], seen: Seen) -> Tensor:
    """Add up how wrong what is said is, as far as that is known."""
    answer, moved, depth = (x.float() for x in said)
    terms = [
        F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=UNKNOWN)
        for logits, target in ((answer, seen.answer), (depth, seen.depth))
        if (target != UNKNOWN).any()
    ]
    known = ~seen.motion.isnan().any(dim=1)
    if known.any():
        terms.append(F.smooth_l1_loss(moved[known], seen.motion[known]))
    return torch.stack(terms).sum()


class School:
    """Shows frames of recorded play, and knows the answers.

    Attributes:
        questions: That can be asked, by kind and thing.
        answers: To any of them.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: Sequence[Track],
        things: Mapping[str, Sequence[str]],
        shares: Mapping[str, float],
        seed: int,
    ):
        self.latents, self.things, self.seed = latents, things, seed
        self.tracks = [t for t in tracks if t.labelled and len(t.actions)]
        if not self.tracks:
            raise WorldsimError("no labelled play to look at: raise batch.labelled_share")
        self._chances = chances_of(self.tracks, shares)
        self.spread = {name: self._spread(name) for name in {t.world for t in self.tracks}}
        did = sorted({_action(t.world, ids) for t in self.tracks for ids in t.actions})
        self.questions = {DID: 0}
        self.answers = {said: k for k, said in enumerate(did)}
        rng = np.random.default_rng(seed)
        for track in self.tracks:
            for at in range(0, len(track.facts or ()), 7):
                for one in self._questions(track, at, rng):
                    for each in (one, mirrored(one)):
                        self.questions.setdefault((each.kind, each.thing), len(self.questions))
                        self.answers.setdefault(each.answer, len(self.answers))

    def __call__(self, step: int, count: int) -> Seen:
        """Show so many frames; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 2])
        chosen = rng.choice(len(self.tracks), size=count, p=self._chances)
        rows = [self._show(self.tracks[k], rng) for k in chosen]
        return Seen(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def _show(
        self, track: Track, rng: np.random.Generator
    ) -> tuple[np.ndarray | np.generic | bool, ...]:
        at, alone = int(rng.integers(1, len(track.actions) + 1)), rng.random() < ALONE
        turned = bool(rng.random() < TURNED)
        pair = track.frames(self.latents, at - 1, 2)[::-1].copy()
        said, moved = self._questions(track, at, rng), np.full(3, np.nan)
        if turned:
            said = [mirrored(one) for one in said]
        if alone:
            pair[1] = 0.0
        else:
            moved = self._moved(track, at) * (1, -1, -1) if turned else self._moved(track, at)
        depth = np.full((PARTS_SIDE, PARTS_SIDE), UNKNOWN)
        if track.depth is not None:
            depth = depth_words(track.depth[at])
        depth = depth[:, ::-1] if turned else depth
        pairs = [
            (self.questions[one.kind, one.thing], self.answers[one.answer])
            for one in said
            if (one.kind, one.thing) in self.questions and one.answer in self.answers
        ]
        pairs = [pairs[k] for k in rng.permutation(len(pairs))[: ASKED - 1]]
        if not alone and not turned:  # which action is another's mirror image only words would tell
            pairs.append((0, self.answers[_action(track.world, track.actions[at - 1])]))
        asked, answer = np.zeros(ASKED, np.int64), np.full(ASKED, UNKNOWN)
        for k, pair_of in enumerate(pairs):
            asked[k], answer[k] = pair_of
        return (
            pair, moved.astype(np.float32), depth.flatten().astype(np.int64), asked, answer, turned
        )  # fmt: skip

    def _questions(self, track: Track, at: int, rng: np.random.Generator) -> list[Question]:
        if not track.facts:
            return []
        facts, absent = json.loads(track.facts[at]), self.things.get(track.world, ())
        few = [absent[k] for k in rng.permutation(len(absent))]
        vain = questions_in_vain(facts, few[:2]) if rng.random() < IN_VAIN else []
        return questions(facts, few) + [vain[k] for k in rng.permutation(len(vain))[:1]]

    def _moved(self, track: Track, at: int) -> np.ndarray:
        if track.pose is None:
            return np.full(3, np.nan)
        moved = np.array(motion(track.pose[at - 1], track.pose[at], track.metres))
        return (moved / self.spread[track.world]).clip(-FURTHEST, FURTHEST)

    def _spread(self, world: str) -> np.ndarray:
        """Return how far the eye moves in a step of a world, ``(3,)``."""
        moved = [
            motion(track.pose[at - 1], track.pose[at], track.metres)
            for track in self.tracks
            if track.world == world and track.pose is not None
            for at in range(1, len(track.pose), 16)
        ]
        return np.array(moved).std(axis=0).clip(min=1e-3) if moved else np.ones(3)


def _action(world: str, ids: Sequence[int]) -> str:
    """Name an action of a world; no answer in words is called so."""
    return f"{world}: {ids}"
