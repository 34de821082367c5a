"""Where a dataset keeps what: the LeRobotDataset v3 layout, one file index per episode.

Only names and schemas; what is in an episode is the writer's and the
reader's business. The world is described under the key `"worldsim"` of `meta/info.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from worldsim.data.episode import DEPTH_SIDE
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

VERSION = "v3.0"
FORMAT = 1
CHUNK_SIZE = 1000
VIDEO_KEY = "observation.image"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
TASKS_PATH = "meta/tasks.parquet"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"

FRAME_SCHEMA = pa.schema(
    [
        ("observation.state", pa.list_(pa.float32(), 3)),
        ("action", pa.int64()),
        ("next.reward", pa.float32()),
        ("next.done", pa.bool_()),
        ("timestamp", pa.float32()),
        ("frame_index", pa.int64()),
        ("episode_index", pa.int64()),
        ("index", pa.int64()),
        ("task_index", pa.int64()),
    ]
)
# What a frame shows and how far away it is; earlier datasets have neither.
SIGHT_SCHEMA = pa.schema(
    [
        ("observation.facts", pa.string()),  # JSON, "" where unknown
        ("observation.depth", pa.list_(pa.uint16(), DEPTH_SIDE**2)),  # centimetres, 0 if unknown
    ]
)
EPISODE_SCHEMA = pa.schema(
    [
        ("episode_index", pa.int64()),
        ("tasks", pa.list_(pa.string())),
        ("length", pa.int64()),
        ("data/chunk_index", pa.int64()),
        ("data/file_index", pa.int64()),
        ("dataset_from_index", pa.int64()),
        ("dataset_to_index", pa.int64()),
        (f"videos/{VIDEO_KEY}/chunk_index", pa.int64()),
        (f"videos/{VIDEO_KEY}/file_index", pa.int64()),
        (f"videos/{VIDEO_KEY}/from_timestamp", pa.float64()),
        (f"videos/{VIDEO_KEY}/to_timestamp", pa.float64()),
        ("meta/episodes/chunk_index", pa.int64()),
        ("meta/episodes/file_index", pa.int64()),
        ("source", pa.string()),
        ("seed", pa.int64()),
        # A damaged mp4 often decodes without complaint, into smeared frames.
        ("video_sha256", pa.string()),
    ]
)


def data_file(root: Path, episode: int) -> Path:
    """Return the parquet file of an episode's rows."""
    return root / DATA_PATH.format(**_place(episode))


def video_file(root: Path, episode: int) -> Path:
    """Return the mp4 file of an episode's frames."""
    return root / VIDEO_PATH.format(video_key=VIDEO_KEY, **_place(episode))


def episode_file(root: Path, episode: int) -> Path:
    """Return the file whose existence says that an episode is complete."""
    return root / EPISODES_PATH.format(**_place(episode))


def place(episode: int) -> tuple[int, int]:
    """Return the chunk and file index of an episode."""
    return divmod(episode, CHUNK_SIZE)


def _place(episode: int) -> dict[str, int]:
    return dict(zip(("chunk_index", "file_index"), place(episode), strict=True))


def index_of(path: Path) -> int:
    """Return the episode that a `chunk-CCC/file-FFF.*` path belongs to."""
    chunk, file = path.parent.name.split("-")[-1], path.name.split(".")[0].split("-")[-1]
    return int(chunk) * CHUNK_SIZE + int(file)


def make_info(
    spec: WorldSpec, image_size: int, episodes: int, frames: int, tasks: int
) -> dict[str, Any]:
    """Return the content of `meta/info.json`."""
    fps = spec.steps_per_second
    video = {"video.fps": fps, "video.codec": "h264", "video.pix_fmt": "yuv444p"}
    number: dict[str, Any] = {"shape": [1], "names": None}
    features: dict[str, Any] = {
        VIDEO_KEY: {
            "dtype": "video",
            "shape": [image_size, image_size, 3],
            "names": ["height", "width", "channels"],
            "info": {**video, "video.is_depth_map": False, "has_audio": False},
        },
        "observation.state": {"dtype": "float32", "shape": [3], "names": ["x", "y", "yaw"]},
        "observation.facts": {"dtype": "string", **number},
        "observation.depth": {"dtype": "uint16", "shape": [DEPTH_SIDE**2], "names": None},
        "action": {"dtype": "int64", **number},
        "next.reward": {"dtype": "float32", **number},
        "next.done": {"dtype": "bool", **number},
        "timestamp": {"dtype": "float32", **number},
        **{
            name: {"dtype": "int64", **number}
            for name in ("frame_index", "episode_index", "index", "task_index")
        },
    }
    return {
        "codebase_version": VERSION,
        "robot_type": spec.name,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK_SIZE,
        "fps": int(fps) if fps == int(fps) else fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": features,
        "worldsim": {"format": FORMAT, "image_size": image_size, "world": spec.to_dict()},
    }


def read_info(root: Path) -> tuple[WorldSpec, int]:
    """Return the world and the image size of a dataset.

    Raises:
        WorldsimError: There is no dataset, it is damaged, or another program made it.
    """
    path = root / INFO_PATH
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise WorldsimError(
            f"no dataset at '{root}' ({INFO_PATH} is missing): "
            f"make one with `worldsim collect world=doom path={root}`"
        ) from None
    except (OSError, ValueError) as error:
        raise WorldsimError(
            f"{path} cannot be read ({error}): restore it or collect again"
        ) from error
    if not isinstance(info, dict) or "worldsim" not in info:
        raise WorldsimError(
            f"{path} has no 'worldsim' section, so its actions have no words: another program "
            "made this dataset; make one with `worldsim collect world=doom`"
        )
    section = info["worldsim"]
    try:
        if section["format"] != FORMAT:
            raise WorldsimError(
                f"{path} has worldsim format {section['format']}, this version reads {FORMAT}: "
                "use the worldsim version that wrote it"
            )
        return WorldSpec.from_dict(section["world"]), int(section["image_size"])
    except (KeyError, TypeError, ValueError) as error:
        raise WorldsimError(
            f"{path} has a damaged 'worldsim' section ({error!r}): restore it or collect again"
        ) from error
