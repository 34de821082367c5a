"""Recorded play as the transformer meets it: every frame encoded once, every word tokenised.

The cache lies in the run folder as one flat array; it is written once and read by memory map.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from worldsim.codec import Codec, to_float
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.sequence import Window
from worldsim.text import TextTokenizer


@dataclass
class Track:
    """One episode beside its place in the flat array of latents.

    Attributes:
        start: Where its first frame is.
        actions: Tokens of every action.
        sentences: Tokens of the sentence in force at every step; empty for none.
        stretch: Numbers that change where a new sentence begins.
        answers: Reward and end of every frame.
        world: Name of its world.
        ended: Whether its last frame is an end, and not just where it was cut off.
        prompt: Tokens of a sentence about where it plays.
        metres: Length of the unit of its poses.
        pose: ``(frames, 3)``, or None.
        facts: JSON of what each frame shows, or None.
        depth: uint16 ``(frames, DEPTH_SIDE, DEPTH_SIDE)`` centimetres, or None.
        labelled: Whether its actions and sentences are known; else it is only watched.
        stride: From one frame to the next in the flat array; 0 where nothing ever moves.
    """

    start: int
    actions: list[list[int]]
    sentences: list[list[int]]
    stretch: list[int]
    answers: list[int]
    world: str = ""
    ended: bool = False
    prompt: list[int] = field(default_factory=list)
    metres: float = 1.0
    pose: np.ndarray | None = None
    facts: list[str] | None = None
    depth: np.ndarray | None = None
    labelled: bool = True
    stride: int = 1

    def frames(self, latents: np.ndarray, first: int, count: int) -> np.ndarray:
        """Return so many frames from `first` on, float32 ``(count, c, h, w)``."""
        at = self.start + self.stride * np.arange(first, first + count)
        return latents[at].astype(np.float32)

    def lasts(self, at: int) -> int:
        """Return for how many steps from `at` on the sentence in force there holds."""
        held = 1
        while at + held < len(self.stretch) and self.stretch[at + held] == self.stretch[at]:
            held += 1
        return held

    def window(self, latents: np.ndarray, first: int, steps: int) -> Window:
        """Cut `steps` steps beginning at frame `first`."""
        cut = slice(first, first + steps)
        return Window(
            latents=self.frames(latents, first, steps + 1),
            actions=self.actions[cut],
            sentences=self.sentences[cut],
            stretch=self.stretch[cut],
            answers=self.answers[first : first + steps + 1],
        )


@torch.no_grad()
def encode_dataset(dataset: Collection, codec: Codec, path: Path, batch: int = 128) -> np.ndarray:
    """Encode all frames once into ``path`` and return them as a read-only memory map.

    Returns:
        float16 ``(frames, c, h, w)``, episodes one after the other.
    """
    total = sum(info.length for info in dataset.episodes)
    shape = (total, *codec.latent_shape)
    if not path.exists():
        device = next(iter(codec.buffers())).device
        partial = path.with_suffix(".tmp")
        store = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        at = 0
        with tqdm(total=total, desc="encode", unit="frame") as bar:
            for index in range(len(dataset)):
                for frames in torch.from_numpy(dataset.load(index).frames).split(batch):
                    latents = codec.encode(to_float(frames.to(device)))
                    store[at : at + len(frames)] = latents.cpu().numpy()
                    at += len(frames)
                    bar.update(len(frames))
        store.flush()
        partial.rename(path)
    return _load(path, shape)


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        latents = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise WorldsimError(f"{path} is damaged: delete it to encode the frames anew") from error
    if latents.shape != shape:
        raise WorldsimError(
            f"{path} holds latents {latents.shape}, the dataset now has {shape}: it changed since "
            "this run began; choose another out=…"
        )
    return latents


def read_tracks(dataset: Collection, tokenizer: TextTokenizer) -> list[Track]:
    """Tokenise every action, sentence and answer of a dataset."""
    action_ids = {
        name: [tokenizer.encode(words) for words in spec.actions]
        for name, spec in dataset.worlds.items()
    }
    sentence_ids: dict[str, list[int]] = {"": []}
    tracks, start = [], 0
    for index in tqdm(range(len(dataset)), desc="read", unit="episode"):
        steps, spec = dataset.load_steps(index), dataset.spec(index)
        for text in set(steps.texts) - sentence_ids.keys():
            sentence_ids[text] = tokenizer.encode(text)
        ends = [False] * (len(steps.rewards) - 1) + [steps.terminated]
        rewards = [float(r) for r in steps.rewards]
        tracks.append(
            Track(
                start=start,
                actions=[action_ids[spec.name][a] for a in steps.actions],
                sentences=[sentence_ids[text] for text in steps.texts],
                stretch=_stretches(steps.texts),
                answers=[tokenizer.reward_id(0.0)]
                + [tokenizer.reward_id(r, e) for r, e in zip(rewards, ends, strict=True)],
                world=spec.name,
                ended=steps.terminated,
                prompt=tokenizer.encode(spec.describe(dataset.episodes[index].source)),
                metres=spec.metres_per_unit,
                pose=steps.pose,
                # Text takes a tenth of the room that dictionaries do.
                facts=None if steps.facts is None else [json.dumps(f) for f in steps.facts],
                depth=steps.depth,
            )
        )
        start += len(steps.rewards) + 1
    return tracks


def _stretches(texts: list[str]) -> list[int]:
    """Number the runs of equal sentences."""
    changes = [0] + [int(a != b) for a, b in zip(texts[:-1], texts[1:], strict=True)]
    return list(np.cumsum(changes))
