"""Goals on disk, so that another planner, or another dataset that has grown, is asked for the same.

They stand in the JSON of the measurement itself. Episodes are named by map and seed and not by
number, as in `worldsim.evaluate.index`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agents.goals import Goal
from worldsim.data import Dataset
from worldsim.errors import WorldsimError

FORMAT = "worldsim-goals"


def list_goals(goals: Iterable[Goal], dataset: Dataset) -> dict[str, Any]:
    """Return what `read_goals` wants to find in a JSON file.

    That is ``format``, ``version``, the ``world`` and ``goals``: of each the ``source`` and
    ``seed`` of its episode, the ``first`` frame and how many ``seconds`` later it is seen.
    """
    episodes, rate = dataset.episodes, dataset.spec.steps_per_second
    rows = [
        {
            "source": episodes[goal.episode].source,
            "seed": episodes[goal.episode].seed,
            "first": goal.first,
            "seconds": goal.steps / rate,
        }
        for goal in goals
    ]
    return {"format": FORMAT, "version": 1, "world": dataset.spec.name, "goals": rows}


def read_goals(path: Path, dataset: Dataset) -> list[Goal]:
    """Read the goals of a measurement again.

    Raises:
        WorldsimError: The file cannot be read or lists no goals, or one is not in the dataset.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (data["format"], data["version"]) != (FORMAT, 1):
            raise ValueError(f"format {data['format']} {data['version']}")
        world, rate = str(data["world"]), dataset.spec.steps_per_second
        rows = [
            (str(row["source"]), int(row["seed"]), int(row["first"]), float(row["seconds"]) * rate)
            for row in data["goals"]
        ]
    except OSError as error:
        raise WorldsimError(f"cannot read index={path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise WorldsimError(
            f"index={path} lists no goals ({error}): name what `worldsim agent navigate` wrote"
        ) from error
    if world != dataset.spec.name:
        raise WorldsimError(f"index={path} is of '{world}', not of '{dataset.spec.name}'")
    return [_find(path, dataset, *row) for row in rows]


def _find(path: Path, dataset: Dataset, source: str, seed: int, first: int, later: float) -> Goal:
    steps = max(1, round(later))
    for info in dataset.episodes:
        if (info.source, info.seed) == (source, seed) and 0 <= first < info.length - steps:
            return Goal(info.index, first, steps)
    raise WorldsimError(
        f"index={path} has a goal {steps} steps after frame {first} of {source} with seed {seed}, "
        f"which '{dataset.path}' does not hold: use the dataset it was made for, or one grown of it"
    )
