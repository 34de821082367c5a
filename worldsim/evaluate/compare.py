"""`worldsim compare`: what a setting of training does to what `worldsim eval` measures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from worldsim import provenance
from worldsim.errors import WorldsimError
from worldsim.evaluate.figure import Panel, draw_panels
from worldsim.evaluate.index import GROUPS


@dataclass
class CompareConfig:
    """Options of `worldsim compare`.

    Attributes:
        runs: Folders of runs, with commas; patterns such as ``runs/labels/*`` too. Each has been
            measured: `worldsim eval checkpoint=RUN/model out=RUN/eval.json`.
        x: Key of a run's config to plot against, such as batch.labelled_share; empty: the names of
            the folders.
        by: Another key, one line for each of its values; empty: one line.
        measures: Where they stand in eval.json within a world, such as shuffle_ratio; ``video`` is
            the first group of places there is.
        out: PNG to write; the numbers go beside it as JSON.
    """

    runs: str = MISSING
    x: str = ""
    by: str = ""
    measures: list[str] = field(
        default_factory=lambda: ["video.4.lpips_ratio", "control.ratio", "shuffle_ratio"]
    )
    out: str = "compare.png"


def compare(cfg: CompareConfig) -> None:
    """Plot measures of several runs against a setting in which they differ.

    Raises:
        WorldsimError: There are no such runs, one was not measured, or one lacks a key or measure.
    """
    if not cfg.measures:
        raise WorldsimError("measures=[] leaves nothing to plot: name one, such as shuffle_ratio")
    rows = [_row(folder, world, cfg) for folder in _folders(cfg.runs) for world in _worlds(folder)]
    numbers = all(type(row["x"]) in (int, float) for row in rows)
    rows.sort(key=lambda row: row["x"] if numbers else str(row["x"]))
    log = numbers and min(row["x"] for row in rows) > 0
    panels = [
        Panel(measure, cfg.x or "run", _lines(rows, measure, numbers)) for measure in cfg.measures
    ]
    draw_panels(Path(cfg.out), panels, log)
    about = {"x": cfg.x, "by": cfg.by, "rows": rows}
    provenance.write_json(Path(cfg.out).with_suffix(".json"), about)
    for row in rows:
        values = ", ".join(f"{name} {row[name]:.3f}" for name in cfg.measures)
        print(f"{row['run']} ({row['line']}, {row['x']}): {values}")
    print(f"wrote {cfg.out}")


def _folders(runs: str) -> list[Path]:
    """Resolve names and patterns; only folders of runs count."""
    found: list[Path] = []
    for name in filter(None, (part.strip() for part in runs.split(","))):
        path = Path(name)
        root = Path(path.anchor or ".")
        matched = sorted(root.glob(str(path.relative_to(path.anchor)))) if "*" in name else [path]
        folders = [folder for folder in matched if (folder / "config.yaml").exists()]
        if not folders:
            raise WorldsimError(f"runs={name} is no folder of a run: it has no config.yaml")
        found += folders
    if not found:
        raise WorldsimError("no run is named: give folders with runs=…")
    return found


def _worlds(folder: Path) -> list[str]:
    return sorted(_measured(folder))


def _measured(folder: Path) -> dict[str, Any]:
    """Return what `worldsim eval` found, by world."""
    path = folder / "eval.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["worlds"])
    except OSError as error:
        raise WorldsimError(
            f"{folder} was not measured: run `worldsim eval data=… "
            f"checkpoint={folder / 'model'} out={path}`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WorldsimError(f"{path} is damaged ({error}): run `worldsim eval` again") from error


def _row(folder: Path, world: str, cfg: CompareConfig) -> dict[str, Any]:
    """Return settings and measures of a run in one world."""
    line = [world] if len(_worlds(folder)) > 1 else []
    line += [f"{cfg.by} {_setting(folder, cfg.by)}"] if cfg.by else []
    row: dict[str, Any] = {"run": folder.name, "line": ", ".join(line) or world}
    row["x"] = _setting(folder, cfg.x) if cfg.x else folder.name
    found = _measured(folder)[world]
    return row | {measure: _measure(found, measure, folder) for measure in cfg.measures}


def _setting(folder: Path, key: str) -> Any:
    """Return a value of a run's config."""
    path = folder / "config.yaml"
    try:
        missing = object()
        value = OmegaConf.select(OmegaConf.load(path), key, default=missing)
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        raise WorldsimError(f"{path} cannot be read ({error})") from error
    if value is missing:
        raise WorldsimError(f"{path} has no '{key}': name a key of `worldsim train --cfg job`")
    return value


def _measure(found: dict[str, Any], measure: str, folder: Path) -> float:
    """Follow a dotted path to a number."""
    value: Any = found
    for name in measure.split("."):
        if name == "video":
            name = next((group for group in GROUPS if group in found), name)
        if not isinstance(value, dict) or name not in value:
            there = ", ".join(value) if isinstance(value, dict) else "a number"
            raise WorldsimError(
                f"{folder / 'eval.json'} has no '{measure}': at '{name}' there is {there}"
            )
        value = value[name]
    if type(value) not in (int, float):
        raise WorldsimError(f"'{measure}' in {folder / 'eval.json'} is {value}, not a number")
    return float(value)


def _lines(
    rows: list[dict[str, Any]], measure: str, numbers: bool
) -> dict[str, tuple[list[Any], list[float]]]:
    lines: dict[str, tuple[list[Any], list[float]]] = {}
    for row in rows:
        xs, ys = lines.setdefault(row["line"], ([], []))
        xs.append(row["x"] if numbers else str(row["x"]))
        ys.append(row[measure])
    return lines
