"""Worlds as Gymnasium environments; importing this package registers their names, nothing else.

Neither a simulator nor torch is loaded until one of the environments is made.
"""

from gymnasium.envs.registration import register, registry

from envs.doom_task import TASK_STEPS, TASKS

REAL = {
    "Doom": "envs.doom:DoomEnv",
    "Rooms": "envs.rooms:RoomsEnv",
    "CarRacing": "envs.carracing:CarRacingEnv",
    "Kart": "envs.kart:KartEnv",
}

for task in TASKS:
    name = f"worldsim/Doom{task.title().replace('_', '')}-v0"
    if name not in registry:
        register(name, entry_point=REAL["Doom"], kwargs={"source": task, "max_steps": TASK_STEPS})
        register(
            name.replace("/Doom", "/DreamDoom"),
            entry_point="envs.dream:DreamEnv",
            vector_entry_point="envs.dream_vector:DreamVectorEnv",
            max_episode_steps=TASK_STEPS,
            kwargs={"world": "doom", "place": task},
        )

# The duck of `rooms` ends an episode: finding it is a task, in places of several kinds.
ROOMS_TASKS: dict[str, tuple[str, int, dict[str, object]]] = {
    "Duck": ("furnished", 128, {"places": "furnished", "near": True}),
    "Four": ("furnished", 256, {"places": "four"}),
    "Maze": ("maze", 512, {"places": "maze"}),
}
for task, (place, steps, options) in ROOMS_TASKS.items():
    if f"worldsim/Rooms{task}-v0" not in registry:
        register(
            f"worldsim/Rooms{task}-v0",
            entry_point=REAL["Rooms"],
            kwargs={"max_steps": steps, **options},
        )
        register(
            f"worldsim/DreamRooms{task}-v0",
            entry_point="envs.dream:DreamEnv",
            vector_entry_point="envs.dream_vector:DreamVectorEnv",
            max_episode_steps=steps,
            kwargs={"world": "rooms", "place": place},
        )

for name, entry_point in REAL.items():
    if f"worldsim/{name}-v0" not in registry:
        register(f"worldsim/{name}-v0", entry_point=entry_point)
        register(
            f"worldsim/Dream{name}-v0",
            entry_point="envs.dream:DreamEnv",
            vector_entry_point="envs.dream_vector:DreamVectorEnv",
            max_episode_steps=512,
            kwargs={"world": name.lower()},
        )
