"""Points in space: out of depth pictures and motions, into a file and a picture.

It knows no model; z is up, x ahead of where things began, y to the left of it, all in metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SLANT_DEGREES = 35.0  # from which the second view looks down
BACKGROUND = 18
POINT = np.dtype([("at", "<f4", 3), ("colour", "u1", 3)])


@dataclass
class Cloud:
    """Coloured points, and the way of the eye among them.

    Attributes:
        at: float32 ``(N, 3)`` metres.
        colours: uint8 ``(N, 3)``.
        way: ``(T, 3)`` x, y in metres and yaw in degrees of every frame.
    """

    at: np.ndarray
    colours: np.ndarray
    way: np.ndarray


def walk(motions: Sequence[tuple[float, ...]]) -> np.ndarray:
    """Add motions up, as `pose_text.motion` gives them; return poses ``(T + 1, 3)`` from 0 on."""
    poses = [np.zeros(3)]
    for ahead, left, turn in motions:
        x, y, yaw = poses[-1]
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        poses.append(np.array([x + ahead * c - left * s, y + ahead * s + left * c, yaw + turn]))
    return np.stack(poses)


def fuse(
    frames: np.ndarray, depths: np.ndarray, way: np.ndarray, field_of_view: float, farthest: float
) -> Cloud:
    """Put every part of every depth picture where it was seen.

    Args:
        frames: uint8 ``(T, H, W, 3)``, for the colours.
        depths: ``(T, D, D)`` metres along the view.
        way: ``(T, 3)`` where the eye was, see `walk`.
        field_of_view: Degrees that a picture shows.
        farthest: Metres from which on points are left out; sky is no place.
    """
    count, side = depths.shape[:2]
    slope = np.tan(np.radians(field_of_view) / 2) * ((np.arange(side) + 0.5) / side * 2 - 1)
    left, up = -depths * slope, -depths * slope[:, None]  # (T, D, D)
    yaw = np.radians(way[:, 2])[:, None, None]
    x = way[:, 0, None, None] + depths * np.cos(yaw) - left * np.sin(yaw)
    y = way[:, 1, None, None] + depths * np.sin(yaw) + left * np.cos(yaw)
    part = frames.shape[1] // side
    cut = frames[:, : part * side, : part * side].reshape(count, side, part, side, part, 3)
    near = depths < farthest
    at = np.stack([x, y, up], axis=-1)[near].astype(np.float32)
    return Cloud(at, cut.mean(axis=(2, 4))[near].round().astype(np.uint8), way)


def write_ply(cloud: Cloud, path: Path) -> None:
    """Write a binary PLY file, which Blender, MeshLab and Open3D read."""
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(cloud.at)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    points = np.zeros(len(cloud.at), POINT)
    points["at"], points["colour"] = cloud.at, cloud.colours
    path.write_bytes("\n".join([*header, "end_header\n"]).encode() + points.tobytes())


def draw(cloud: Cloud, side: int = 360) -> np.ndarray:
    """Return the cloud from above and from a slant, uint8 ``(side, 2 * side, 3)``.

    Ahead is up in the picture; the way of the eye is white.
    """
    way = np.concatenate([cloud.way[:, :2], np.zeros((len(cloud.way), 1))], axis=1)
    everything = np.concatenate([cloud.at, way])
    low, high = np.percentile(everything, [1, 99], axis=0)
    low, high = np.minimum(low, way.min(axis=0)), np.maximum(high, way.max(axis=0))
    scale = 0.92 * side / max(1e-6, float((high - low)[:2].max()))
    centre = (low + high) / 2
    slant = np.radians(SLANT_DEGREES)
    pictures = []
    for tilt in (np.pi / 2, slant):
        picture = np.full((side, side, 3), BACKGROUND, np.uint8)
        for points, colours in ((cloud.at, cloud.colours), (way, None)):
            x, y, z = ((points - centre) * scale).T
            across = (side / 2 - y).astype(int)
            down = (side / 2 - x * np.sin(tilt) - z * np.cos(tilt)).astype(int)
            order = np.argsort(z * np.sin(tilt) - x * np.cos(tilt))  # the nearest last
            inside = (across >= 0) & (across < side - 1) & (down >= 0) & (down < side - 1)
            order = order[inside[order]]
            colour = np.full((len(points), 3), 255, np.uint8) if colours is None else colours
            for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
                picture[down[order] + dy, across[order] + dx] = colour[order]
        pictures.append(picture)
    return np.concatenate(pictures, axis=1)
