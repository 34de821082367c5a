"""What agents are trained and judged on: a world, what is rewarded there, and by which keys."""

from __future__ import annotations

from dataclasses import dataclass

from worldsim.errors import WorldsimError

TURNS = ("stay", "forward", "turn left", "turn right", "forward turn left", "forward turn right")


@dataclass(frozen=True)
class Task:
    """One task, the same in the real world and in its dream.

    Attributes:
        real: Gymnasium id of the simulator, after the module that registers it; takes
            ``split="train"`` or ``"heldout"``.
        dream: Gymnasium id of the dream.
        keys: Words of the actions an agent may take; the first is the one it rests with.
        goal: What a return is, in words.
        solved: Return from which on the task counts as solved; None where nobody says.
        scale: What rewards are multiplied with while an agent learns.
        success: Whether an episode that the world ends was a success; False: one that goes on to
            the time limit is. None where ends say nothing.
        guide: Module and class of who knows the way in the simulator, see `envs.guides`; or "".
        hurts: Whether there is health to lose, so that agents may feel pain.
        alone: Whether each of many simulators wants a process of its own.
    """

    real: str
    dream: str
    keys: tuple[str, ...]
    goal: str
    solved: float | None = None
    scale: float = 1.0
    success: bool | None = None
    guide: str = ""
    hurts: bool = False
    alone: bool = False


TASKS = {
    "doom/take_cover": Task(
        "envs:worldsim/DoomTakeCover-v0",
        "envs:worldsim/DreamDoomTakeCover-v0",
        ("stay", "strafe left", "strafe right"),
        "tics alive, 35 a second",
        solved=750.0,  # Ha and Schmidhuber 2018, "World Models", §4
        scale=0.02,
        guide="envs.guides:CoverGuide",
        hurts=True,
    ),
    "doom/my_way_home": Task(
        "envs:worldsim/DoomMyWayHome-v0",
        "envs:worldsim/DreamDoomMyWayHome-v0",
        TURNS,
        "1 for the armour, less .0001 a tic",
        success=True,
        guide="envs.guides:HomeGuide",
    ),
    "doom/health_gathering": Task(
        "envs:worldsim/DoomHealthGathering-v0",
        "envs:worldsim/DreamDoomHealthGathering-v0",
        TURNS,
        "tics alive, less 100 at death; alive at the limit of 2100 is a success",
        scale=0.02,
        success=False,  # the scenario's only end is death, its timeout 2100 tics
        guide="envs.guides:HealthGuide",
        hurts=True,
    ),
    **{
        f"rooms/{name.lower()}": Task(
            f"envs:worldsim/Rooms{name}-v0",
            f"envs:worldsim/DreamRooms{name}-v0",
            TURNS,
            f"1 for the duck, which ends it, and for every thing picked up on the way, {where}",
            success=True,
            guide="envs.guides:RoomsGuide",
            alone=True,  # they would draw into one and the same list of OpenGL, until it breaks
        )
        for name, where in (
            ("Duck", "beginning in the duck's room"),
            ("Four", "in four furnished rooms"),
            ("Maze", "in a maze"),
        )
    },
    "carracing": Task(
        "envs:worldsim/CarRacing-v0",
        "envs:worldsim/DreamCarRacing-v0",
        ("stay", "gas", "brake", "steer left", "steer right", "gas steer left", "gas steer right"),
        "1000 for all tiles of the road, less .1 a frame",
        solved=900.0,
        scale=0.1,
        guide="envs.guides:RoadGuide",
    ),
}


def find_task(name: str) -> Task:
    """Return the task of a name."""
    if name not in TASKS:
        raise WorldsimError(f"unknown task '{name}': use one of {', '.join(TASKS)}")
    return TASKS[name]
