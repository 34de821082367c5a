"""Frames to mp4 and back, nearly without loss and always the same way.

Full-range 4:4:4 and a low crf, because a model is trained on these pixels; a key frame every few
frames, so that a clip can be cut out anywhere; one thread, because collectors run many processes.
Colours are converted here and not by FFmpeg's scaler, whose rounding darkens a frame by about one
level of 255 on every pass.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from worldsim.errors import WorldsimError

CODEC_OPTIONS = {"crf": "10", "g": "8", "preset": "veryfast", "threads": "1"}


# Full-range BT.601: rows give Y, Cb and Cr of an RGB column; the last two are centred on 128.
RGB_TO_YUV = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    dtype=np.float32,
)
YUV_TO_RGB = np.linalg.inv(RGB_TO_YUV).astype(np.float32)
CENTRE = np.array([0, 128, 128], dtype=np.float32)
# The same in 16-bit fixed point, for writing: sums of floats may differ with the load of the
# machine in what rounds up, and a dataset written twice ought to be the same twice.
FIXED = 1 << 16
FIXED_RGB_TO_YUV = np.rint(RGB_TO_YUV * FIXED).astype(np.int32)
FIXED_CENTRE = (CENTRE * FIXED).astype(np.int32) + FIXED // 2


def encode_video(path: Path, frames: np.ndarray, fps: float) -> None:
    """Write uint8 RGB `(N, H, W, 3)` frames as an H.264 mp4 at `fps` frames a second.

    Raises:
        OSError: The file cannot be written (also PyAV's own errors, which derive from it or
            from ValueError).
    """
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=CODEC_OPTIONS)
        stream.thread_count = 1  # several need not write the same bytes twice
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.color_range = ColorRange.JPEG
        stream.codec_context.colorspace = Colorspace.ITU601
        for pixels in frames:
            yuv = av.VideoFrame.from_ndarray(_to_yuv(pixels), format="yuv444p")
            yuv.color_range, yuv.colorspace = ColorRange.JPEG, Colorspace.ITU601
            container.mux(stream.encode(yuv))
        container.mux(stream.encode())


def decode_video(path: Path, expected: int) -> np.ndarray:
    """Read every frame of an mp4 as uint8 RGB `(expected, H, W, 3)`.

    Raises:
        WorldsimError: The file is missing or damaged, or does not hold `expected` frames.
    """
    try:
        frames = _decode(path)
    except FileNotFoundError:
        raise WorldsimError(f"video {path} is missing: restore it or collect again") from None
    except (av.FFmpegError, IndexError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WorldsimError(
            f"video {path} is damaged ({reason}): restore it or collect again"
        ) from error
    if len(frames) != expected:
        raise WorldsimError(
            f"video {path} holds {len(frames)} frames where its episode has {expected}: "
            "it is damaged or was replaced; restore it or collect again"
        )
    return np.stack(frames)


def _decode(path: Path) -> list[np.ndarray]:
    """Decode one file in one thread."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        # "yuvj444p" is FFmpeg's other name for full-range yuv444p; foreign formats go via RGB.
        return [
            _to_rgb(frame.to_ndarray())
            if frame.format.name in ("yuv444p", "yuvj444p")
            else frame.to_ndarray(format="rgb24")
            for frame in container.decode(stream)
        ]


def _to_yuv(pixels: np.ndarray) -> np.ndarray:
    """Convert uint8 RGB (H, W, 3) to uint8 planes (3, H, W)."""
    red, green, blue = pixels.astype(np.int32).transpose(2, 0, 1)
    rows = zip(FIXED_RGB_TO_YUV.tolist(), FIXED_CENTRE.tolist(), strict=True)
    planes = [(r * red + g * green + b * blue + centre) // FIXED for (r, g, b), centre in rows]
    return np.clip(np.stack(planes), 0, 255).astype(np.uint8)


def _to_rgb(planes: np.ndarray) -> np.ndarray:
    """Convert uint8 planes (3, H, W) to uint8 RGB (H, W, 3)."""
    return _round((planes.transpose(1, 2, 0).astype(np.float32) - CENTRE) @ YUV_TO_RGB.T)


def _round(values: np.ndarray) -> np.ndarray:
    """Round to the nearest byte."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
