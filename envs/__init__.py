"""Worlds as Gymnasium environments; importing this package registers their names, nothing else.

Neither a simulator nor torch is loaded until one of the environments is made.
"""

from gymnasium.envs.registration import register, registry

REAL = {
    "Doom": "envs.doom:DoomEnv",
    "Rooms": "envs.rooms:RoomsEnv",
    "CarRacing": "envs.carracing:CarRacingEnv",
}

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
