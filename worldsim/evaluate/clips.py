"""Stretches of real episodes, and what a model dreams when it is shown their beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from worldsim.checkpoint import Start
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.evaluate.index import Window
from worldsim.metrics import LPIPS, as_images
from worldsim.world import WorldSpec


class Step(Protocol):
    """What a dreamed step gives."""

    @property
    def frames(self) -> Tensor:
        """The frames, uint8 `(B, H, W, 3)`."""

    @property
    def rewards(self) -> Tensor:
        """What the step pays, `(B,)`."""

    @property
    def end_chances(self) -> Tensor:
        """How likely it is that the episode ends with it, `(B,)`."""


class Dreamer(Protocol):
    """The part of `worldsim.simulator.Simulator` that evaluation uses."""

    num_envs: int
    image_size: int
    weights_id: str
    worlds: dict[str, WorldSpec]

    def reset(
        self, starts: Sequence[Start], prompts: Sequence[str | None] | None, seeds: Sequence[int]
    ) -> Tensor:
        """Show every lane its start."""

    def step(self, actions: Sequence[str | None]) -> Step:
        """Act in every lane."""

    def begin_again(self) -> list[int]:
        """Let lanes with too little left of what they saw go on from there; return which."""

    def say(self, texts: Sequence[str | None]) -> None:
        """Say a sentence in every lane."""

    def imagine(self, prompts: Sequence[str], seeds: Sequence[int] | None = None) -> Tensor:
        """Draw a first frame for the sentence of every lane."""

    def reconstruct(self, frames: Tensor) -> Tensor:
        """Pass uint8 frames `(B, H, W, 3)` through the codec and back."""

    def flow_loss(
        self, frames: Tensor, actions: list[list[str]], generator: torch.Generator
    ) -> float:
        """Return the mean flow loss on windows `(B, T+1, H, W, 3)`."""


@dataclass
class Clips:
    """N stretches of real episodes of one length.

    Attributes:
        spec: The world they come from.
        frames: uint8 `(N, context + horizon, H, W, 3)`.
        actions: int64 `(N, context + horizon - 1)`.
        context: Frames the model is shown.
    """

    spec: WorldSpec
    frames: np.ndarray
    actions: np.ndarray
    context: int

    def __len__(self) -> int:
        """Return the number of stretches."""
        return len(self.frames)

    @property
    def future(self) -> np.ndarray:
        """What really happened, uint8 `(N, horizon, H, W, 3)`."""
        return self.frames[:, self.context :]

    @property
    def future_actions(self) -> np.ndarray:
        """What was really done, int64 `(N, horizon)`; entry i leads to `future[:, i]`."""
        return self.actions[:, self.context - 1 :]

    def words(self, row: int) -> list[str]:
        """Return the context's actions in words."""
        return [self.spec.action_text(int(a)) for a in self.actions[row, : self.context - 1]]

    def start(self, row: int) -> Start:
        """Return the context of one stretch as a start."""
        return Start(
            name=f"eval-{row}",
            world=self.spec.name,
            frames=self.frames[row, : self.context],
            actions=self.words(row),
        )

    def pick(self, rows: Sequence[int] | np.ndarray) -> Clips:
        """Return some of the stretches, also repeatedly."""
        rows = np.asarray(rows)
        return Clips(self.spec, self.frames[rows], self.actions[rows], self.context)


def load_clips(
    dataset: Dataset, windows: list[Window], context: int, horizon: int, image_size: int
) -> Clips:
    """Load the windows' frames and actions at the model's picture size."""
    number = {(info.source, info.seed): info.index for info in dataset.episodes}
    frames: list[np.ndarray | None] = [None] * len(windows)
    actions: list[np.ndarray | None] = [None] * len(windows)
    by_episode: dict[int, list[int]] = {}
    for row, window in enumerate(windows):
        by_episode.setdefault(number[window.source, window.seed], []).append(row)
    for index, rows in tqdm(by_episode.items(), desc="load", leave=False):
        episode = dataset.load(index)
        for row in rows:
            first, last = windows[row].start - context + 1, windows[row].start + horizon
            frames[row] = resize(episode.frames[first : last + 1], image_size)
            actions[row] = episode.actions[first:last]
    return Clips(dataset.spec, np.stack(frames), np.stack(actions), context)  # type: ignore[arg-type]


def resize(frames: np.ndarray, size: int) -> np.ndarray:
    """Shrink uint8 frames `(F, H, W, 3)` to `size`; frames are never blown up."""
    if frames.shape[1] == size:
        return frames
    if frames.shape[1] < size:
        raise WorldsimError(
            f"the dataset's frames have {frames.shape[1]} pixels and the model dreams {size}: "
            f"collect with image_size={size}"
        )
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    small = functional.interpolate(images, (size, size), mode="area")
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def dream(
    simulator: Dreamer,
    clips: Clips,
    actions: np.ndarray | None = None,
    sentences: Sequence[str | None] | None = None,
    num_steps: int | None = None,
    seed: int = 0,
    desc: str = "dream",
    begun: list[int] | None = None,
) -> np.ndarray:
    """Let the model dream on from every clip's context.

    Args:
        simulator: The model; its lanes are filled as often as needed.
        clips: Where to start.
        actions: int64 `(N, steps)`; None: the clips' own.
        sentences: `N` texts said once before the first step, instead of any action; None for one
            says nothing.
        num_steps: Steps after a sentence.
        seed: Lane i of the clips dreams with `seed + i`, whatever the number of lanes.
        desc: Label of the progress bar.
        begun: Let dreams begin again, see `Simulator.begin_again`, and note here which clip's did.

    Returns:
        uint8 `(N, steps, H, W, 3)`.
    """
    taken = clips.future_actions if actions is None else actions
    steps = taken.shape[1] if num_steps is None else num_steps
    lanes, size = simulator.num_envs, clips.frames.shape[2]
    out = np.empty((len(clips), steps, size, size, 3), np.uint8)
    batches = range(0, len(clips), lanes)
    bar = tqdm(total=len(batches) * steps, desc=desc, leave=False)
    for first in batches:
        rows = [min(row, len(clips) - 1) for row in range(first, first + lanes)]
        simulator.reset([clips.start(row) for row in rows], None, [seed + row for row in rows])
        if sentences is not None:
            simulator.say([sentences[row] for row in rows])
        filled = min(lanes, len(clips) - first)
        for step in range(steps):
            words: list[str | None] = [None] * lanes
            if sentences is None:
                words = [clips.spec.action_text(int(taken[row, step])) for row in rows]
            if begun is not None:
                begun += [first + lane for lane in simulator.begin_again() if lane < filled]
            frames = simulator.step(words).frames
            out[first : first + filled, step] = frames[:filled].cpu().numpy()
            bar.update()
    bar.close()
    return out


def distance(lpips: LPIPS, frames: np.ndarray, others: np.ndarray) -> float:
    """Return the mean LPIPS of uint8 frames ``(N, H, W, 3)``, pair by pair."""
    with torch.inference_mode():
        pair = (as_images(torch.from_numpy(np.ascontiguousarray(x))) for x in (frames, others))
        return float(lpips(*pair).mean())
