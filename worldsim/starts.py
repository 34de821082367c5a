"""Clips to begin a dream from, as a checkpoint keeps them: lossless, one picture a clip."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from worldsim.errors import WorldsimError
from worldsim.json_files import damaged, read_json, write_json

LIST_FILE, FRAMES_FILE = "starts.json", "starts.safetensors"


@dataclass(frozen=True)
class Start:
    """A clip to begin a dream from: K frames and the K - 1 actions between them."""

    name: str
    world: str
    frames: np.ndarray  # uint8 (K, H, W, 3)
    actions: list[str]


def check_frames(frames: Any, size: int) -> None:
    """Refuse what is not uint8 ``(N, size, size, 3)``, an array or a tensor."""
    kind = str(frames.dtype).removeprefix("torch.")
    if frames.ndim != 4 or tuple(frames.shape[1:]) != (size, size, 3) or kind != "uint8":
        raise WorldsimError(
            f"frames of shape {tuple(frames.shape)} ({frames.dtype}) do not fit this model: "
            f"give uint8 (N, {size}, {size}, 3)"
        )


def check_start(start: Start, size: int) -> None:
    """Refuse a clip of another size, or with more or fewer actions than lie between its frames."""
    check_frames(start.frames, size)
    if len(start.actions) != len(start.frames) - 1:
        raise WorldsimError(
            f"start '{start.name}' has {len(start.frames)} frames and {len(start.actions)} "
            "actions: give one action less than frames"
        )


def save_starts(folder: Path, starts: list[Start]) -> None:
    """Write start clips; a clip's frames are one PNG, one below the other."""
    frames = {start.name: _pack(start.frames) for start in starts}
    save_file(frames, folder / FRAMES_FILE)
    write_json(
        folder / LIST_FILE,
        [
            {"name": s.name, "world": s.world, "actions": s.actions, "frames": len(s.frames)}
            for s in starts
        ],
    )


def load_starts(folder: Path) -> list[Start]:
    """Read start clips; a checkpoint may have none."""
    list_file, frames_file = folder / LIST_FILE, folder / FRAMES_FILE
    if not list_file.exists() and not frames_file.exists():
        return []
    try:
        frames = load_file(frames_file)
    except (SafetensorError, OSError) as error:
        raise damaged(frames_file, error) from error

    def clips(entries: Any) -> list[Start]:
        return [
            Start(e["name"], e["world"], _unpack(frames[e["name"]], e), e["actions"])
            for e in entries
        ]

    return read_json(list_file, clips)


def _pack(frames: np.ndarray) -> np.ndarray:
    """(K, H, W, 3) -> the bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(frames.reshape(-1, *frames.shape[2:])).save(file, "PNG", optimize=True)
    return np.frombuffer(file.getvalue(), np.uint8)


def _unpack(stored: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """Return frames ``(K, H, W, 3)``; earlier checkpoints store them as they are."""
    if stored.ndim == 4:
        return stored
    try:
        with Image.open(io.BytesIO(stored.tobytes()), formats=["PNG"]) as picture:
            rows = np.array(picture.convert("RGB"))  # a copy: others may write into their frames
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from error
    return rows.reshape(int(entry["frames"]), -1, *rows.shape[1:])
