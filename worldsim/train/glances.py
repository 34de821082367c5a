"""Before anything is asked in words: who glances at frames learns what there is to see.

Of what is asked in words a pair of frames costs a pass through the whole transformer, and a pair of
convolutions wants to see hundreds of thousands. So they are asked first by heads of their own, that
are not kept: which action led here, how the eye moved, how far the parts of the picture are, and
what is true of it. What they have to say about it the words then find ready, see `Glance`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from worldsim.attention import PARTS_SIDE
from worldsim.canvas import Canvas
from worldsim.errors import WorldsimError
from worldsim.glance import Glance
from worldsim.grammar import Question, questions
from worldsim.pose_text import motion
from worldsim.precision import multiplies_bf16
from worldsim.text import DEPTHS
from worldsim.train.latents import Track
from worldsim.train.parts import chances_of, learn_once
from worldsim.train.run import RunFolder
from worldsim.train.talks import depth_words

ALONE = 0.4  # of the frames are seen without the one before
TURNED = 0.3  # are seen as in a mirror: how far things are is as true there
EITHER_SIDE = {"is there", "how many", "how far", "colour", "on road", "how fast"}  # kinds asked
FILE = "glance-{}.safetensors"  # of a run's folder: what so many updates have learnt
UNKNOWN = -100
FURTHEST = 4.0  # spreads of a world's motion that count


class Seen(NamedTuple):
    """Frames with what is known of them; `UNKNOWN` or NaN where nothing is.

    Attributes:
        latents: ``(n, 2, c, h, w)`` frames and those before, zeros where they are not shown.
        action: ``(n,)`` number of the world's action that led here.
        motion: ``(n, 3)`` in spreads of the world's.
        depth: ``(n, P)`` numbers of distances.
        asked: ``(n,)`` number of a question.
        answer: ``(n,)`` number of its answer.
        turned: ``(n,)`` whether all this is true of the frames as in a mirror.
    """

    latents: Tensor
    action: Tensor
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
        glance: Its features learn; what it makes of them for words does not.
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

    def learn() -> None:
        school = School(latents, tracks, things, shares, seed)
        _learn(glance, canvas, school, steps, batch, rate)

    learn_once(glance, run, FILE.format(steps), learn)


def _learn(
    glance: Glance, canvas: Canvas, school: School, steps: int, batch: int, rate: float
) -> None:
    """Let a glance learn what a school knows."""
    device = next(glance.parameters()).device
    # Whoever finds the glance learnt already has made no heads, and must have the same luck.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(school.seed)
        heads = Heads(glance, school).to(device)
    learning = [*glance.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(learning, rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    kind = torch.bfloat16 if multiplies_bf16(device) else torch.float32
    bar = tqdm(range(steps), desc="glance", unit="update")
    for step in bar:
        seen = Seen(*(x.to(device) for x in school(step, batch)))
        with torch.no_grad():
            pictures = drawn(canvas, seen)
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            said = heads(*glance.features(pictures), seen.asked)
        loss = wrong(said, seen)
        if not torch.isfinite(loss):
            raise WorldsimError(f"what is seen is not a number at update {step}: damaged data?")
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}")


def drawn(canvas: Canvas, seen: Seen) -> Tensor:
    """Return pictures ``(n, 2, v, H, W)``, some of them as in a mirror."""
    pictures = canvas.draw(seen.latents.flatten(0, 1)).unflatten(0, seen.latents.shape[:2])
    return torch.where(seen.turned[:, None, None, None, None], pictures.flip(-1), pictures)


class Heads(nn.Module):
    """Answers that are not in words: an action, a motion, distances, what is true."""

    def __init__(self, glance: Glance, school: School):
        super().__init__()
        width = glance.whole.in_features
        self.action = nn.Linear(width, len(school.actions))
        self.motion = nn.Linear(width, 3)
        self.depth = nn.Linear(glance.part.in_features, len(DEPTHS))
        self.asked = nn.Embedding(max(1, len(school.questions)), width)
        self.answer = nn.Linear(width, max(1, len(school.answers)))

    def forward(self, whole: Tensor, parts: Tensor, asked: Tensor) -> tuple[Tensor, ...]:
        """Return what is said of each of the four."""
        about = F.silu(whole + self.asked(asked.clamp(min=0)))
        return self.action(whole), self.motion(whole), self.depth(parts), self.answer(about)


def wrong(said: tuple[Tensor, ...], seen: Seen) -> Tensor:
    """Add up how wrong what is said is, as far as that is known."""
    action, moved, depth, answer = (x.float() for x in said)
    pairs = ((action, seen.action), (depth.flatten(0, 1), seen.depth.flatten()),
             (answer, seen.answer))  # fmt: skip
    terms = [
        F.cross_entropy(logits, target, ignore_index=UNKNOWN)
        for logits, target in pairs
        if (target != UNKNOWN).any()
    ]
    known = ~seen.motion.isnan().any(dim=1)
    if known.any():
        terms.append(F.smooth_l1_loss(moved[known], seen.motion[known]))
    return torch.stack(terms).sum()


class School:
    """Shows frames of recorded play, and knows the answers.

    Attributes:
        actions: Each world's actions, as tokens.
        questions: That can be asked.
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
        said = {(t.world, tuple(ids)) for t in self.tracks for ids in t.actions}
        self.actions = {one: k for k, one in enumerate(sorted(said))}
        self.spread = {name: self._spread(name) for name in {t.world for t in self.tracks}}
        self.questions, self.answers = dict[tuple[str, str], int](), dict[str, int]()
        rng = np.random.default_rng(seed)
        for track in self.tracks:
            for at in range(0, len(track.facts or ()), 7):
                for one in self._questions(track, at, rng):
                    self.questions.setdefault((one.kind, one.thing), len(self.questions))
                    self.answers.setdefault(one.answer, len(self.answers))

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
        action, moved = UNKNOWN, np.full(3, np.nan)
        if alone:
            pair[1] = 0.0
        else:
            moved = self._moved(track, at) * (1, -1, -1) if turned else self._moved(track, at)
            # Which action is another's mirror image only words would tell.
            action = UNKNOWN if turned else self.actions[track.world, tuple(track.actions[at - 1])]
        depth = np.full((PARTS_SIDE, PARTS_SIDE), UNKNOWN)
        if track.depth is not None:
            depth = depth_words(track.depth[at])
        depth = depth[:, ::-1] if turned else depth
        asked = answer = UNKNOWN
        kinds = dict[str, list[Question]]()
        for one in self._questions(track, at, rng):
            known = (one.kind, one.thing) in self.questions and one.answer in self.answers
            if known and (not turned or one.kind in EITHER_SIDE):
                kinds.setdefault(one.kind, []).append(one)
        if kinds:
            offered = kinds[list(kinds)[int(rng.integers(len(kinds)))]]
            one = offered[int(rng.integers(len(offered)))]
            asked, answer = self.questions[one.kind, one.thing], self.answers[one.answer]
        return (
            pair, np.int64(action), moved.astype(np.float32), depth.flatten().astype(np.int64),
            np.int64(asked), np.int64(answer), turned,
        )  # fmt: skip

    def _questions(self, track: Track, at: int, rng: np.random.Generator) -> list[Question]:
        if not track.facts:
            return []
        absent = self.things.get(track.world, ())
        few = [absent[k] for k in rng.integers(len(absent), size=4)] if absent else []
        return questions(json.loads(track.facts[at]), few)

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
