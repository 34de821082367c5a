"""Worlds as Gymnasium environments; importing this package registers their names, nothing else.

Neither a simulator nor torch is loaded until one of the environments is made.
"""

from gymnasium.envs.registration import register, registry

if "worldsim/Doom-v0" not in registry:
    register("worldsim/Doom-v0", entry_point="envs.doom:DoomEnv")
    register(
        "worldsim/DreamDoom-v0",
        entry_point="envs.dream:DreamEnv",
        vector_entry_point="envs.dream_vector:DreamVectorEnv",
        max_episode_steps=512,
        kwargs={"world": "doom"},
    )
