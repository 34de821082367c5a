"""Appends episodes to a dataset, so that a kill at any moment costs only the unfinished one."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import pyarrow as pa

from worldsim.data import files, layout
from worldsim.data.episode import DEPTH_SIDE, Episode
from worldsim.data.stats import write_stats
from worldsim.data.tasks import read_tasks, write_tasks
from worldsim.data.video import encode_video
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

try:
    import fcntl
except ImportError:  # Windows: the one-writer rule is then up to the user.
    fcntl = None  # type: ignore[assignment]


class DatasetWriter:
    """Opens a new dataset or resumes an existing one of the same world and image size.

    An episode is complete once its file under `meta/episodes` exists; that file is written last.
    Leftovers of an episode that was not completed are removed on resume. One process writes at a
    time. The writer does not know how episodes come about, and never changes a complete one.

    Args:
        path: Folder of the dataset; made if missing.
        spec: The world all episodes come from.
        image_size: Height and width of the frames in pixels.

    Raises:
        WorldsimError: The folder belongs to another world or size, is damaged or in use, or
            cannot be written to.
    """

    def __init__(self, path: str | Path, spec: WorldSpec, image_size: int) -> None:
        self.path, self.spec, self.image_size = Path(path), spec, image_size
        self.num_episodes = 0
        self.num_frames = 0
        self._tasks: list[str] = [""]
        resume = (self.path / layout.INFO_PATH).exists()
        if not resume and self.path.is_dir() and any(self.path.glob("[!.]*")):
            _refuse_foreign_folder(self.path)
        self._lock: IO[str] | None = _lock(self.path)
        if resume:
            self._resume()
        else:
            write_tasks(self.path, self._tasks)
        self._numbers = {text: number for number, text in enumerate(self._tasks)}
        self._write_info()

    def append(self, episode: Episode) -> None:
        """Add one episode; it is either there completely afterwards or not at all.

        Raises:
            WorldsimError: The episode does not fit this dataset, or the disk is full.
        """
        self._check(episode)
        index = self.num_episodes
        files.write_atomically(
            layout.video_file(self.path, index),
            lambda path: encode_video(path, episode.frames, self.spec.steps_per_second),
        )
        self._number_sentences(episode.texts)
        files.write_table(layout.data_file(self.path, index), self._rows(episode))
        files.write_table(layout.episode_file(self.path, index), self._entry(episode))
        self.num_episodes += 1
        self.num_frames += len(episode.frames)
        self._write_info()

    def close(self) -> None:
        """Write the statistics and let others write; needless for the episodes to be safe."""
        if self._lock is None:
            return
        try:
            if self.num_episodes:
                write_stats(self.path, self.num_episodes)
        finally:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> DatasetWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, also after an error."""
        self.close()

    def _resume(self) -> None:
        """Count what is complete, remove what is not."""
        spec, image_size = layout.read_info(self.path)
        self._check_world(spec, image_size)
        entries = sorted(map(layout.index_of, self.path.glob("meta/episodes/chunk-*/*.parquet")))
        if entries != list(range(len(entries))):
            missing = next(i for i, entry in enumerate(entries) if i != entry)
            raise WorldsimError(
                f"{layout.episode_file(self.path, missing)} is missing while later episodes "
                "exist: restore it, or collect into another path="
            )
        self.num_episodes = len(entries)
        if entries:
            last = files.read_table(
                layout.episode_file(self.path, entries[-1]), layout.EPISODE_SCHEMA
            )
            self.num_frames = last["dataset_to_index"][0].as_py()
        self._tasks = read_tasks(self.path)
        _remove_leftovers(self.path, self.num_episodes)

    def _check_world(self, spec: WorldSpec, image_size: int) -> None:
        """Refuse to add to what was collected otherwise, be it only with other sentences."""
        remedy = "choose another path="
        spec.check_same(self.spec, f"'{self.path}'", "what is to be added", remedy)
        if image_size != self.image_size:
            raise WorldsimError(
                f"'{self.path}' holds frames of {image_size} pixels, not of {self.image_size}: "
                f"{remedy}"
            )
        then, now = spec.to_dict(), self.spec.to_dict()
        changed = [name for name in then if then[name] != now[name]]
        if changed:
            raise WorldsimError(
                f"'{self.path}' was collected with other {changed[0]} of the world '{spec.name}': "
                f"{remedy}"
            )

    def _check(self, episode: Episode) -> None:
        """Refuse an episode that does not fit, before anything is written."""
        if self._lock is None:
            raise WorldsimError(f"dataset '{self.path}' was closed: open a new DatasetWriter")
        size = episode.frames.shape[1:3]
        if size != (self.image_size, self.image_size):
            raise WorldsimError(
                f"frames of '{episode.source}' are {size[0]}×{size[1]}, dataset '{self.path}' "
                f"holds {self.image_size}×{self.image_size}: use image_size={self.image_size}"
            )
        low, high = int(episode.actions.min()), int(episode.actions.max())
        self.spec.action_text(low if low < 0 else high)

    def _number_sentences(self, texts: list[str]) -> None:
        """Give new sentences numbers, on disk before the episode that says them counts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._numbers]
        if new:
            write_tasks(self.path, self._tasks + new)
            self._tasks += new
            self._numbers = {text: number for number, text in enumerate(self._tasks)}

    def _rows(self, episode: Episode) -> pa.Table:
        """Return one row a frame; the last row has no action, so it is padded."""
        length = len(episode.frames)
        pose = episode.pose
        if pose is None:
            pose = np.full((length, 3), np.nan, dtype=np.float32)
        tasks = [self._numbers[text] for text in episode.texts]
        done = np.zeros(length, dtype=bool)
        done[-2] = episode.terminated
        frame = np.arange(length, dtype=np.int64)
        columns: dict[str, Any] = {
            "observation.state": pa.FixedSizeListArray.from_arrays(
                np.ascontiguousarray(pose).reshape(-1), 3
            ),
            "action": np.append(episode.actions, 0),
            "next.reward": np.append(episode.rewards, np.float32(0)),
            "next.done": done,
            "timestamp": (frame / self.spec.steps_per_second).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, self.num_episodes, dtype=np.int64),
            "index": frame + self.num_frames,
            "task_index": np.array([*tasks, tasks[-1]], dtype=np.int64),
        }
        depth = episode.depth
        if depth is None:
            depth = np.zeros((length, DEPTH_SIDE, DEPTH_SIDE), np.uint16)
        columns |= {
            "observation.facts": [json.dumps(facts) for facts in episode.facts or []]
            or [""] * length,
            "observation.depth": pa.FixedSizeListArray.from_arrays(
                np.ascontiguousarray(depth).reshape(-1), DEPTH_SIDE**2
            ),
        }
        fields = [*layout.FRAME_SCHEMA, *layout.SIGHT_SCHEMA]
        return pa.table(columns, schema=pa.schema(fields))

    def _entry(self, episode: Episode) -> pa.Table:
        """Return the row that says the episode exists, and where."""
        chunk, file = layout.place(self.num_episodes)
        length, video = len(episode.frames), f"videos/{layout.VIDEO_KEY}"
        row = {
            "episode_index": self.num_episodes,
            "tasks": list(dict.fromkeys(episode.texts)),
            "length": length,
            "dataset_from_index": self.num_frames,
            "dataset_to_index": self.num_frames + length,
            f"{video}/from_timestamp": 0.0,
            f"{video}/to_timestamp": length / self.spec.steps_per_second,
            "source": episode.source,
            "seed": episode.seed,
            "video_sha256": files.file_sha256(layout.video_file(self.path, self.num_episodes)),
        }
        for kind in ("data", video, "meta/episodes"):
            row |= {f"{kind}/chunk_index": chunk, f"{kind}/file_index": file}
        return pa.Table.from_pylist([row], schema=layout.EPISODE_SCHEMA)

    def _write_info(self) -> None:
        """Bring `meta/info.json` up to date; its counts are for other programs, not for ours."""
        counts = self.num_episodes, self.num_frames, len(self._tasks)
        info = layout.make_info(self.spec, self.image_size, *counts)
        files.write_json(self.path / layout.INFO_PATH, info)


def _refuse_foreign_folder(path: Path) -> None:
    """Never start a dataset among files that are something else."""
    if {entry.name for entry in path.glob("[!.]*")} != {"meta"}:
        raise WorldsimError(f"'{path}' is not empty and not a dataset: choose another path=")


def _lock(path: Path) -> IO[str]:
    """Hold the folder for this process; the system lets go when the process ends, however."""
    handle: IO[str] | None = None
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = open(path / ".lock", "a", encoding="utf-8")  # noqa: SIM115 - held until close()
        if fcntl is not None:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    except BlockingIOError:
        if handle is not None:
            handle.close()
        raise WorldsimError(
            f"another program is writing to '{path}': wait for it or choose another path="
        ) from None
    except OSError as error:
        raise WorldsimError(
            f"cannot write to '{path}' ({error.strerror}): choose another path="
        ) from error


def _remove_leftovers(path: Path, num_episodes: int) -> None:
    """Delete temporary files, and files of episodes that were never completed."""
    for temporary in path.rglob("*.tmp"):
        temporary.unlink(missing_ok=True)
    for pattern in ("data/chunk-*/file-*", f"videos/{layout.VIDEO_KEY}/chunk-*/file-*"):
        for file in path.glob(pattern):
            with contextlib.suppress(ValueError):
                if layout.index_of(file) >= num_episodes:
                    file.unlink(missing_ok=True)
