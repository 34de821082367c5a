"""ViZDoom's own scenarios with a reward, as tasks of the world `doom`.

They keep the scenario's map, monsters and reward, and get this world's picture, keys and rate.
There is no key to shoot with: monsters are there to be run from.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A scenario: its file in ViZDoom's `scenarios`, and what its configuration says.

    Attributes:
        wad: Name of the file; its first map is played.
        skill: Of the monsters, 1 to 5.
        living_reward: For every tic, 35 a second.
        death_penalty: Taken off at death.
        aim: What is rewarded, in words.
        place: A sentence about where one is.
    """

    wad: str
    skill: int
    living_reward: float
    death_penalty: float
    aim: str
    place: str


# An episode of any of them is 2100 tics at most: 60 seconds.
TASK_STEPS = 1050
TASKS = {
    "take_cover": Task(
        *("take_cover.wad", 4, 1.0, 0.0, "1 for every tic that one stays alive"),
        place="A bare room with monsters that throw balls of fire.",
    ),
    "my_way_home": Task(
        *("my_way_home.wad", 5, -0.0001, 0.0, "1 for finding the green armour"),
        place="A walk through a few rooms, each with walls of its own.",
    ),
    "health_gathering": Task(
        *("health_gathering.wad", 3, 1.0, 100.0, "1 for every tic on the acid floor, alive"),
        place="A hall with a floor of acid and medical kits.",
    ),
    # Its configuration says skill 5, which is meant for who can shoot.
    "deadly_corridor": Task(
        *("deadly_corridor.wad", 1, 0.0, 100.0, "map units nearer to the green armour"),
        place="A corridor with armed men at both sides.",
    ),
}
# What training may see of them differs from what is kept for measuring by the engine's seed.
TASK_SEEDS = {"train": (0, (1 << 30) - 1), "heldout": (1 << 30, (1 << 31) - 1)}
