"""When all else is learnt: what pictures look like, to invent what one does not show.

First cells of pictures are named and drawn (`Tiles`), then it is learnt which may be where
(`Inventor`). It needs no play, only frames, and sees many more of them than an update of everything
could.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm.auto import tqdm

from worldsim.critic import Critic
from worldsim.errors import WorldsimError
from worldsim.inventor import Inventor, asked, shown
from worldsim.metrics import LPIPS
from worldsim.model import WorldTransformer
from worldsim.precision import multiplies_bf16, side_by_side
from worldsim.tiles import NONE
from worldsim.train.album import Album, Shown, hint_of
from worldsim.train.parts import learn_once
from worldsim.train.run import RunFolder

FILE = "{}-{}.safetensors"  # of a run's folder: what so many updates have learnt
STATE = "{}-{}.pt"  # what a killed run goes on from
SAVE_MINUTES = 5.0  # between those
SMOOTH = 0.999  # of averaged weights, that is left after an update
TILES = 0.25  # of the updates, that are for `Tiles`
REAL = 0.1  # how much it counts that what is drawn looks real
RATES = {"tiles": 1e-3, "inventor": 1e-3}


def fit_inventor(
    network: WorldTransformer,
    album: Album,
    run: RunFolder,
    steps: int,
    pictures: int = 48,
    rates: dict[str, float] = RATES,
) -> None:
    """Let a network's `Inventor` learn, or take what an earlier call has learnt in this run.

    Args:
        network: Nothing else of it learns.
        album: Shows frames.
        run: Its folder keeps what was learnt.
        steps: Updates; before them a third as many, of what draws.
        pictures: Of an update.
        rates: Of AdamW for both, falling to nothing along a half cosine.
    """
    inventor = network.inventor
    if inventor is None:
        raise WorldsimError(f"invent_steps={steps}: nothing invents, set model.invent_width=256")
    first = max(1, round(TILES * steps))
    lessons: list[tuple[str, nn.Module, int, type[Drawing] | type[Naming]]] = [
        ("tiles", inventor.tiles, first, Drawing),
        ("inventor", inventor, max(1, steps - first), Naming),
    ]
    for name, part, count, lesson in lessons:

        def learn(
            name: str = name,
            part: nn.Module = part,
            count: int = count,
            lesson: type[Drawing] | type[Naming] = lesson,
        ) -> None:
            wrong = lesson(network, inventor)
            _learn(name, part, wrong, album, run, count, pictures, rates[name])

        learn_once(part, run, FILE.format(name, count), learn)


class Drawing:
    """How far what tiles draw is from what was there: by pixel, to LPIPS, and to a critic."""

    def __init__(self, network: WorldTransformer, inventor: Inventor):
        self.network, self.inventor = network, inventor
        self.lpips = LPIPS.load(network.device)
        self.helps = Critic(tuple(head.shape[1] for head in self.lpips.heads)).to(network.device)

    def __call__(self, given: Shown) -> Tensor:
        """Return a number."""
        picture, drawn = self.drawn(given)
        real, mine = self.lpips.features(picture), self.lpips.features(drawn)
        apart = (drawn - picture).abs().mean() + self.lpips.between(real, mine).mean()
        fake, blind = self.helps(real, mine)
        return apart + REAL * fake.mean() + blind.mean()

    def drawn(self, given: Shown) -> tuple[Tensor, Tensor]:
        """Return pictures, and the same with what is worn in them drawn."""
        with torch.no_grad():
            picture, hint = hint_of(self.network, given)
            wanted, amount = asked(hint.worn).float(), shown(hint.worn)
        tiles = self.inventor.tiles
        drawn = tiles(tiles.numbers(picture), wanted, hint.picture, hint.worn)
        return picture, picture + amount * (drawn - picture)


class Naming:
    """How surprising words are that were left out, each by those that were not."""

    def __init__(self, network: WorldTransformer, inventor: Inventor):
        self.network, self.inventor = network, inventor
        self.helps = nn.Module()  # nobody

    def __call__(self, given: Shown) -> Tensor:
        """Return nats of a word."""
        inventor, tiles = self.inventor, self.inventor.tiles
        with torch.no_grad():
            picture, hint = hint_of(self.network, given)
            words = tiles.words(tiles.numbers(picture))
            of = asked(hint.worn)
            share = (math.pi / 2 * given.luck[:, :1]).cos()
            luck = given.luck[:, 1:].view(-1, 1, *words.shape[-2:])
            out = of & (luck < share[:, :, None, None])
            told = torch.where(of & ~out, words, NONE)
        left = out.flatten(1)
        first, second = (w.flatten(1)[left] for w in words.unbind(dim=1))
        thought = inventor(told, hint)[left]
        said = inventor.say(thought), inventor.say_second(thought, first)
        pairs = zip(said, (first, second), strict=True)
        surprise = [F.cross_entropy(x.float(), y, reduction="sum") for x, y in pairs]
        return (surprise[0] + surprise[1]) / (2 * left.sum().clamp(min=1))


def _learn(
    name: str,
    part: nn.Module,
    wrong: Drawing | Naming,
    album: Album,
    run: RunFolder,
    steps: int,
    pictures: int,
    rate: float,
) -> None:
    """Make a part less wrong; whoever helps learns with it."""
    device = next(part.parameters()).device
    kind = torch.bfloat16 if multiplies_bf16(device) else torch.float32
    mine, helping = _own(part), list(wrong.helps.parameters())
    side_by_side(part)
    for parameter in mine:
        parameter.requires_grad_(True)
    average = EMAModel(mine, decay=SMOOTH, use_ema_warmup=True, power=0.75)
    optimizer = torch.optim.AdamW(mine + helping, rate, (0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.02)
    learning: list[Any] = [part, average, optimizer]
    learning += [schedule, wrong.helps]
    saved, first, file = time.monotonic(), 0, STATE.format(name, steps)
    if state := run.load_state(file):
        first = state["step"]
        for piece, kept in zip(learning, state["parts"], strict=True):
            piece.load_state_dict(kept)
    bar = tqdm(range(first, steps), desc=name, unit="update", initial=first, total=steps)
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(album, first, pictures)
        for step in bar:
            given = Shown(*(x.to(device) for x in coming.result()))
            coming = ahead.submit(album, step + 1, pictures)
            with torch.autocast(device.type, kind, enabled=kind != torch.float32):
                loss = wrong(given)
            if not torch.isfinite(loss):
                raise WorldsimError(f"pictures are not numbers at update {step}: damaged data?")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(mine, 1.0)
            optimizer.step()
            schedule.step()
            average.step(mine)
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}")
                run.log(step, {f"invent/{name}": loss.item()})
            if time.monotonic() - saved > 60 * SAVE_MINUTES:
                parts = [piece.state_dict() for piece in learning]
                run.save_state({"step": step + 1, "parts": parts}, file)
                saved = time.monotonic()
    average.copy_to(mine)
    part.requires_grad_(False)


def _own(part: nn.Module) -> list[nn.Parameter]:
    """Return what learns: an inventor's tiles are learnt before it."""
    return [p for name, p in part.named_parameters() if not name.startswith("tiles.")]
