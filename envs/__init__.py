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
