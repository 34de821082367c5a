"""One table of what was measured, world beside world: `worldsim table` and every `worldsim eval`.

A number stands beside what it is to be compared with: who does nothing or never looks, and the
truth. What was not measured stays blank; it says nothing of what could not be measured at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from worldsim import provenance
from worldsim.errors import WorldsimError
from worldsim.evaluate.table_rows import ROWS, Row


@dataclass
class TableConfig:
    """Options of `worldsim table`.

    Attributes:
        files: What `worldsim eval` wrote, JSON files with commas. A world in two of them has the
            parts of both; where both measured the same part, the later file counts.
        out: Markdown file to write.
        merged: JSON file to write with all worlds in it; empty: none.
    """

    files: str = MISSING
    out: str = "eval.md"
    merged: str = ""


def table(cfg: TableConfig) -> None:
    """Write one table, world beside world, of one or several evaluations.

    Raises:
        WorldsimError: A file cannot be read, is no evaluation, or is of other weights or another
            context than the first.
    """
    paths = [Path(name.strip()) for name in cfg.files.split(",") if name.strip()]
    if not paths:
        raise WorldsimError("files= names nothing: name what `worldsim eval` wrote")
    result = merge({str(path): load(path) for path in paths})
    write_table(Path(cfg.out), result)
    print(markdown(result), end="")
    print(f"wrote {cfg.out}")
    if cfg.merged:
        provenance.write_json(Path(cfg.merged), result)
        print(f"wrote {cfg.merged}")


def load(path: Path) -> dict[str, Any]:
    """Read what an evaluation wrote."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(result[key], dict) for key in ("worlds", "meta")):
            raise ValueError("worlds and meta must be dictionaries")
    except OSError as error:
        raise WorldsimError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WorldsimError(
            f"{path} is no evaluation ({error}): name a file that `worldsim eval` wrote"
        ) from error
    return dict(result)


def merge(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Put evaluations of one checkpoint into one, as if all had been measured at once.

    Args:
        results: By name, which is for errors only.

    Raises:
        WorldsimError: They are of different weights or show the model different contexts.
    """
    first, *others = results
    worlds: dict[str, Any] = {}
    for name in others:
        for key in ("checkpoint_sha256", "context"):
            ours, theirs = (results[file]["meta"].get(key) for file in (first, name))
            if ours != theirs:
                raise WorldsimError(
                    f"{name} has {key}={theirs} and {first} {ours}: one table is of one "
                    "checkpoint, measured in one way"
                )
    metas = [result["meta"] for result in results.values()]
    for result in results.values():
        for world, found in result["worlds"].items():
            worlds[world] = {**worlds.get(world, {}), **found}
    newest: dict[str, Any] = max(metas, key=lambda meta: str(meta.get("date", "")))
    about = dict(newest)
    data = [part for meta in metas for part in str(meta.get("dataset", "")).split(",") if part]
    about["dataset"] = ",".join(dict.fromkeys(data))
    about["parts"] = sorted({part for meta in metas for part in meta.get("parts", [])})
    return {"worlds": worlds, "meta": about}


def markdown(result: dict[str, Any]) -> str:
    """Return an evaluation as a Markdown table; rows that are blank everywhere are left out."""
    worlds: dict[str, Any] = result["worlds"]
    lines = ["| | " + " | ".join([*worlds, "wanted"]) + " |", "|---" * (len(worlds) + 2) + "|"]
    for row in measured(worlds):
        cells = [row.name(worlds), *(row.cell(found) for found in worlds.values()), row.wanted]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def measured(worlds: dict[str, Any]) -> list[Row]:
    """Return the rows of which at least one world has something."""
    return [row for row in ROWS if any(row.cell(found) for found in worlds.values())]


def write_table(path: Path, result: dict[str, Any]) -> None:
    """Write the table of an evaluation as Markdown."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(result), encoding="utf-8")
    except OSError as error:
        raise WorldsimError(f"cannot write the table to {path}: {error.strerror}") from error
