"""Which stretches of play make a batch, and how much noise falls on them.

A batch is a function of the seed and the step number alone: a resumed run sees exactly what the
killed one would have seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from worldsim.errors import WorldsimError
from worldsim.objective import Batch
from worldsim.sequence import Example, Rows, Window, aside, follow, pack, say, simulate
from worldsim.text import INFER, TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.talks import Talk, Talks

CONTEXT = 4  # real frames that a dream begins with


class Lane(NamedTuple):
    """Recorded play that a dream follows: `frames` of a track from `first` on."""

    track: Track
    first: int
    frames: int


@dataclass
class BatchConfig:
    """What goes into a row.

    Attributes:
        rows: Rows of a batch.
        window: F, frames in a row; also how far the model looks back in a rollout.
        text_length: L, text tokens a row holds.
        say_share: Share of windows steered by sentences instead of actions.
        watch_share: Share of windows without any action (plain video).
        labelled_share: Share of episodes whose actions and sentences are known; the others are only
            watched, whatever the other shares are, and nothing is asked of them.
        follow_share: Share of windows that begin with the sentence in force, as an instruction, and
            end with it.
        prompt_share: Share of the other windows that begin with the world's description.
        action_drop: Share of single actions left out of the other windows.
        level_mean: Mean of the logit-normal noise level; above 0 leans to the noisy end.
        level_std: Its standard deviation.
        pure_share: Share of frames that start from (almost) nothing but noise; dreamed ones do.
        history_level: Most noise on history; half of the frames have none but the base level.
        base_level: The noise every history frame has, also in a rollout.
        balance: How much likelier windows with rare actions are: a step counts for the frequency
            of its action to the power of minus this; 0 makes every place equally likely.
        shares: How often windows are of each world, by its name; where it is left out, as often
            as the data has them.
        aside_share: Share of the other windows that end with questions about their last frame, as
            far as there is room for text; windows that go on with dreams do not.
        talk_share: Share of rows that ask something of short clips instead, see `talks.Talks`.
        dream_share: Share of rows whose history is dreamed, see `dreams.Dreams`.
        dream_depth: Steps that a dream goes on.
        dream_lanes: Dreams side by side, for rows to choose from.
        dream_every: Updates after which dreams are dreamed anew.
        dream_from: Step from which on there are such rows; dreams are worth nothing earlier.
    """

    rows: int = 16
    window: int = 16
    text_length: int = 88
    say_share: float = 0.15
    watch_share: float = 0.05
    labelled_share: float = 1.0
    follow_share: float = 0.0
    prompt_share: float = 0.1
    action_drop: float = 0.05
    level_mean: float = 1.0
    level_std: float = 1.4
    pure_share: float = 0.25
    history_level: float = 0.1
    base_level: float = 0.02
    balance: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)
    aside_share: float = 0.0
    talk_share: float = 0.0
    dream_share: float = 0.5
    dream_depth: int = 24
    dream_lanes: int = 24
    dream_every: int = 12
    dream_from: int = 500


class Batches:
    """Random access to batches by step number; knows no model and no optimiser."""

    def __init__(
        self,
        latents: np.ndarray,
        tracks: list[Track],
        tokenizer: TextTokenizer,
        descriptions: Mapping[str, str],
        config: BatchConfig,
        seed: int,
        things: Mapping[str, Sequence[str]] | None = None,
    ):
        """Keep references; refuse data whose episodes are all shorter than a window.

        `descriptions` has a sentence about each world, by its name: the prompts; `things` what
        may be asked after in each.
        """
        self.latents, self.tokenizer, self.config, self.seed = latents, tokenizer, config, seed
        self.tracks = [t for t in tracks if len(t.actions) >= config.window - 1]
        if not self.tracks:
            raise WorldsimError(
                f"no episode has {config.window} frames: collect longer episodes "
                "(max_steps=…) or lower batch.window"
            )
        if config.dream_every < 1:
            raise WorldsimError(f"batch.dream_every={config.dream_every}: use 1 or more updates")
        if config.window > CONTEXT + config.dream_depth:
            raise WorldsimError(
                f"batch.dream_depth={config.dream_depth} is less than rows of "
                f"batch.window={config.window} frames show: use {config.window - CONTEXT} or more"
            )
        # Which episodes are labelled does not depend on the share: a larger one adds to them.
        luck = np.random.default_rng([seed, 1]).permutation(len(self.tracks))
        limit = config.labelled_share * len(self.tracks)
        self._labelled = {t.start for t, k in zip(self.tracks, luck, strict=True) if k < limit}
        starts = [len(t.actions) - config.window + 2 for t in self.tracks]
        self._ends = np.cumsum(starts)
        self._chances = np.cumsum(self._rarity())
        prompts = {world: tokenizer.encode(text) for world, text in descriptions.items()}
        self.talks = Talks(latents, tokenizer, things or {})
        self._prompts = {w: p for w, p in prompts.items() if len(p) < config.text_length // 2}

    def __call__(self, step: int) -> Batch:
        """Build the batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        config = self.config
        lanes = self.lanes(step) if step >= config.dream_from else []
        dreams = round(config.dream_share * config.rows) if lanes else 0
        chosen = [int(rng.integers(len(lanes))) for _ in range(dreams)]
        # Shallow dreams more often: there the real frames still line up.
        firsts = [int((lanes[k].frames - config.window + 1) * rng.random() ** 2) for k in chosen]
        places = [
            (lanes[k].track, lanes[k].first + first)
            for k, first in zip(chosen, firsts, strict=True)
        ]
        talks = round(config.talk_share * config.rows)
        places += [self._place(rng) for _ in range(config.rows - dreams - talks)]
        examples = [
            self._example(*place, rng, asides=self._asides(*place, rng) if k >= dreams else [])
            for k, place in enumerate(places)
        ]
        examples += self._talks(talks, rng)
        rows, _ = pack(examples, config.rows, config.text_length, config.window, self.tokenizer.pad)
        follows = np.isin(rows.frame_doc, range(dreams))
        lane, begun = (
            np.array([*values, 0])[np.where(follows, rows.frame_doc, -1)]
            for values in (chosen, firsts)
        )
        depth = np.where(follows, begun + rows.frame_time + 1 - CONTEXT, 0).clip(min=0)
        return self.with_noise(rows, rng, depth, lane)

    def generation(self, step: int) -> int:
        """Number the stretches of steps that share their dreams."""
        return step // self.config.dream_every

    def lanes(self, step: int) -> list[Lane]:
        """Return the play that the dreams shown at a step follow; labelled play, of course."""
        config = self.config
        rng = np.random.default_rng([self.seed, self.generation(step), config.dream_depth])
        lanes = []
        places = [self._place(rng) for _ in range(config.dream_lanes)]
        for track, first in (place for place in places if place[0].start in self._labelled):
            frames = len(track.actions) + 1
            first = min(first, max(0, frames - CONTEXT - config.dream_depth))
            lanes.append(Lane(track, first, min(frames - first, CONTEXT + config.dream_depth)))
        return lanes

    def from_step(self, step: int) -> Iterator[Batch]:
        """Yield the batches of ``step, step + 1, …``, each prepared while the last is in use."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead = pool.submit(self, step)
            while True:
                batch, step = ahead.result(), step + 1
                ahead = pool.submit(self, step)
                yield batch

    def sample_latents(self, num: int) -> torch.Tensor:
        """Return the latents of `num` windows, ``(num, window, c, h, w)``."""
        rng = np.random.default_rng(self.seed)
        windows = [self._window(*self._place(rng)) for _ in range(num)]
        return torch.from_numpy(np.stack([window.latents for window in windows]))

    def with_noise(
        self, rows: Rows, rng: np.random.Generator, depth: np.ndarray, lane: np.ndarray
    ) -> Batch:
        """Draw noise and levels for packed rows; frames that follow dreamed ones have no other."""
        config, shape = self.config, rows.frame_doc.shape
        noise = rng.standard_normal((2, *rows.latents.shape), dtype=np.float32)
        levels = 1 / (1 + np.exp(-rng.normal(config.level_mean, config.level_std, shape)))
        pure = (rng.random(shape) < config.pure_share) | (depth > 0)
        levels = np.where(pure, rng.uniform(0.96, 1.0, shape), levels)
        history = rng.uniform(0, config.history_level, shape) * (rng.random(shape) < 0.5)
        history = np.maximum(history, config.base_level)
        levels, history = levels.astype(np.float32), history.astype(np.float32)
        arrays = (*rows, *noise, levels, history, rows.latents, depth, lane)
        return Batch(*map(torch.from_numpy, arrays))

    def _example(
        self, track: Track, first: int, rng: np.random.Generator, asides: list[Talk]
    ) -> Example:
        """Dress a window in a template, and ask about its last frame what there is to ask."""
        window = self._window(track, first)
        room = self.config.text_length - sum(talk.length for talk in asides)
        asked_after = any(talk.asked == [self.tokenizer.mark(INFER)] for talk in asides)
        if track.start in self._labelled:
            example = self._dress(window, track.world, room, rng, hide_last=asked_after)
        else:
            example = simulate(window, self.tokenizer, room, [False] * len(window.actions))
        if len(example.frames) == len(window.latents):
            for talk in asides:
                aside(example, self.tokenizer, talk.asked, talk.said)
        return example

    def _dress(
        self, window: Window, world: str, room: int, rng: np.random.Generator, hide_last: bool
    ) -> Example:
        """Return the window in a template of at most `room` tokens, its last action hidden or not.

        Where an instruction is followed no action is hidden, and nothing is asked after it.
        """
        config, kind = self.config, rng.random()
        if kind < config.say_share:
            return say(window, self.tokenizer, room)
        kind -= config.say_share
        if kind < config.follow_share and window.sentences[0] and not hide_last:
            return follow(window, self.tokenizer, room)
        plain = 0 <= kind - config.follow_share < config.watch_share
        keep = [not plain and rng.random() >= config.action_drop for _ in window.actions]
        keep[-1] = keep[-1] and not hide_last
        prompted = rng.random() < config.prompt_share
        prompt = self._prompts.get(world, ()) if prompted else ()
        return simulate(window, self.tokenizer, room, keep, prompt)

    def _asides(self, track: Track, first: int, rng: np.random.Generator) -> list[Talk]:
        """Choose what to ask of the last frame of a window; half of the text is for that."""
        share = self.config.aside_share
        if not share or rng.random() >= share or track.start not in self._labelled:
            return []
        last = first + self.config.window - 1
        return self.talks.about(track, last, self.config.text_length // 2, rng)

    def _talks(self, rows: int, rng: np.random.Generator) -> list[Example]:
        """Ask after as many clips as rows have room for; what is left over is dropped."""
        places = [self._place(rng) for _ in range(rows * self.config.window)]
        asked = (self.talks(*at, rng) for at in places if at[0].start in self._labelled)
        return [example for example in asked if example]

    def _rarity(self) -> np.ndarray:
        """Weigh every place at which a window may begin."""
        steps, shares = self.config.window - 1, self.config.shares
        counts = {world: Counter[tuple[int, ...]]() for world in {t.world for t in self.tracks}}
        for track in self.tracks:
            counts[track.world].update(map(tuple, track.actions))
        if shares and (shares.keys() != counts.keys() or min(shares.values()) <= 0):
            raise WorldsimError(
                f"batch.shares={shares} are not one share above 0 for each of the worlds in the "
                f"data: {', '.join(sorted(counts))}"
            )
        weights = []
        for track in self.tracks:
            seen = counts[track.world]
            total = seen.total()
            step = [(seen[tuple(a)] / total) ** -self.config.balance for a in track.actions]
            sums = np.cumsum([0.0, *step])
            weights.append(sums[steps:] - sums[:-steps])
        of_world = dict.fromkeys(counts, 0.0)
        for track, weight in zip(self.tracks, weights, strict=True):
            of_world[track.world] += float(weight.sum())
        if shares:
            weights = [
                weight * (shares[track.world] / of_world[track.world])
                for track, weight in zip(self.tracks, weights, strict=True)
            ]
        return np.concatenate(weights)

    def _window(self, track: Track, first: int) -> Window:
        return track.window(self.latents, first, self.config.window - 1)

    def _place(self, rng: np.random.Generator) -> tuple[Track, int]:
        """Draw where a window begins, places with rare actions more often."""
        chance = rng.random() * self._chances[-1]
        place = int(np.searchsorted(self._chances, chance, side="right"))
        index = int(np.searchsorted(self._ends, place, side="right"))
        return self.tracks[index], int(place - (self._ends[index - 1] if index else 0))
