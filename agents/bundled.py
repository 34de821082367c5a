"""Trained agents that come with the package, each named by its task."""

from __future__ import annotations

from pathlib import Path

from agents.policy import ABOUT
from agents.tasks import TASKS
from worldsim.errors import WorldsimError

SHELF = Path(__file__).parent / "pretrained"


def bundled() -> list[str]:
    """Return the tasks there is an agent of."""
    return [task for task in TASKS if (SHELF / task / ABOUT).exists()]


def find_agent(name: str) -> Path:
    """Return the folder of an agent: that of a bundled one by its task, else the folder named."""
    if (SHELF / name / ABOUT).exists() and name in TASKS:
        return SHELF / name
    if (Path(name) / ABOUT).exists():
        return Path(name)
    known = ", ".join(bundled()) or "none is bundled"
    raise WorldsimError(
        f"'{name}' is no agent: name a folder that `worldsim agent train` or `agent clone` wrote, "
        f"or a bundled one ({known})"
    )
