"""Parts of a model that learn by themselves, before or after everything together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from worldsim.errors import WorldsimError
from worldsim.precision import side_by_side
from worldsim.train.latents import Track
from worldsim.train.run import RunFolder

SAVE_MINUTES = 5.0  # between the states that a killed run goes on from
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Lessons:
    """How a part learns by itself.

    Attributes:
        name: Of the part, of its progress bar and of its files in the folder of a run.
        steps: Updates.
        rate: Peak of AdamW, falling to nothing along a half cosine.
        rise: Share of the updates before the peak.
        decay: Of weights, decoupled.
        smooth: Of the averaged weights, which are what is kept, that is left after an update.
    """

    name: str
    steps: int
    rate: float
    rise: float = 0.05
    decay: float = 0.01
    smooth: float = 0.998

    @property
    def file(self) -> str:
        """Name of what so many updates have learnt."""
        return f"{self.name}-{self.steps}.safetensors"


def learn_once(part: nn.Module, run: RunFolder, file: str, learn: Callable[[], None]) -> None:
    """Let a part learn, or take what an earlier call has learnt in this run.

    Args:
        part: Its weights are changed.
        run: Its folder keeps what was learnt.
        file: Under this name; of another name it is learnt anew.
        learn: Changes the weights.
    """
    path = run.path / file
    if path.exists():
        try:
            part.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError, OSError) as error:
            raise WorldsimError(f"{path} is damaged: delete it to let it be learnt anew") from error
        return
    learn()
    partial = path.with_suffix(".tmp")
    save_file({name: x.contiguous() for name, x in part.state_dict().items()}, partial)
    partial.replace(path)


def learn_alone(
    part: nn.Module,
    run: RunFolder,
    lessons: Lessons,
    show: Callable[[int], Shown],
    wrong: Callable[[Shown], Iterable[Tensor]],
) -> None:
    """Let a part learn as in `learn_apart`, or take what an earlier call learnt in this run."""
    learn_once(part, run, lessons.file, lambda: learn_apart(part, run, lessons, show, wrong))


def learn_apart(
    part: nn.Module,
    run: RunFolder,
    lessons: Lessons,
    show: Callable[[int], Shown],
    wrong: Callable[[Shown], Iterable[Tensor]],
    helper: nn.Module | None = None,
) -> None:
    """Let a part learn; a killed run goes on where its state was last saved.

    Args:
        part: Its weights are changed, and nothing else of a model.
        run: Its folder keeps the state.
        lessons: How.
        show: What an update learns from, by its number; called ahead of time in another thread.
        wrong: How wrong the part is about it, in one loss or several that add up.
        helper: Learns beside the part and is not kept.

    Raises:
        WorldsimError: A loss is not a number.
    """
    side_by_side(part)
    both = nn.ModuleList([part, helper] if helper else [part]).requires_grad_(True)
    average = EMAModel(
        both.parameters(), decay=lessons.smooth, use_ema_warmup=True, power=0.75
    )  # fmt: skip
    optimizer = torch.optim.AdamW(
        both.parameters(), lessons.rate, (0.9, 0.99), weight_decay=lessons.decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lessons.rate, lessons.steps, pct_start=lessons.rise
    )
    learning: list[Any] = [both, average, optimizer, schedule]
    saved, first, state_file = time.monotonic(), 0, f"{lessons.name}-{lessons.steps}.pt"
    if state := run.load_state(state_file):
        first = state["step"]
        for one, kept in zip(learning, state["parts"], strict=True):
            one.load_state_dict(kept)
    bar = tqdm(
        range(first, lessons.steps), desc=lessons.name, unit="update", initial=first,
        total=lessons.steps,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(show, first)
        for step in bar:
            shown, coming = coming.result(), ahead.submit(show, step + 1)
            optimizer.zero_grad()
            loss = 0.0
            for term in wrong(shown):
                term.backward()
                loss += term.item()
            if not np.isfinite(loss):
                raise WorldsimError(
                    f"{lessons.name}: the loss is not a number at update {step}: damaged data?"
                )
            nn.utils.clip_grad_norm_(both.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.step(both.parameters())
            if step % 20 == 0:
                bar.set_postfix(loss=f"{loss:.3f}")
            if time.monotonic() - saved > 60 * SAVE_MINUTES:
                parts = [one.state_dict() for one in learning]
                run.save_state({"step": step + 1, "parts": parts}, state_file)
                saved = time.monotonic()
    average.copy_to(both.parameters())
    part.requires_grad_(False)


def chances_of(tracks: Sequence[Track], shares: Mapping[str, float], ahead: int = 0) -> np.ndarray:
    """Return how likely each track is to be drawn from, adding up to 1.

    Args:
        tracks: Long ones are the likelier.
        shares: How often each world is drawn, by its name; none for as often as there is of it.
        ahead: Steps at the end of a track at which nothing begins.
    """
    chances = np.array([len(track.actions) - ahead for track in tracks], float)
    worlds = np.array([track.world for track in tracks])
    for name in np.unique(worlds) if shares else ():
        mine = worlds == name
        chances[mine] *= shares.get(str(name), 0.0) / chances[mine].sum()
    return chances / chances.sum()
