"""Which stretches of play make a batch, and how much noise falls on them.

A batch is a function of the seed and the step number alone: a resumed run sees exactly what the
killed one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from worldsim.batch import Batch, follows_left
from worldsim.errors import WorldsimError
from worldsim.grammar import lasting
from worldsim.hindsight import Hindsight
from worldsim.sequence import Example, Rows, Window, follow, pack, read, say, simulate
from worldsim.text import TextTokenizer
from worldsim.train.batch_config import BatchConfig, check
from worldsim.train.lanes import CONTEXT, Lane, at_rest
from worldsim.train.latents import Track
from worldsim.train.motions import moves_of
from worldsim.train.places import Places
from worldsim.train.talks import SHARES, Talks

MOST_PROSE = 96  # tokens of a sentence of plain text


class Batches:
    """Random access to batches by step number; knows no model and no optimiser.

    A step has rows of play, `batches(step)`, and beside them rows of talk, `batches.talk(step)`.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: list[Track],
        tokenizer: TextTokenizer,
        config: BatchConfig,
        seed: int,
        things: Mapping[str, Sequence[str]] | None = None,
        prose: Sequence[str] = (),
        hindsight: Hindsight | None = None,
    ):
        """Keep references; refuse data whose episodes are all shorter than a window.

        `things` may be asked after in each world, by its name; `prose` is plain text to read; with
        `hindsight`, rows of play say how things moved.
        """
        self.latents, self.tokenizer, self.config, self.seed = latents, tokenizer, config, seed
        self.hindsight = hindsight
        long = [t for t in tracks if len(t.actions) >= config.window - 1]
        if not long:
            raise WorldsimError(
                f"no episode has {config.window} frames: collect longer episodes "
                "(max_steps=…) or lower batch.window"
            )
        check(config)
        self._prose = [tokenizer.encode(text)[:MOST_PROSE] for text in prose]
        # Which episodes are labelled does not depend on the share: a larger one adds to them.
        luck = np.random.default_rng([seed, 1]).permutation(len(long))
        limit = config.labelled_share * len(long)
        self.tracks = [
            replace(t, labelled=bool(k < limit)) for t, k in zip(long, luck, strict=True)
        ]
        known = [track for track in self.tracks if track.labelled]
        others = [track for track in self.tracks if not track.labelled]
        share = 1 - config.labelled_share if config.plain_share is None else config.plain_share
        self._plain_share = (share if known else 1.0) if others else 0.0
        steps = config.window - 1
        known_places = (known, steps, config.balance, config.shares)
        self._known = Places(*known_places) if known else None
        # What is rare is not known of episodes whose actions are not.
        self._others = Places(others, steps, 0.0, config.shares) if others else None
        self.talks = Talks(latents, tokenizer, things or {}, config.talk_shares or SHARES)

    def __call__(self, step: int) -> Batch:
        """Build the batch of a step."""
        rng, config = np.random.default_rng([self.seed, step]), self.config
        lanes = [*self.lanes(step), *self.rests(step)] if step >= config.dream_from else []
        dreams = round(config.dream_share * config.rows) if lanes else 0
        chosen = [int(rng.integers(len(lanes))) for _ in range(dreams)]
        # Shallow dreams more often: there the real frames still line up.
        firsts = [int((lanes[k].frames - config.window + 1) * rng.random() ** 2) for k in chosen]
        places = [
            (lanes[k].track, lanes[k].first + first)
            for k, first in zip(chosen, firsts, strict=True)
        ]
        captions = round(config.imagine_share * config.rows)
        places += [self._place(rng) for _ in range(config.rows - dreams - captions)]
        examples = [self._example(*place, rng) for place in places]
        examples += self._clips(self.talks.imagine, captions * config.window, rng)
        rows, _ = pack(examples, config.rows, config.text_length, config.window, self.tokenizer.pad)
        follows = np.isin(rows.frame_doc, range(dreams))
        lane, begun = (
            np.array([*values, 0])[np.where(follows, rows.frame_doc, -1)]
            for values in (chosen, firsts)
        )
        depth = np.where(follows, begun + rows.frame_time + 1 - CONTEXT, 0).clip(min=0)
        batch = self.with_noise(rows, rng, depth, lane)
        if not self.hindsight:
            return batch
        motion = torch.from_numpy(self.hindsight(rows.latents, follows_left(batch).numpy() > 0))
        return batch._replace(motion=motion, went=motion)

    def talk(self, step: int) -> Batch | None:
        """Build the rows of a step in which frames are only looked at, and asked about."""
        config, rng = self.config, np.random.default_rng([self.seed, step, 1])
        count = config.talk_rows * config.window
        clips = self._clips(self.talks, count, rng)
        if not clips:
            return None
        if self._prose:
            texts = rng.integers(len(self._prose), size=round(config.prose_share * count))
            clips += [read(self._prose[k], self.tokenizer) for k in texts]
            clips = [clips[k] for k in rng.permutation(len(clips))]
        rows, _ = pack(
            clips, config.talk_rows, config.talk_length, config.window, self.tokenizer.pad
        )
        none = np.zeros_like(rows.frame_doc)
        batch = self.with_noise(rows, rng, none, none)
        if self.talks.moved is None:
            return batch
        return batch._replace(moves=torch.from_numpy(moves_of(rows, clips, rng)))

    def generation(self, step: int) -> int:
        """Number the stretches of steps that share their dreams."""
        return step // self.config.dream_every

    def lanes(self, step: int) -> list[Lane]:
        """Return the play that the dreams shown at a step follow; labelled play, of course."""
        config = self.config
        rng = np.random.default_rng([self.seed, self.generation(step), config.dream_depth])
        lanes, whole = list[Lane](), CONTEXT + config.dream_depth
        places = [self._place(rng) for _ in range(config.dream_lanes)]
        for track, first in (place for place in places if place[0].labelled):
            frames = len(track.actions) + 1
            first = min(first, max(0, frames - whole))
            lanes.append(Lane(track, first, min(frames - first, whole)))
        return lanes

    def rests(self, step: int) -> list[Lane]:
        """Return the places at rest that dreams shown at a step stay in, beside `lanes`."""
        config, frames = self.config, CONTEXT + self.config.rest_depth
        rng = np.random.default_rng([self.seed, self.generation(step), config.rest_depth, 1])
        places = [self._place(rng) for _ in range(config.rest_lanes)]
        return [at_rest(*at, frames, self.tokenizer) for at in places if at[0].labelled]

    def sample_latents(self, num: int) -> torch.Tensor:
        """Return the latents of `num` windows, ``(num, window, c, h, w)``."""
        rng, steps = np.random.default_rng(self.seed), self.config.window - 1
        places = [self._place(rng) for _ in range(num)]
        whole = [(track, min(first, len(track.actions) - steps)) for track, first in places]
        return torch.from_numpy(np.stack([self._window(*place).latents for place in whole]))

    def with_noise(
        self, rows: Rows, rng: np.random.Generator, depth: np.ndarray, lane: np.ndarray
    ) -> Batch:
        """Draw noise and levels for packed rows; frames that follow dreamed ones have no other."""
        config, shape = self.config, rows.frame_doc.shape
        noise = rng.standard_normal((2, *rows.latents.shape), dtype=np.float32)
        levels = 1 / (1 + np.exp(-rng.normal(config.level_mean, config.level_std, shape)))
        # What nothing leads to is drawn in many passes, see `RolloutConfig.first_steps`.
        pure = (rng.random(shape) < config.pure_share) & (rows.frame_time > 0) | (depth > 0)
        levels = np.where(pure, rng.uniform(0.96, 1.0, shape), levels)
        history = rng.uniform(0, config.history_level, shape) * (rng.random(shape) < 0.5)
        history = np.maximum(history, config.base_level)
        levels, history = levels.astype(np.float32), history.astype(np.float32)
        arrays = (*rows, *noise, levels, history, rows.latents, depth, lane)
        return Batch(*map(torch.from_numpy, arrays))

    def _place(self, rng: np.random.Generator) -> tuple[Track, int]:
        """Draw where a window begins."""
        plain = self._plain_share > 0 and rng.random() < self._plain_share
        places = self._others if plain else self._known
        assert places is not None, "the share of what there is none of is 0"
        return places(rng)

    def _example(self, track: Track, first: int, rng: np.random.Generator) -> Example:
        """Dress a window in a template."""
        config, kind = self.config, rng.random()
        window, room = self._window(track, first), config.text_length
        if kind < config.say_share + config.follow_share and rng.random() < config.count_share:
            window = replace(window, sentences=self._counted(track, first, rng))
        if not track.labelled:
            return simulate(window, self.tokenizer, room, [False] * len(window.actions))
        if kind < config.say_share:
            return say(window, self.tokenizer, room)
        kind -= config.say_share
        if kind < config.follow_share and window.sentences[0]:
            return follow(window, self.tokenizer, room)
        plain = 0 <= kind - config.follow_share < config.watch_share
        keep = [not plain and rng.random() >= config.action_drop for _ in window.actions]
        prompted = rng.random() < config.prompt_share
        prompt = track.prompt if prompted and len(track.prompt) < room // 2 else ()
        return simulate(window, self.tokenizer, room, keep, prompt)

    def _clips(
        self, template: Callable[..., Example | None], count: int, rng: np.random.Generator
    ) -> list[Example]:
        """Fill a template at so many places, as far as what they show is known."""
        places = [self._place(rng) for _ in range(count)]
        clips = (template(*at, rng) for at in places if at[0].labelled)
        return [clip for clip in clips if clip]

    def _counted(self, track: Track, first: int, rng: np.random.Generator) -> list[list[int]]:
        """Return the sentences of a window, each with the number of steps that it goes on."""
        said: list[list[int]] = []
        for at in range(first, min(first + self.config.window - 1, len(track.actions))):
            if said and track.stretch[at] == track.stretch[at - 1]:
                said.append(said[-1])
            elif track.sentences[at] and track.lasts(at) > 1:
                text = self.tokenizer.decode(track.sentences[at])
                said.append(self.tokenizer.encode(lasting(text, track.lasts(at), rng)))
            else:
                said.append(track.sentences[at])
        return said

    def _window(self, track: Track, first: int) -> Window:
        """Cut a window, a shorter one where the episode ends."""
        steps = min(self.config.window - 1, len(track.actions) - first)
        return track.window(self.latents, first, steps)
