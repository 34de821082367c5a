"""A world small enough for tests: a textured plane that slides under a window with the keys.

Its dreams come in kinds: one that knows the plane, one deaf to keys and sentences, one of noise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from worldsim.checkpoint import Start
from worldsim.data import Dataset, DatasetWriter, Episode
from worldsim.world import WorldSpec, key_combinations

PHRASES = {
    "forward": {"seen": ["go on"], "unseen": ["move ahead"]},
    "turn left": {"seen": ["look left"], "unseen": ["rotate to the left"]},
}
SPEC = WorldSpec(
    name="sliding",
    actions=key_combinations(("forward", "back"), ("turn left", "turn right")),
    keys={"w": "forward", "s": "back", "a": "turn left", "d": "turn right"},
    steps_per_second=10.0,
    description="a sliding plane",
    phrases=PHRASES,
    heldout_sources=["map04"],
)
SIZE = 32


@dataclass(frozen=True)
class Place:
    """Where one looks: a plane by its seed, and the window's corner in pixels."""

    plane: int
    row: int
    column: int

    def moved(self, action: str) -> Place:
        row = self.row + 3 * (("back" in action) - ("forward" in action))
        return replace(self, row=row, column=self.column + 3 * _turn(action))

    def view(self) -> np.ndarray:
        colours = np.random.default_rng(self.plane).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        plane = colours.repeat(8, 0).repeat(8, 1)
        rows = np.arange(self.row, self.row + SIZE) % 128
        return plane[rows][:, np.arange(self.column, self.column + SIZE) % 128]


def _turn(action: str) -> int:
    return ("turn right" in action) - ("turn left" in action)


def walk(seed: int, steps: int) -> tuple[Episode, list[Place]]:
    """Walk with keys held for a few steps each."""
    rng = np.random.default_rng(seed)
    places, actions = [Place(seed, *map(int, rng.integers(0, 128, 2)))], []
    while len(actions) < steps:
        action = int(rng.integers(len(SPEC.actions)))
        for _ in range(min(int(rng.integers(2, 7)), steps - len(actions))):
            actions.append(action)
            places.append(places[-1].moved(SPEC.action_text(action)))
    frames = np.stack([place.view() for place in places])
    rewards, texts = np.array([reward_of(place) for place in places[1:]]), [""] * steps
    pose = np.array([(0, -p.row, -p.column * 360 / 128) for p in places], np.float32)
    episode = Episode(frames, np.array(actions), rewards, False, texts, _source(seed), seed, pose)
    return episode, places


def reward_of(place: Place) -> float:
    """The left half of a plane pays."""
    return float(place.column % 128 < 64)


def _source(seed: int) -> str:
    """Mazes mostly; two maps, one of which occurs at large seeds only."""
    if seed % 3:
        return f"maze-{seed:06d}"
    return "map04" if seed >= 1000 and seed % 2 else "map01"


def write_dataset(path: Path, seeds: range, steps: int = 40) -> Dataset:
    """Write a dataset of walks."""
    with DatasetWriter(path, SPEC, SIZE) as writer:
        for seed in seeds:
            writer.append(walk(seed, steps)[0])
    return Dataset(path)


class SlidingDream:
    """A simulator of the sliding world that knows every place of a dataset, and where it was.

    Args:
        dataset: Where its starts come from.
        num_envs: Lanes.
        deaf: Whether it ignores keys and sentences.
        noisy: Whether it dreams noise.
    """

    image_size = SIZE
    weights_id = "0" * 64
    worlds = {SPEC.name: SPEC}
    stage_ms = {"denoise": 2.0, "commit": 1.0, "decode": 1.0}

    def __init__(
        self, dataset: Dataset, num_envs: int = 4, deaf: bool = False, noisy: bool = False
    ) -> None:
        self.num_envs, self.deaf, self.noisy = num_envs, deaf, noisy
        self.places: dict[bytes, Place] = {}
        self.starts: list[Start] = []
        self.num_steps = 0
        for info in dataset.episodes:
            episode, places = dataset.load(info.index), walk(info.seed, info.length - 1)[1]
            self.places |= {f.tobytes(): p for f, p in zip(episode.frames, places, strict=True)}
            words = [SPEC.action_text(a) for a in episode.actions[:3]]
            self.starts.append(Start(info.source, SPEC.name, episode.frames[:4], words))

    def reset(self, starts: Any, prompts: Any, seeds: Any, lanes: Any = None) -> torch.Tensor:
        assert len(starts) == len(seeds) == self.num_envs
        assert all(len(start.actions) == len(start.frames) - 1 for start in starts)
        self.lanes = [self.places[start.frames[-1].tobytes()] for start in starts]
        self.said: list[str | None] = [None] * self.num_envs
        self.left = [0] * self.num_envs
        self.first, self.since = self.lanes[0], 0
        return self._frames()

    def begin_again(self) -> list[int]:
        """The first of the lanes does so every eight steps."""
        if self.since < 8:
            return []
        self.lanes[0], self.since = self.first, 0
        return [0]

    def say(self, texts: Any) -> None:
        meaning = {
            phrase: action
            for action, kinds in PHRASES.items()
            for phrases in kinds.values()
            for phrase in phrases
        }
        known = [next((p for p in meaning if text and p in text), None) for text in texts]
        self.said = [meaning[phrase] if phrase else None for phrase in known]
        counts = [re.search(r"\d+", text or "") for text in texts]
        self.left = [int(count[0]) if count else 10**6 for count in counts]

    def step(self, actions: Any) -> Any:
        self.num_steps += 1
        self.since += 1
        said = [s if left > 0 else None for s, left in zip(self.said, self.left, strict=True)]
        self.left = [left - 1 for left in self.left]
        words = [a if a is not None else s for a, s in zip(actions, said, strict=True)]
        if not self.deaf:
            self.lanes = [p.moved(w or "stay") for p, w in zip(self.lanes, words, strict=True)]
        rewards = torch.tensor([0.0 if self.noisy else reward_of(place) for place in self.lanes])
        ends = torch.zeros(self.num_envs)
        said = {"frames": self._frames(), "rewards": rewards, "end_chances": ends}
        return type("Step", (), said)()

    def snapshot(self) -> Any:
        return list(self.lanes)

    def restore(self, snapshot: Any) -> None:
        self.lanes = list(snapshot)

    def reconstruct(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.clone()

    def flow_loss(self, frames: torch.Tensor, actions: Any, generator: torch.Generator) -> float:
        """A loss of 1, and more for every action that does not lead to its frame."""
        wrong = 0
        for row, words in zip(frames.numpy(), actions, strict=True):
            places = [self.places[frame.tobytes()] for frame in row]
            pairs = zip(places[:-1], places[1:], words, strict=True)
            wrong += sum(not self.deaf and a.moved(w) != b for a, b, w in pairs)
        return 1.0 + wrong / frames.shape[0] / (frames.shape[1] - 1)

    def _frames(self) -> torch.Tensor:
        views = np.stack([place.view() for place in self.lanes])
        if self.noisy:
            views = np.random.default_rng(self.num_steps).integers(0, 256, views.shape, np.uint8)
        self.places |= {v.tobytes(): p for v, p in zip(views, self.lanes, strict=True)}
        return torch.from_numpy(views)
