"""Reads a dataset written by `DatasetWriter`, also while it is being written."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from worldsim.data import files, layout
from worldsim.data.episode import DEPTH_SIDE, Episode, Facts
from worldsim.data.stats import column_values
from worldsim.data.tasks import read_tasks
from worldsim.data.video import decode_video
from worldsim.errors import WorldsimError


@dataclass(frozen=True)
class EpisodeInfo:
    """What is known of an episode without opening it.

    Attributes:
        index: Its place in the dataset.
        length: Number of frames, T+1.
        source: Name of the map its frames come from.
        seed: Seed the map and the walk were made from.
        video_sha256: Digest of its mp4 file.
    """

    index: int
    length: int
    source: str
    seed: int
    video_sha256: str


class Steps(NamedTuple):
    """An episode without its frames; fields as in `Episode`."""

    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    texts: list[str]
    pose: np.ndarray | None
    facts: list[Facts] | None
    depth: np.ndarray | None


class Dataset:
    """The complete episodes of a dataset as they were when it was opened.

    A damaged file is an error, never skipped: training on less than was asked for would go
    unnoticed. The dataset does not know about clips, batches or splits.

    Attributes:
        path: Folder of the dataset.
        spec: The world the episodes come from.
        image_size: Height and width of the frames in pixels.
        episodes: One `EpisodeInfo` an episode, in order.
        tasks: The sentences, by number.

    Raises:
        WorldsimError: There is no dataset, it is damaged, or another program made it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.spec, self.image_size = layout.read_info(self.path)
        self.episodes = _read_episodes(self.path)
        # After the episodes: a sentence is on disk before the first episode that uses it.
        self.tasks = read_tasks(self.path)

    @property
    def fps(self) -> float:
        """Frames a second of world time."""
        return self.spec.steps_per_second

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.episodes)

    def load(self, index: int) -> Episode:
        """Read one episode completely.

        Raises:
            WorldsimError: There is no such episode, or one of its files is missing or damaged.
        """
        if not 0 <= index < len(self):
            raise WorldsimError(
                f"no episode {index} in '{self.path}': it has {len(self)}, numbered from 0"
            )
        info = self.episodes[index]
        try:
            return self._load(info)
        except WorldsimError as error:
            raise WorldsimError(f"episode {index}: {error}") from error

    def load_steps(self, index: int) -> Steps:
        """Read what was done and said in an episode, without its frames.

        Raises:
            WorldsimError: There is no such episode, or its rows are missing or damaged.
        """
        return self._load_steps(self.episodes[index])

    def _load(self, info: EpisodeInfo) -> Episode:
        """Read rows and frames and put them together."""
        steps = self._load_steps(info)
        frames = self._load_frames(info)
        return Episode(frames=frames, source=info.source, seed=info.seed, **steps._asdict())

    def _load_steps(self, info: EpisodeInfo) -> Steps:
        path = layout.data_file(self.path, info.index)
        table = files.read_table(path, layout.FRAME_SCHEMA, layout.SIGHT_SCHEMA)
        if len(table) != info.length:
            raise WorldsimError(
                f"{path} holds {len(table)} rows where {info.length} are expected: "
                "it is damaged or was replaced; restore it or collect again"
            )
        columns = {name: column_values(table, name) for name in layout.FRAME_SCHEMA.names}
        self._check(path, columns["action"], len(self.spec.actions), "an action")
        self._check(path, columns["task_index"], len(self.tasks), "a sentence")
        pose = columns["observation.state"]
        return Steps(
            actions=columns["action"][:-1],
            rewards=columns["next.reward"][:-1],
            terminated=bool(columns["next.done"].any()),
            texts=[self.tasks[number] for number in columns["task_index"][:-1]],
            pose=None if np.isnan(pose).any() else pose,
            facts=_facts(path, table),
            depth=_depth(table),
        )

    def _check(self, path: Path, numbers: np.ndarray, limit: int, what: str) -> None:
        """Refuse numbers that stand for nothing."""
        bad = numbers[(numbers < 0) | (numbers >= limit)]
        if len(bad):
            raise WorldsimError(
                f"{path} refers to {what} numbered {bad[0]}, but there are {limit}: "
                "it is damaged or was replaced; restore it or collect again"
            )

    def _load_frames(self, info: EpisodeInfo) -> np.ndarray:
        """Decode the video after making sure that it is the one that was written."""
        path = layout.video_file(self.path, info.index)
        digest = files.file_sha256(path)
        frames = decode_video(path, info.length)
        if digest != info.video_sha256:
            raise WorldsimError(
                f"video {path} is not what was written (its SHA-256 differs): "
                "restore it or collect again"
            )
        return frames


def _facts(path: Path, table: pa.Table) -> list[Facts] | None:
    """Return what is true of each frame, if the table says it."""
    if "observation.facts" not in table.column_names:
        return None
    texts = table["observation.facts"].to_pylist()
    if not any(texts):
        return None
    try:
        facts = [json.loads(text) for text in texts]
    except (TypeError, ValueError) as error:
        raise WorldsimError(
            f"{path} has facts that are no JSON ({error}): restore it or collect again"
        ) from error
    if not all(isinstance(fact, dict) for fact in facts):
        raise WorldsimError(f"{path} has facts of another kind: restore it or collect again")
    return facts


def _depth(table: pa.Table) -> np.ndarray | None:
    """Return the depth pictures, if the table has any."""
    if "observation.depth" not in table.column_names:
        return None
    depth = column_values(table, "observation.depth").reshape(-1, DEPTH_SIDE, DEPTH_SIDE)
    return depth if depth.any() else None


def _read_episodes(root: Path) -> list[EpisodeInfo]:
    """List the complete episodes and make sure that none is missing in between."""
    entries = sorted(root.glob("meta/episodes/chunk-*/file-*.parquet"), key=layout.index_of)
    infos = []
    for expected, file in enumerate(entries):
        if layout.index_of(file) != expected:
            raise WorldsimError(
                f"{layout.episode_file(root, expected)} is missing while later episodes exist: "
                "restore it or collect again"
            )
        row = files.read_table(file, layout.EPISODE_SCHEMA).to_pylist()
        if len(row) != 1 or row[0]["episode_index"] != expected or row[0]["length"] < 2:
            raise WorldsimError(
                f"{file} does not describe episode {expected}: restore it or collect again"
            )
        keep = {field.name: row[0][field.name] for field in fields(EpisodeInfo)[1:]}
        infos.append(EpisodeInfo(expected, **keep))
    return infos
