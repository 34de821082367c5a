"""`worldsim pointcloud`: the space that the model sees in its own dream, or in recorded play.

Depth and motion are read off the frames by the model itself, with the same weights that draw
them; nothing else knows where anything is. Beside recorded play stands the simulator's truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from worldsim.cloud import Cloud, draw, fuse, walk, write_ply
from worldsim.errors import WorldsimError
from worldsim.pose_text import motion
from worldsim.world import WorldSpec

if TYPE_CHECKING:
    from worldsim.data import Dataset
    from worldsim.reader import Reader

AHEAD, LEFT, RIGHT = ("forward", "gas"), ("turn left", "steer left"), ("turn right", "steer right")


@dataclass
class PointCloudConfig:
    """Options of `worldsim pointcloud`.

    Attributes:
        world: Which world to dream; empty: the checkpoint's first that is seen from inside.
        drive: What to do, such as "forward*12, turn left*15"; empty: a walk with some turns.
        data: A dataset to look at instead of dreaming; its truth is drawn below.
        episode: Which of its episodes.
        num_steps: Steps at most.
        every: A depth picture after so many steps.
        farthest: Metres from which on points are left out.
        start: Number of the clip to dream on from.
        seed: Of the dream.
        out: Name of the files to write, with `.ply` and `.png`, which are added where missing.
        checkpoint: Checkpoint folder; empty: the bundled one.
        device: Where to compute.
    """

    world: str = ""
    drive: str = ""
    data: str = ""
    episode: int = 0
    num_steps: int = 64
    every: int = 2
    farthest: float = 12.0
    start: int = 0
    seed: int = 0
    out: str = "cloud"
    checkpoint: str = ""
    device: str = "cpu"


def pointcloud(cfg: PointCloudConfig) -> None:
    """Fuse the depth that the model reads along the motion it reads into a cloud of points.

    Raises:
        WorldsimError: A setting makes no sense, the checkpoint cannot read depth, the world is
            not seen from inside, or a file cannot be written.
    """
    from worldsim.data import Dataset
    from worldsim.reader import Reader

    for name, least in (("num_steps", 1), ("every", 1), ("episode", 0), ("start", 0)):
        if getattr(cfg, name) < least:
            raise WorldsimError(f"{name}={getattr(cfg, name)} is too small: use {least} or more")
    reader = Reader.from_pretrained(cfg.checkpoint or None, cfg.device)
    truth = None
    if cfg.data:
        dataset = Dataset(Path(cfg.data))
        spec = _seen_from_inside(dataset.spec)
        frames, truth = _recorded(cfg, dataset, reader.size)
    else:
        spec = _choose(cfg, reader.worlds)
        frames = _dream(cfg, spec)
    cloud = _read(cfg, reader, spec, frames)
    pictures = [draw(cloud)] + ([draw(truth)] if truth else [])
    name = cfg.out.removesuffix(".ply").removesuffix(".png")
    try:
        write_ply(cloud, Path(f"{name}.ply"))
        Image.fromarray(np.concatenate(pictures)).save(f"{name}.png")
    except OSError as error:
        raise WorldsimError(f"out={cfg.out} cannot be written ({error}): name another") from error
    print(f"{name}.ply, {name}.png: {len(cloud.at)} points of {len(frames)} frames")


def plan(drive: str, spec: WorldSpec) -> list[str]:
    """Return the actions of "forward*12, turn left*15", in words; of "", a walk with turns.

    Raises:
        WorldsimError: A part is no action of the world, or no number of steps.
    """
    if not drive.strip():
        ahead, left, right = (
            next(word for word in words if word in spec.elements) for words in (AHEAD, LEFT, RIGHT)
        )
        return [*[ahead] * 12, *[left] * 8, *[ahead] * 8, *[right] * 16] * 2
    actions = []
    for part in drive.split(","):
        words, _, count = part.partition("*")
        if count.strip() and not count.strip().isdecimal():
            raise WorldsimError(f"drive: '{part.strip()}' has no number of steps after the *")
        action = spec.action_text(spec.action_index(words))
        actions += [action] * int(count.strip() or 1)
    return actions


def _choose(cfg: PointCloudConfig, worlds: dict[str, WorldSpec]) -> WorldSpec:
    inside = [name for name, spec in worlds.items() if spec.field_of_view]
    name = cfg.world or (inside or list(worlds))[0]
    if name not in worlds:
        raise WorldsimError(f"this checkpoint knows no world '{name}': use {', '.join(worlds)}")
    return _seen_from_inside(worlds[name])


def _seen_from_inside(spec: WorldSpec) -> WorldSpec:
    if not spec.field_of_view:
        raise WorldsimError(f"the world '{spec.name}' is seen from above: there is no depth")
    return spec


def _dream(cfg: PointCloudConfig, spec: WorldSpec) -> np.ndarray:
    """Return the frames of a drive in the dream, uint8 ``(T, H, W, 3)``."""
    from worldsim.simulator import Simulator

    simulator = Simulator.from_pretrained(cfg.checkpoint or None, device=cfg.device)
    starts = [start for start in simulator.starts if start.world == spec.name]
    if cfg.start >= len(starts):
        raise WorldsimError(f"start={cfg.start}: '{spec.name}' has {len(starts)} clips, from 0 on")
    actions = plan(cfg.drive, spec)[: cfg.num_steps]
    frames = [simulator.reset([starts[cfg.start]], seeds=[cfg.seed])[0]]
    frames += [simulator.step([action]).frames[0] for action in actions]
    return np.stack([frame.numpy() for frame in frames])


def _recorded(
    cfg: PointCloudConfig, dataset: Dataset, size: int
) -> tuple[np.ndarray, Cloud | None]:
    """Return recorded frames and, where the data knows depth and pose, the true cloud."""
    from worldsim.evaluate.clips import resize

    if cfg.episode >= len(dataset):
        raise WorldsimError(f"episode={cfg.episode}: {cfg.data} has {len(dataset)}, from 0 on")
    episode, spec = dataset.load(cfg.episode), dataset.spec
    frames = resize(episode.frames[: cfg.num_steps + 1], size)
    if episode.depth is None or episode.pose is None:
        return frames, None
    poses, metres = episode.pose[: len(frames)], spec.metres_per_unit
    way = walk([motion(a, b, metres) for a, b in zip(poses, poses[1:], strict=False)])
    depths = episode.depth[: len(frames) : cfg.every].astype(np.float32) / 100
    seen = fuse(frames[:: cfg.every], depths, way[:: cfg.every], spec.field_of_view, cfg.farthest)
    return frames, Cloud(seen.at, seen.colours, way)


def _read(cfg: PointCloudConfig, reader: Reader, spec: WorldSpec, frames: np.ndarray) -> Cloud:
    """Let the model say depth and motion; a motion that is none counts as standing still."""
    said = reader.pose(frames[:-1], frames[1:])
    way = walk([one or (0.0, 0.0, 0.0) for one in said])
    depths = reader.depth(frames[:: cfg.every])
    seen = fuse(frames[:: cfg.every], depths, way[:: cfg.every], spec.field_of_view, cfg.farthest)
    return Cloud(seen.at, seen.colours, way)
