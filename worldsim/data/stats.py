"""`meta/stats.json`: range and spread of the small columns, for programs that normalise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from worldsim.data import files, layout

COLUMNS = ("observation.state", "action", "next.reward")


def write_stats(root: Path, num_episodes: int) -> None:
    """Compute and write the statistics of all complete episodes; frames are left out."""
    schema = pa.schema([layout.FRAME_SCHEMA.field(name) for name in COLUMNS])
    tables = [
        files.read_table(layout.data_file(root, index), schema) for index in range(num_episodes)
    ]
    table = pa.concat_tables(tables).combine_chunks()
    stats = {name: _describe(column_values(table, name)) for name in COLUMNS}
    files.write_json(root / layout.STATS_PATH, stats)


def column_values(table: pa.Table, name: str) -> np.ndarray:
    """Return a copy of a column as an array: `(N,)`, or `(N, 3)` for the state."""
    column = table[name].combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        return np.array(column.flatten()).reshape(-1, width)
    return np.array(column)


def _describe(values: np.ndarray) -> dict[str, Any]:
    """Return minimum, maximum, mean and standard deviation of each number in a column."""
    values = values.reshape(len(values), -1).astype(np.float64)
    known = values[~np.isnan(values).any(axis=1)]
    if not len(known):
        return {"count": [0]}
    measures: dict[str, Callable[..., np.ndarray]] = {
        "min": np.min,
        "max": np.max,
        "mean": np.mean,
        "std": np.std,
    }
    numbers = {name: measure(known, axis=0).tolist() for name, measure in measures.items()}
    return {**numbers, "count": [len(known)]}
