"""The numbered sentences of a dataset: `meta/tasks.parquet`."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from worldsim.data.files import read_table, write_table
from worldsim.data.layout import TASKS_PATH
from worldsim.errors import WorldsimError

# LeRobot reads this file with pandas and expects the sentence as its index.
PANDAS = {
    "index_columns": ["task"],
    "column_indexes": [],
    "columns": [
        {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": numpy_kind,
            "metadata": None,
        }
        for name, kind, numpy_kind in (
            ("task_index", "int64", "int64"),
            ("task", "unicode", "object"),
        )
    ],
    "pandas_version": "2.0.0",
}
SCHEMA = pa.schema([("task_index", pa.int64()), ("task", pa.string())])


def read_tasks(root: Path) -> list[str]:
    """Return the sentences of a dataset, in the order of their numbers."""
    path = root / TASKS_PATH
    table = read_table(path, SCHEMA).to_pydict()
    if table["task_index"] != list(range(len(table["task"]))):
        raise WorldsimError(f"{path} is not numbered 0, 1, 2…: restore it or collect again")
    return table["task"]


def write_tasks(root: Path, tasks: list[str]) -> None:
    """Replace the sentences of a dataset atomically."""
    table = pa.table({"task_index": list(range(len(tasks))), "task": tasks}, schema=SCHEMA)
    table = table.replace_schema_metadata({"pandas": json.dumps(PANDAS)})
    write_table(root / TASKS_PATH, table)
