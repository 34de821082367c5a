"""Places to be reached, out of recorded play: where from, how it looked there, which way was taken.

And how far another way is from the one taken: absolute and relative errors of trajectories, as
Navigation World Models measures them (Bar et al. 2025, arXiv 2412.03572, §4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from worldsim.data import Dataset, Episode
from worldsim.data.reader import Steps
from worldsim.errors import WorldsimError

FARTHEST = 0.02  # metres that a replayed pose may be away from the recorded one
MOVING = 0.25  # share of the usual step below which one does not get on


@dataclass(frozen=True)
class Goal:
    """A moment of an episode and one some steps later.

    Attributes:
        episode: Its number.
        first: The frame to begin at.
        steps: Later.
    """

    episode: int
    first: int
    steps: int


class Plan(Protocol):
    """What is asked of a simulator's layout (`envs.grid.Grid`), in the units of its poses."""

    def cell_at(self, x: float, y: float) -> Any:
        """Return the cell of a place."""

    def path(self, start: Any, goal: Any) -> list[Any]:
        """Return the cells from one to another, both included."""

    def centre(self, cell: Any) -> tuple[float, float]:
        """Return the middle of a cell."""


def choose_goals(dataset: Dataset, steps: int, count: int, context: int, seed: int) -> list[Goal]:
    """Return moments from which one went somewhere: at least as far as a quarter of the steps go.

    The same data, numbers and seed give the same moments, from as many episodes as there are.
    """
    step, found = mean_step(dataset), list[Goal]()
    rng = np.random.default_rng(seed)
    for index in rng.permutation(len(dataset)).tolist():
        pose = _pose(dataset.load_steps(index), dataset)
        lasts = np.arange(context - 1, len(pose) - steps)
        gone = np.hypot(*(pose[lasts + steps] - pose[lasts])[:, :2].T)
        far = lasts[gone > 0.25 * steps * step] if len(lasts) else lasts
        if len(far):
            found.append(Goal(index, int(rng.choice(far)), steps))
        if len(found) == count:
            return found
    if not found:
        raise WorldsimError(
            f"nobody in {dataset.path} went anywhere within {steps} steps: collect more"
        )
    return found


def mean_step(dataset: Dataset) -> float:
    """Return the metres of a step in which one moves, on average."""
    gone = [
        np.hypot(*np.diff(_pose(dataset.load_steps(index), dataset)[:, :2], axis=0).T)
        for index in range(min(40, len(dataset)))
    ]
    metres = np.concatenate(gone)
    return float(metres[metres > 1e-3].mean())


def return_to(env: gym.Env[Any, Any], episode: Episode, first: int) -> np.ndarray:
    """Live an episode again up to a frame; return the pose there, in metres and degrees.

    Raises:
        WorldsimError: The simulator does not go the same way again.
    """
    metres = env.get_wrapper_attr("spec_world").metres_per_unit
    _, info = env.reset(seed=episode.seed)
    for action in episode.actions[:first]:
        info = env.step(action)[4]
    assert episode.pose is not None
    now, then = (in_metres(pose, metres) for pose in (info["pose"], episode.pose[first]))
    off = float(np.hypot(*(now - then)[:2]))
    if off > FARTHEST:
        raise WorldsimError(
            f"episode {episode.seed} does not come back to where it was recorded ({off:.2f} m off "
            f"at frame {first}): collect the data with this version and the world's own options"
        )
    return now


def follow_way(
    env: gym.Env[Any, Any], start: np.ndarray, actions: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Take actions; return all poses in metres and degrees, ``(T + 1, 3)``.

    Who is at an end stays there.
    """
    metres, poses, over = env.get_wrapper_attr("spec_world").metres_per_unit, [start], False
    for action in actions:
        if not over:
            *_, ended, cut, info = env.step(int(action))
            over = ended or cut
            poses.append(in_metres(info["pose"], metres))
        else:
            poses.append(poses[-1])
    return np.stack(poses)


def absolute_error(way: np.ndarray, truth: np.ndarray) -> float:
    """Return ATE: the root of the mean squared distance of places, both ``(T + 1, 3)``."""
    return float(np.sqrt(((way - truth)[1:, :2] ** 2).sum(axis=1).mean()))


def relative_error(way: np.ndarray, truth: np.ndarray) -> float:
    """Return RPE: the same of the single steps, each seen from where it is made."""
    return float(np.sqrt(((_steps(way) - _steps(truth)) ** 2).sum(axis=1).mean()))


def length(way: np.ndarray) -> float:
    """Return how long a way of places ``(T, 2 or more)`` is."""
    return float(np.hypot(*np.diff(way[:, :2], axis=0).T).sum())


def shortest_known(recorded: np.ndarray, plan: Plan | None, metres: float) -> float:
    """Return how long the shortest known way between the ends of a recorded one is.

    It is the recorded one or, where there is a plan, the way through the middles of the openings
    between its cells, whichever is shorter: never less than the straight line. The plan's way may
    be a little too long, as it cuts no corners in the openings, and it leads through what stands
    about in the cells.

    Args:
        recorded: Poses in metres ``(T, 3)``.
        plan: Of the walls; None where nobody knows it.
        metres: Of one unit of the plan.
    """
    if plan is None:
        return length(recorded)
    start, goal = recorded[0, :2] / metres, recorded[-1, :2] / metres
    cells = plan.path(plan.cell_at(*start), plan.cell_at(*goal))
    centres = np.array([plan.centre(cell) for cell in cells])
    openings = (centres[1:] + centres[:-1]) / 2
    return min(length(recorded), length(np.stack([start, *openings, goal])) * metres)


def success_by_length(reached: bool, taken: float, shortest: float) -> float:
    """Return SPL: 1 for a success by the shortest way, less for detours (Anderson et al. 2018)."""
    return float(reached) * (shortest / max(taken, shortest) if shortest > 0 else 1.0)


def stuck(way: np.ndarray, ahead: Sequence[bool], step: float) -> int:
    """Count the steps in which one wanted to get on and did not: collisions."""
    gone = np.hypot(*np.diff(way[:, :2], axis=0).T)
    return int((np.array(ahead, bool) & (gone < MOVING * step)).sum())


def in_metres(pose: np.ndarray, metres: float) -> np.ndarray:
    """Return poses ``(..., 3)`` in metres and degrees."""
    return np.asarray(pose, np.float64) * np.array([metres, metres, 1.0])


def _steps(way: np.ndarray) -> np.ndarray:
    """Return metres ahead and to the left of each step, ``(T, 2)``."""
    yaw = np.radians(way[:-1, 2])
    dx, dy = np.diff(way[:, :2], axis=0).T
    return np.stack([np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx], 1)


def _pose(steps: Steps, dataset: Dataset) -> np.ndarray:
    if steps.pose is None:
        raise WorldsimError(f"{dataset.path} knows no poses: collect it anew")
    return in_metres(steps.pose, dataset.spec.metres_per_unit)
