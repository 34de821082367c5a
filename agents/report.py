"""What came out of measuring agents, as a table and as curves."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.measure import CURVE
from agents.tasks import Task
from worldsim.errors import WorldsimError
from worldsim.evaluate.figure import Panel, draw_panels

Found = Mapping[str, Mapping[str, Any]]
PLACES = ("real", "dream")


def table(found: Found, task: Task) -> str:
    """Return the numbers as a table in Markdown.

    The gap is how much more a step pays in the dream than in the real world, in percent of the
    latter: dreams are cut off, so returns cannot be compared. An agent that knows how to please
    the dream, and only the dream, has a large one.
    """
    places = [place for place in PLACES if any(place in row for row in found.values())]
    solved = "" if task.solved is None else f"; {task.solved:g} counts as solved"
    heads = ["agent", *places, *(["gap a step"] if len(places) == 2 else [])]
    heads += ["learnt in", "steps", "real frames", "minutes"]
    lines = [f"Return: {task.goal}{solved}. Mean and 95 % interval.", ""]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, row in found.items():
        cells = [name, *(_cell(row.get(place), task) for place in places)]
        cells += [_gap(row)] if len(places) == 2 else []
        lines.append(f"| {' | '.join([*cells, *_learnt(row.get('learnt'))])} |")
    return "\n".join(lines)


def draw_learning(path: Path, found: Found, task: Task) -> str:
    """Draw real returns of all trained agents while they learnt; return what to say of it.

    Once against real frames, once against all steps, dreamed ones among them. What else was
    measured is drawn across. Without a trained agent that was measured on its way, nothing is.
    """
    curves = {name: rows for name in found if (rows := read_curve(Path(name).parent / CURVE))}
    if not curves:
        return ""
    others = {n: r["real"]["mean"] for n, r in found.items() if "real" in r and n not in curves}
    levels = others | ({} if task.solved is None else {"solved": task.solved})
    panels = [
        Panel(
            "return in the real world",
            label,
            {
                name: ([row[key] for row in rows], [row["mean"] for row in rows])
                for name, rows in curves.items()
            },
            levels,
        )
        for key, label in (("real_frames", "real frames"), ("steps", "steps, real or dreamed"))
    ]
    draw_panels(path, panels)
    return f", {path}"


def read_curve(path: Path) -> list[dict[str, float]]:
    """Return what was measured while an agent learnt; nothing where nothing was."""
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            {key: float(row[key]) for key in ("steps", "real_frames", "mean", "low", "high")}
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise WorldsimError(f"{path} is damaged ({error}): delete it, or measure again") from error


def _cell(row: Mapping[str, Any] | None, task: Task) -> str:
    if row is None:
        return ""
    digits = 2 if task.success else 1
    mean, low, high = (f"{row[name]:.{digits}f}" for name in ("mean", "low", "high"))
    success = ""
    if task.success:
        success = f", success {row['ended']:.0%} in {row['steps'] / row['episodes']:.0f} steps"
    return f"{mean} ({low} to {high}){success}, {row['episodes']} episodes"


def _gap(row: Mapping[str, Any]) -> str:
    if not all(place in row for place in PLACES):
        return ""
    real, dream = (row[p]["mean"] * row[p]["episodes"] / row[p]["steps"] for p in PLACES)
    return f"{100 * (dream - real) / abs(real):+.0f} %" if real else ""


def _learnt(about: Mapping[str, Any] | None) -> list[str]:
    if about is None:
        return [""] * 4
    numbers = (f"{about['steps']:,}", f"{about['real_frames']:,}", f"{about['seconds'] / 60:.0f}")
    return [about["inside"], *numbers]
