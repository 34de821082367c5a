"""Write an mp4 that survives a kill, a full disk and an odd image size. Knows only frames.

The file is a fragmented mp4 with a key frame every `GROUP` frames: each finished group is on disk
and playable whatever happens next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from worldsim.errors import WorldsimError

GROUP = 8  # frames in a fragment, the most that a kill can lose (0.46 s at 17.5 steps/s)
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
# zerolatency: no frames wait inside the encoder, so a fragment really holds all frames given.
_ENCODER = {"preset": "veryfast", "tune": "zerolatency", "crf": "16"}


class RecordingError(WorldsimError):
    """A recording cannot go on (full disk, unwritable file); the world itself still can."""


class VideoFile:
    """An mp4 file being written, one uint8 RGB frame (H, W, 3) at a time.

    Frames are enlarged `scale` times with hard pixels and padded to even sizes, which the usual
    pixel format needs.
    """

    def __init__(self, path: Path, fps: float, scale: int = 4) -> None:
        """Open the file; the size is taken from the first frame."""
        self.path = path
        self.num_frames = 0
        self._fps = Fraction(fps).limit_denominator(1000)
        self._scale = max(1, int(scale))
        self._file = _Unbuffered(open_for_writing(path))
        self._container: Any = None
        self._stream: Any = None
        self._closed = False
        self._playable_bytes = 0

    def append(self, frame: np.ndarray) -> None:
        """Add a frame; raises RecordingError naming the file when the disk refuses it."""
        import av

        picture = _even(_enlarge(frame, self._scale))
        try:
            if self._container is None:
                self._open(picture.shape[1], picture.shape[0])
            self._mux(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        except (OSError, av.FFmpegError) as error:
            self._give_up()
            raise cannot_write(self.path, error) from error
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file; closing twice is fine."""
        import av

        if self._closed:
            return
        try:
            if self._container is not None:
                self._mux(None)
                self._container.close()
        except (OSError, av.FFmpegError) as error:
            self._give_up()
            raise cannot_write(self.path, error) from error
        self._closed = True
        self._file.close()

    def _open(self, width: int, height: int) -> None:
        import av

        self._container = av.open(self._file, "w", format="mp4", options=dict(_FRAGMENTED))
        self._stream = self._container.add_stream("libx264", rate=self._fps)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.gop_size = GROUP
        self._stream.options = dict(_ENCODER)

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
            # Bytes appear only as whole fragments, so here the file always ends on one.
            self._playable_bytes = self._file.position

    def _give_up(self) -> None:
        """Cut the file back to its last whole fragment and let it go."""
        self._closed = True
        self._file.refuse = True
        with suppress(OSError):  # not a regular file: nothing to cut
            self._file.truncate(self._playable_bytes)
        self._file.close()


class _Unbuffered:
    """A file for PyAV whose every write reaches the operating system or raises."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.position = 0
        self.refuse = False  # set once the disk has failed: a late trailer must not follow a gap

    def write(self, data: Any) -> int:
        left = memoryview(bytes(data))
        size = len(left)
        while left and not self.refuse:  # a disk that fills up takes part of the data first
            written = self._file.write(left)
            self.position += written
            left = left[written:]
        return size

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


def open_for_writing(path: Path) -> Any:
    """Open a file unbuffered, with its folders; RecordingError when that is impossible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb", buffering=0)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: BaseException) -> RecordingError:
    """Return the one error a user reads when a recording cannot be written."""
    code = getattr(error, "errno", None)
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error)
    return RecordingError(
        f"cannot write '{path}': {reason}. What was written before is kept; "
        "choose another file or free some space"
    )


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames (H, W, 3) of a video, up to where a killed writer stopped."""
    import av

    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (OSError, av.FFmpegError) as error:
        raise WorldsimError(f"cannot read video '{path}': {error}") from error


def _enlarge(frame: np.ndarray, scale: int) -> np.ndarray:
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(frame)
