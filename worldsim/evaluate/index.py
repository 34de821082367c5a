"""The fixed list of places at which every model is judged on a dataset.

Made once from the dataset, in a way that depends on nothing else, and stored beside it. Places
are named by map and seed and not by episode number, so the list survives copying and growing.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.provenance import write_json

FORMAT = "worldsim-eval-index"
FILE = "eval_index.json"
MAZES, MAPS, HELDOUT_MAPS = "video", "video_maps", "video_heldout_maps"
GROUPS = (MAZES, MAPS, HELDOUT_MAPS)
GENERATED = re.compile(r"([a-z]+-)+\d{6}")  # maze-000123, furnished-brick-000123, track-000123
SPACING = 8  # two windows of an episode start a multiple of this many frames apart


@dataclass(frozen=True)
class Window:
    """One place: an episode and the number of the last real frame the model is shown.

    Attributes:
        source: Map of the episode.
        seed: Seed of the episode.
        start: Index of the frame after which the model dreams.
    """

    source: str
    seed: int
    start: int


@dataclass
class EvalIndex:
    """The windows by group, and how many frames lie before and after each start.

    Attributes:
        context: Real frames up to and including the start.
        horizon: Real frames after the start.
        groups: Windows of held-out places made from seeds (``video``), of known maps along new
            paths (``video_maps``) and of held-out maps (``video_heldout_maps``). Where a world is
            made of maps only, the held-out ones are its ``video``.
    """

    context: int
    horizon: int
    groups: dict[str, list[Window]]


def make_index(
    dataset: Dataset,
    context: int,
    horizon: int,
    heldout_maps: list[str],
    size: int = 128,
    seed: int = 0,
) -> EvalIndex:
    """Choose up to `size` windows a group, spread over as many episodes as there are."""
    groups: dict[str, list[Window]] = {}
    rng = np.random.default_rng(seed)
    for group in GROUPS:
        rows: list[list[Window]] = []
        for info in dataset.episodes:
            if group_of(info.source, heldout_maps) == group:
                starts = np.arange(context - 1, info.length - horizon, SPACING)
                rng.shuffle(starts)
                rows.append([Window(info.source, info.seed, int(start)) for start in starts])
        rng.shuffle(rows)
        # One window of every episode, then a second of every episode, and so on.
        turns = max((len(row) for row in rows), default=0)
        chosen = [row[turn] for turn in range(turns) for row in rows if turn < len(row)]
        if chosen:
            groups[group] = chosen[:size]
    if MAZES not in groups and HELDOUT_MAPS in groups:
        groups = {MAZES: groups.pop(HELDOUT_MAPS), **groups}
    if not groups:
        raise WorldsimError(
            f"no episode of '{dataset.path}' has {context + horizon} frames: collect longer ones"
        )
    return EvalIndex(context, horizon, groups)


def group_of(source: str, heldout_maps: list[str]) -> str:
    """Return the group a map belongs to; what is made from a seed counts as held out."""
    if GENERATED.match(source):
        return MAZES
    held_out = any(source == name or source.endswith(f"-{name}") for name in heldout_maps)
    return HELDOUT_MAPS if held_out else MAPS


def save_index(path: Path, index: EvalIndex) -> None:
    """Write the list as JSON."""
    groups = {name: [asdict(window) for window in rows] for name, rows in index.groups.items()}
    head = {"format": FORMAT, "version": 1, "context": index.context, "horizon": index.horizon}
    write_json(path, head | {"groups": groups})


def load_index(path: Path) -> EvalIndex:
    """Read a list written by `save_index`; `WorldsimError` where it is something else."""
    try:
        data: dict[str, Any] = json.loads(path.read_text())
        if (data["format"], data["version"]) != (FORMAT, 1):
            raise ValueError(f"format {data['format']} {data['version']}")
        groups = {name: [Window(**row) for row in rows] for name, rows in data["groups"].items()}
        return EvalIndex(int(data["context"]), int(data["horizon"]), groups)
    except OSError as error:
        raise WorldsimError(f"cannot read the evaluation index {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WorldsimError(
            f"{path} is not an evaluation index ({error}): remove it, a new one is made"
        ) from error


def find_index(dataset: Dataset, wanted: EvalIndex, path: Path) -> EvalIndex:
    """Return the stored index if it has what is wanted, else store `wanted`.

    A stored index stays in force when the dataset grows; it is an error where it asks for a
    shorter context or horizon than is wanted, or for episodes that are gone.
    """
    if not path.exists():
        save_index(path, wanted)
        return wanted
    stored = load_index(path)
    if stored.context < wanted.context or stored.horizon < wanted.horizon:
        raise WorldsimError(
            f"{path} holds context={stored.context} and {stored.horizon} steps ahead, not "
            f"{wanted.context} and {wanted.horizon}: remove it to make a new one"
        )
    known = {(info.source, info.seed): info.length for info in dataset.episodes}
    for window in (window for rows in stored.groups.values() for window in rows):
        if known.get((window.source, window.seed), 0) <= window.start + stored.horizon:
            raise WorldsimError(
                f"{path} asks for {window.source} with seed {window.seed}, which '{dataset.path}' "
                "does not hold: use the dataset it was made for, or remove it"
            )
    return stored
