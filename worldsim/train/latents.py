"""Recorded play as the transformer meets it: every frame encoded once, every word tokenised.

The cache lies in the run folder as flat arrays; they are written once and read by memory map.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from worldsim.codec import Codec, to_float
from worldsim.data import Collection
from worldsim.errors import WorldsimError
from worldsim.precision import multiplies_bf16
from worldsim.sequence import Window
from worldsim.text import TextTokenizer


class Store(NamedTuple):
    """All frames of a dataset, episodes one after the other: read-only memory maps."""

    latents: np.ndarray  # float16 (frames, c, h, w)
    pictures: np.ndarray  # uint8 (frames, H, W, 3)


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
        prompt: Tokens of a sentence about where it plays.
        metres: Length of the unit of its poses.
        pose: ``(frames, 3)``, or None.
        facts: JSON of what each frame shows, or None.
        depth: uint16 ``(frames, DEPTH_SIDE, DEPTH_SIDE)`` centimetres, or None.
    """

    start: int
    actions: list[list[int]]
    sentences: list[list[int]]
    stretch: list[int]
    answers: list[int]
    world: str = ""
    prompt: list[int] = field(default_factory=list)
    metres: float = 1.0
    pose: np.ndarray | None = None
    facts: list[str] | None = None
    depth: np.ndarray | None = None

    def window(self, store: Store, first: int, steps: int) -> Window:
        """Cut `steps` steps beginning at frame `first`."""
        cut = slice(first, first + steps)
        at = self.start + first
        return Window(
            latents=store.latents[at : at + steps + 1].astype(np.float32),
            pictures=store.pictures[at : at + steps + 1],
            actions=self.actions[cut],
            sentences=self.sentences[cut],
            stretch=self.stretch[cut],
            answers=self.answers[first : first + steps + 1],
        )


@torch.no_grad()
def encode_dataset(dataset: Collection, codec: Codec, folder: Path, batch: int = 128) -> Store:
    """Encode all frames once into ``latents.npy``, beside their pictures in ``pictures.npy``."""
    total, size = sum(info.length for info in dataset.episodes), dataset.image_size
    paths = folder / "pictures.npy", folder / "latents.npy"
    kinds = ((total, size, size, 3), np.uint8), ((total, *codec.latent_shape), np.float16)
    if not all(path.exists() for path in paths):
        device = next(iter(codec.buffers())).device
        partial = [path.with_suffix(".tmp") for path in paths]
        pictures, latents = (
            np.lib.format.open_memmap(path, "w+", kind, shape)
            for path, (shape, kind) in zip(partial, kinds, strict=True)
        )
        at = 0
        with tqdm(total=total, desc="encode", unit="frame") as bar:
            for episode in _ahead(dataset):
                for frames in torch.from_numpy(episode).split(batch):
                    with torch.autocast(device.type, torch.bfloat16, multiplies_bf16(device)):
                        known = codec.encode(to_float(frames.to(device)))
                    pictures[at : at + len(frames)] = frames.numpy()
                    latents[at : at + len(frames)] = known.float().cpu().numpy()
                    at += len(frames)
                    bar.update(len(frames))
        for store, written, path in zip((pictures, latents), partial, paths, strict=True):
            store.flush()
            written.rename(path)
    shown, encoded = (_load(path, shape) for path, (shape, _) in zip(paths, kinds, strict=True))
    return Store(encoded, shown)


def _ahead(dataset: Collection) -> Iterator[np.ndarray]:
    """Yield the frames of every episode, the next one's read while the last one's are in use."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(dataset.load, 0)
        for index in range(len(dataset)):
            frames = ahead.result().frames
            if index + 1 < len(dataset):
                ahead = pool.submit(dataset.load, index + 1)
            yield frames


def _load(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise WorldsimError(f"{path} is damaged: delete it to encode the frames anew") from error
    if array.shape != shape:
        raise WorldsimError(
            f"{path} holds {array.shape}, the dataset now has {shape}: it changed since this run "
            "began; choose another out=…"
        )
    return array


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
