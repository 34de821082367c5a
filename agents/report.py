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

    The gap is what an agent gets in the real world and in the dream in the same time from the
    beginning, and how much more the latter is in percent of the former: dreams are cut off, so
    whole returns cannot be compared (see `agents.gap`). An agent that knows how to please the
    dream, and only the dream, has a large one: it lives on there, or is paid there for what the
    world does not pay for. All steps are the simulator's own, however long the dream's are.
    """
    places = [place for place in PLACES if any(place in row for row in found.values())]
    solved = "" if task.solved is None else f"; {task.solved:g} counts as solved"
    both = len(places) == len(PLACES)
    heads = ["agent", *places, *(["gap: real → dream in the same time"] if both else [])]
    heads += ["learnt in", "steps", "real frames", "minutes"]
    lines = [f"Return: {task.goal}{solved}. Mean and 95 % interval.", ""]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, row in found.items():
        cells = [name, *(_cell(row.get(place), place, task) for place in places)]
        cells += [_gap(row.get("gap"), task)] if both else []
        lines.append(f"| {' | '.join([*cells, *_learnt(row.get('learnt'))])} |")
    return "\n".join(lines)


def draw_learning(path: Path, found: Found, task: Task) -> str:
    """Draw real returns of all trained agents while they learnt; return what to say of it.

    Once against real frames, once against all steps, dreamed ones among them. Of one who was not
    measured on the way, as those who learnt in a dream at once, there is a point; who never learnt
    is drawn across. Without anybody who learnt, nothing is.
    """
    curves = {name: rows for name in found if (rows := read_curve(Path(name).parent / CURVE))}
    means = {n: r["real"]["mean"] for n, r in found.items() if "real" in r and n not in curves}
    learnt = {name: found[name]["learnt"] for name in means if "learnt" in found[name]}
    curves |= {name: [{**about, "mean": means.pop(name)}] for name, about in learnt.items()}
    if not curves:
        return ""
    levels = means | ({} if task.solved is None else {"solved": task.solved})
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


def _cell(row: Mapping[str, Any] | None, place: str, task: Task) -> str:
    if row is None:
        return ""
    mean, low, high = (f"{row[name]:.{_digits(task)}f}" for name in ("mean", "low", "high"))
    parts = [f"{mean} ({low} to {high})", *_success(row, place, task)]
    parts += [f"solved {row['solved']:.0%}"] if "solved" in row else []
    return ", ".join([*parts, f"{row['episodes']} episodes"])


def _success(row: Mapping[str, Any], place: str, task: Task) -> list[str]:
    # A dream's time limit is not the task's: who lives to see it has not succeeded yet.
    if task.success is None or (not task.success and place == "dream"):
        return []
    share = row["ended"] if task.success else 1 - row["ended"]
    steps = row["steps"] * row.get("skip", 1) / row["episodes"]
    return [f"success {share:.0%} in {steps:.0f} steps"]


def _gap(gap: Mapping[str, Any] | None, task: Task) -> str:
    if gap is None:
        return ""
    real, dream = gap["real"], gap["dream"]
    more = f" ({100 * (dream - real) / abs(real):+.0f} %)" if real else ""
    digits = _digits(task)
    return f"{real:.{digits}f} → {dream:.{digits}f}{more} in {gap['steps']} steps"


def _digits(task: Task) -> int:
    return 2 if task.success else 1


def _learnt(about: Mapping[str, Any] | None) -> list[str]:
    if about is None:
        return [""] * 4
    numbers = (f"{about['steps']:,}", f"{about['real_frames']:,}", f"{about['seconds'] / 60:.0f}")
    return [about["inside"], *numbers]
