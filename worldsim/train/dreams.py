"""The model's own dreams, shown to it as history while it learns.

A rollout's history is never real, and what is slightly wrong at one step is its past at the next.
So every so many updates the model dreams along recorded play, far past where its dream still
agrees with what was recorded, and rows of the batches follow these dreams. Sources: dataset
aggregation (Ross et al. 2011, 1011.0686), self-forcing (Huang et al. 2025, 2506.08009).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from worldsim.batch import Batch
from worldsim.checkpoint import RolloutConfig
from worldsim.model import WorldTransformer
from worldsim.painter import Nearby, beside
from worldsim.rollout import Rollout
from worldsim.sampler import noise_levels
from worldsim.scene import Drawn
from worldsim.text import TextTokenizer
from worldsim.train.batches import Batches
from worldsim.train.lanes import CONTEXT, Lane

T = TypeVar("T")
DREAMED = "frames", "drifts", "around", "fine"


class Dreams:
    """Dreams as deep as the batches ask for; knows nothing of losses.

    They are drawn by the very code that draws them in play, in as many passes.

    Args:
        network: Dreams with the weights it has at the time.
        tokenizer: Its words.
        rollout: Its window and the noise on history.
        batches: Says where dreams begin and what is done in them.
    """

    def __init__(
        self,
        network: WorldTransformer,
        tokenizer: TextTokenizer,
        rollout: RolloutConfig,
        batches: Batches,
    ):
        self.network, self.tokenizer, self.rollout = network, tokenizer, rollout
        self.batches = batches
        self.generation = -1
        self.frames: Tensor | None = None  # (lanes, depth, c, h, w), halves to save room
        self.drifts: Tensor | None = None  # (lanes, depth, 3, y, x), how they moved
        # What else is known of them, see `painter.Nearby`, (lanes, depth, …) each.
        self.around: Tensor | None = None
        self.fine: Tensor | None = None

    def stale(self, batch: Batch, step: int) -> bool:
        """Whether a batch is to show dreams that are not dreamed yet."""
        return bool(batch.depth.any()) and self.batches.generation(step) != self.generation

    def into(self, batch: Batch) -> Batch:
        """Show history as it was dreamed wherever a batch wants it so."""
        if self.frames is None or not batch.depth.any():
            return batch
        at = batch.lane, (batch.depth - 1).clamp(min=0)
        inside = (batch.depth > 0)[:, :, None, None, None]
        seen = torch.where(inside, self.frames[at].to(batch.latents), batch.latents)
        went = batch.went
        if went is not None and self.drifts is not None:
            went = torch.where(inside, self.drifts[at].to(went), went)
        if self.around is None or self.fine is None:
            return batch._replace(seen=seen, went=went)
        around, fine = (
            torch.where(inside, mine[at].to(plain), plain.unflatten(0, seen.shape[:2]))
            for mine, plain in zip(
                (self.around, self.fine),
                beside(self.network.canvas.draw(seen.flatten(0, 1))),
                strict=True,
            )
        )
        return batch._replace(seen=seen, went=went, around=around, fine=fine)

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on in the same dreams."""
        return {name: getattr(self, name) for name in ("generation", *DREAMED)}

    def load(self, state: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.generation, device = state["generation"], self.network.device
        for name in DREAMED:
            setattr(self, name, None if state[name] is None else state[name].to(device))

    @torch.no_grad()
    def renew(self, step: int) -> None:
        """Follow actions from a few real frames on; past an episode's end, none."""
        batches, generation = self.batches, self.batches.generation(step)
        luck, dreamed = torch.Generator().manual_seed(generation), list[Tensor]()
        moved, around, fine = list[Tensor](), list[Tensor](), list[Tensor]()
        for lanes in filter(None, (batches.lanes(step), batches.rests(step))):
            memory = make_memory(self.network, self.tokenizer, self.rollout, batches, len(lanes))
            steps, near, every = list[Drawn](), list[Nearby](), torch.arange(len(lanes))
            for drawn in follow(memory, batches, lanes, luck):
                steps.append(drawn)
                if memory.scene.around:
                    now = memory.scene.around.near(every.to(memory.device))
                    near.append(Nearby(*(x.half() for x in now)))
            dreamed += torch.stack([drawn.latents.half() for drawn in steps[CONTEXT:]], dim=1)
            if self.network.momentum:
                drifts = [drawn.drift for drawn in steps if drawn.drift is not None]
                moved += torch.stack(drifts, dim=1).half()
            if near:
                around += torch.stack([x.around for x in near[CONTEXT:]], dim=1)
                fine += torch.stack([x.fine for x in near[CONTEXT:]], dim=1)
        self.frames = pad_sequence(dreamed, batch_first=True)  # of no use past a lane's last frame
        self.drifts = pad_sequence(moved, batch_first=True) if moved else None
        self.around = pad_sequence(around, batch_first=True) if around else None
        self.fine = pad_sequence(fine, batch_first=True) if fine else None
        self.generation = generation


def make_memory(
    network: WorldTransformer,
    tokenizer: TextTokenizer,
    config: RolloutConfig,
    batches: Batches,
    lanes: int,
) -> Rollout:
    """Return memory for so many dreams of play."""
    c, h, w = batches.latents.shape[1:]
    return Rollout(network, tokenizer, config, lanes, (c, h, w))


def follow(
    memory: Rollout, batches: Batches, lanes: Sequence[Lane], luck: torch.Generator
) -> Iterator[Drawn]:
    """Dream along recorded actions; what the world answered is told as it was.

    Args:
        memory: As many lanes, whatever they remember.
        batches: Has the play.
        lanes: Where to begin, and how far to go.
        luck: Of the noise.

    Yields:
        Frames taken in, first those that really came, then those dreamed.
    """
    every, device = torch.arange(len(lanes), device=memory.device), memory.device
    real = [lane.track.frames(batches.latents, lane.first, CONTEXT) for lane in lanes]
    known = torch.from_numpy(np.stack(real)).to(device)
    levels = noise_levels(memory.config.num_steps, memory.config.shift)
    nothing = memory.tokenizer.reward_id(0.0)
    memory.forget(every)
    for k in range(max(lane.frames for lane in lanes)):
        words = [_at(lane.track.actions, lane.first + k - 1, []) for lane in lanes]
        if k < CONTEXT:
            if k:
                memory.read_step(every, words)
            frame = Drawn(known[:, k])
        else:
            noise = torch.randn(len(lanes), *known.shape[2:], generator=luck)
            frame = memory.draw(every, words, noise, levels)
        memory.commit(every, *frame)
        answers = [_at(lane.track.answers, lane.first + k, nothing) for lane in lanes]
        memory.answer[:] = torch.tensor(answers, device=device)
        yield frame


def _at(values: Sequence[T], index: int, otherwise: T) -> T:
    return values[index] if 0 <= index < len(values) else otherwise
