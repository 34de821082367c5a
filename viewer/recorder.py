"""A recording: an mp4 and, beside it, a JSON-lines file from which every frame can be replayed.

Sidecar, one JSON object a line. First the header (`FORMAT`, world, model, seed, start, prompt,
Gymnasium id, ...), then what happened, in order:

    {"reset": {"seed": 0, "start": "maze-7", "prompt": null}, "frame": 0, "frame_sha256": "..."}
    {"step": 1, "action": "forward", "action_index": 9, "reward": 0.0, "terminated": false,
     "truncated": false, "frame": 1, "frame_sha256": "..."}
    {"say": "turn left"}
    {"restore_step": 12, "frame": 2, "frame_sha256": "..."}

`frame` is the position in the video; it is null for what happened before the camera was switched
on (kept because replaying needs it). The frame's SHA-256 is of the world's own pixels, before
scaling and compression.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from viewer.video import RecordingError, VideoFile, cannot_write, open_for_writing

FORMAT = "worldsim-recording"
VERSION = 1
Event = dict[str, Any]


def frame_sha256(frame: np.ndarray) -> str:
    """Return the SHA-256 of a frame's pixels."""
    return hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()


def sidecar_path(video: Path) -> Path:
    """Return where the sidecar of a video lies."""
    return video.with_suffix(".jsonl")


class Recorder:
    """Writes video and sidecar together; either failing closes both, playable as far as they go."""

    def __init__(self, path: str | Path, header: Event, scale: int = 4) -> None:
        """Create both files. Raises RecordingError naming the file that cannot be written."""
        self.path = Path(path)
        if self.path.suffix != ".mp4":
            raise RecordingError(f"cannot record to '{path}': name a file that ends in .mp4")
        self._sidecar = _Lines(sidecar_path(self.path))
        try:
            self._video = VideoFile(self.path, header["steps_per_second"], scale)
        except RecordingError:
            self._sidecar.close()
            raise
        self._append_line({"format": FORMAT, "version": VERSION, **header})

    @property
    def num_frames(self) -> int:
        """Frames in the video so far."""
        return self._video.num_frames

    def append(self, event: Event, frame: np.ndarray | None) -> None:
        """Write an event and, unless the camera was off then, its frame (H, W, 3)."""
        if frame is not None:
            event = {**event, "frame": self._video.num_frames}
        self._append_line(event)
        if frame is not None:
            self._append_frame(frame)

    def close(self) -> None:
        """Finish both files."""
        try:
            self._video.close()
        finally:
            self._sidecar.close()

    def _append_line(self, event: Event) -> None:
        try:
            self._sidecar.append(event)
        except RecordingError:
            self._video.close()
            raise

    def _append_frame(self, frame: np.ndarray) -> None:
        try:
            self._video.append(frame)
        except RecordingError:
            self._sidecar.close()
            raise


class _Lines:
    """A JSON-lines file whose every line is on disk, whole, when `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_for_writing(path)
        self._size = 0

    def append(self, event: Event) -> None:
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode()
        try:
            written = self._file.write(line)
            if written < len(line):  # the disk took a part of it: the next write says why
                self._file.write(line[written:])
        except OSError as error:
            with suppress(OSError):  # not a regular file: nothing to cut
                self._file.truncate(self._size)
            self.close()
            raise cannot_write(self.path, error) from error
        self._size += len(line)

    def close(self) -> None:
        self._file.close()
