"""When all else is learnt: what pictures look like, to invent what one does not show.

Recorded frames are worn down as a dream wears them, and are to be found again: grown until only
means are left, or out of sight. It needs no play, only frames, and sees many more of them than an
update of everything could.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm.auto import tqdm

from worldsim.advection import FAR, WORN
from worldsim.errors import WorldsimError
from worldsim.grammar import describe
from worldsim.inventor import SPREAD, Hint, Inventor, fit
from worldsim.model import WorldTransformer
from worldsim.precision import multiplies_bf16, side_by_side
from worldsim.text import TextTokenizer
from worldsim.train.latents import Track
from worldsim.train.parts import chances_of, learn_once
from worldsim.train.run import RunFolder

FILE = "inventor-{}.safetensors"  # of a run's folder: what so many updates have learnt
STATE = "inventor-{}.pt"  # what a killed run goes on from
SAVE_MINUTES = 5.0  # between those
NOTHING = -1  # in the place of a token
CAPTIONED, PROMPTED = 0.4, 0.2  # of the pictures, with words about them or about their world
ALONE = 0.15  # of them, without another one of the same place
HIDDEN, MIRRORED = 0.5, 0.7  # of them, with a side out of sight; of those, with a mirror there
BLANK = 0.15  # of them, of which nothing is known
NOISE = -0.6, 1.3  # mean and spread of the logarithm of noise over picture
SMOOTH = 0.999  # of averaged weights, that is left after an update


class Shown(NamedTuple):
    """Frames and what is known of them.

    Attributes:
        latents: ``(n, c, h, w)``.
        like: ``(n, c, h, w)``, others of the same episodes.
        alone: ``(n,)``, whether those are not shown.
        words: ``(n, L)`` tokens of what is said about them, padded by `NOTHING`.
        worn: ``(n, 1, H, W)``, see `Hint`.
        source: ``(n, 2, H or W)``, the row and the column that each one shows before it is worn.
        levels: ``(n,)``, of noise.
        noise: ``(n, v, H, W)``.
    """

    latents: Tensor
    like: Tensor
    alone: Tensor
    words: Tensor
    worn: Tensor
    source: Tensor
    levels: Tensor
    noise: Tensor


class Album:
    """Shows frames of recorded play; a function of the seed and the number of an update.

    Args:
        latents: All frames.
        tracks: Recorded play, labelled or not.
        tokenizer: For captions.
        shares: How often frames are of each world, as in `BatchConfig.shares`.
        pixels: (v, H, W), of a frame.
        seed: Of what is shown.
    """

    def __init__(
        self,
        latents: np.ndarray,
        tracks: Sequence[Track],
        tokenizer: TextTokenizer,
        shares: Mapping[str, float],
        pixels: tuple[int, int, int],
        seed: int = 0,
    ):
        self.latents, self.tracks, self.tokenizer = latents, tracks, tokenizer
        self.pixels, self.seed = pixels, seed
        self._chances = chances_of(tracks, shares)

    def __call__(self, step: int, count: int) -> Shown:
        """Show so many frames; the same ones for the same step."""
        rng = np.random.default_rng([self.seed, step, 5])
        chosen = [self.tracks[k] for k in rng.choice(len(self.tracks), count, p=self._chances)]
        at, other = (rng.integers([len(t.actions) + 1 for t in chosen]) for _ in range(2))
        frames, like = (
            np.concatenate([t.frames(self.latents, k, 1) for t, k in zip(chosen, of, strict=True)])
            for of in (at, other)
        )
        said = [self._words(track, int(k), rng) for track, k in zip(chosen, at, strict=True)]
        longest = max(1, max(map(len, said)))
        words = [ids + [NOTHING] * (longest - len(ids)) for ids in said]
        loud = np.exp(rng.normal(*NOISE, count))
        noise = rng.standard_normal((count, *self.pixels), dtype=np.float32)
        worn, source = draw_worn(count, self.pixels[-1], rng)
        return Shown(
            torch.from_numpy(frames), torch.from_numpy(like),
            torch.from_numpy(rng.random(count) < ALONE), torch.tensor(words),
            torch.from_numpy(worn), torch.from_numpy(source),
            torch.from_numpy(loud / (1 + loud)).float(), torch.from_numpy(noise),
        )  # fmt: skip

    def _words(self, track: Track, at: int, rng: np.random.Generator) -> list[int]:
        """Return what is heard of a sentence about a frame, which is all but its first word."""
        chance = rng.random()
        if chance < CAPTIONED and track.facts:
            text = describe(json.loads(track.facts[at]), rng)
            return self.tokenizer.encode(text)[1:] if text else []
        return track.prompt[1:] if chance < CAPTIONED + PROMPTED else []


def draw_worn(count: int, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw how worn pictures are: all of it as much, some of it more, one side out of sight.

    Returns:
        ``(count, 1, side, side)``, see `Hint`, and ``(count, 2, side)``, the row and the column
        that each one shows: beyond an edge it is a mirror that knows the less the farther off.
    """

    def luck(low: float, high: float, *size: int) -> np.ndarray:
        return rng.uniform(low, high, (count, *size)).astype(np.float32)

    line = np.arange(side)
    place = (line + 0.5) / side
    right, down = place - luck(0, 1, 1), place - luck(0.2, 0.8, 1)
    far = np.hypot(right[:, None], down[:, :, None]) / luck(0.1, 0.6, 1, 1)
    worn = luck(0, 4.5, 1, 1) * (luck(0, 1, 1, 1) > 0.35) + luck(-2, 4, 1, 1) * np.exp(-(far**2))
    source = np.tile(line, (count, 2, 1))
    for k in np.flatnonzero(luck(0, 1) < HIDDEN):
        edge, across, turned = rng.integers(1, round(0.8 * side)), rng.integers(2), rng.integers(2)
        beyond = (edge - line).clip(0)
        mirror = np.where(beyond > 0, (2 * edge - 1 - line).clip(max=side - 1), line)
        hidden = WORN * (beyond > 0)
        if rng.random() < MIRRORED:
            hidden = np.log2(1 + beyond).clip(max=FAR)
        if turned:
            mirror, hidden = side - 1 - mirror[::-1], hidden[::-1]
        source[k, across] = mirror
        worn[k] = np.maximum(worn[k], hidden if across else hidden[:, None])
    worn[luck(0, 1) < BLANK] = WORN
    return worn.clip(0, WORN).astype(np.float32)[:, None], source


def fit_inventor(
    network: WorldTransformer,
    album: Album,
    run: RunFolder,
    steps: int,
    pictures: int = 64,
    rate: float = 1e-3,
) -> None:
    """Let a network's `Inventor` learn, or take what an earlier call has learnt in this run.

    Args:
        network: Nothing else of it learns.
        album: Shows frames.
        run: Its folder keeps what was learnt.
        steps: Updates.
        pictures: Of an update.
        rate: Of AdamW, falling to nothing along a half cosine.
    """
    inventor = network.inventor
    if inventor is None:
        raise WorldsimError(f"invent_steps={steps}: nothing invents, set model.invent_width=96")
    learn_once(
        inventor, run, FILE.format(steps),
        lambda: _learn(network, inventor, album, run, steps, pictures, rate),
    )  # fmt: skip


def _learn(
    network: WorldTransformer,
    inventor: Inventor,
    album: Album,
    run: RunFolder,
    steps: int,
    pictures: int,
    rate: float,
) -> None:
    device = network.device
    kind = torch.bfloat16 if multiplies_bf16(device) else torch.float32
    side_by_side(inventor.requires_grad_(True))
    average = EMAModel(inventor.parameters(), decay=SMOOTH, use_ema_warmup=True, power=1.0)
    optimizer = torch.optim.AdamW(inventor.parameters(), rate, (0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.02)
    learning, saved, first = (inventor, average, optimizer, schedule), time.monotonic(), 0
    if state := run.load_state(STATE.format(steps)):
        first = state["step"]
        for part, kept in zip(learning, state["parts"], strict=True):
            part.load_state_dict(kept)
    bar = tqdm(range(first, steps), desc="invent", unit="update", initial=first, total=steps)
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(album, first, pictures)
        for step in bar:
            shown = Shown(*(x.to(device) for x in coming.result()))
            coming = ahead.submit(album, step + 1, pictures)
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                loss = wrong(network, inventor, shown)
            if not torch.isfinite(loss):
                raise WorldsimError(f"pictures are not numbers at update {step}: damaged data?")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(inventor.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.step(inventor.parameters())
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}")
            if time.monotonic() - saved > 60 * SAVE_MINUTES:
                parts = [part.state_dict() for part in learning]
                run.save_state({"step": step + 1, "parts": parts}, STATE.format(steps))
                saved = time.monotonic()
    average.copy_to(inventor.parameters())
    inventor.requires_grad_(False)


def wrong(network: WorldTransformer, inventor: Inventor, shown: Shown) -> Tensor:
    """Return how far guesses are from what was there, each level weighed as in EDM."""
    with torch.no_grad():
        picture, like = (network.canvas.draw(x) for x in (shown.latents, shown.like))
        said = network.words(shown.words.clamp(min=0)) * (shown.words != NOTHING)[..., None]
        like = like * ~shown.alone[:, None, None, None]
        rows, columns = shown.source.unbind(dim=1)
        seen = picture.gather(2, rows[:, None, :, None].expand_as(picture))
        seen = seen.gather(3, columns[:, None, None].expand_as(picture))
        hint = fit(Hint(seen, shown.worn, like, said.sum(dim=1)))
        level = shown.levels[:, None, None, None]
        noisy = (1 - level) * picture + level * shown.noise
    guess = inventor(noisy, shown.levels, hint)
    loud = shown.levels / (1 - shown.levels)
    weight = (loud**2 + SPREAD**2) / (loud * SPREAD) ** 2
    return (weight * (guess - picture).square().mean(dim=(1, 2, 3))).mean()
