"""Trained agents that come with the package, named by their tasks, and what begins as one."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.policies import ActorCriticPolicy

from agents.policy import ABOUT, About, load_policy
from agents.tasks import TASKS
from worldsim.errors import WorldsimError

SHELF = Path(__file__).parent / "pretrained"


def bundled() -> list[str]:
    """Return their names: a task, or a task and what is special, as in ``task-dreamed``."""
    names = [file.parent.relative_to(SHELF).as_posix() for file in SHELF.rglob(ABOUT)]
    order = {task: number for number, task in enumerate(TASKS)}
    return sorted(names, key=lambda name: (order[name.partition("-")[0]], name))


def find_agent(name: str) -> Path:
    """Return the folder of an agent: that of a bundled one by its name, else the folder named."""
    if name in bundled():
        return SHELF / name
    if (Path(name) / ABOUT).exists():
        return Path(name)
    known = ", ".join(bundled()) or "none is bundled"
    raise WorldsimError(
        f"'{name}' is no agent: name a folder that `worldsim agent train` or `agent clone` wrote, "
        f"or a bundled one ({known})"
    )


def begin_as(policy: ActorCriticPolicy, name: str, about: About) -> About:
    """Give a policy the weights of another agent of the same kind.

    Args:
        policy: Made for `about`.
        name: Of the other agent, see `find_agent`.
        about: What the new one is to be.

    Returns:
        What the new one is with what the other one learnt from.

    Raises:
        WorldsimError: There is none, or it plays or sees something else.
    """
    known, other = load_policy(find_agent(name))
    differ = [part for part in ("task", "keys", "stack", "image_size", "repeat")
              if getattr(known, part) != getattr(about, part)]  # fmt: skip
    if differ:
        raise WorldsimError(
            f"init_from={name} has another {differ[0]} "
            f"({getattr(known, differ[0])}, not {getattr(about, differ[0])})"
        )
    policy.load_state_dict(other.state_dict())
    return about.after(known)
