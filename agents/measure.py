"""How good a policy is in held-out places of the real simulator, noted while it learns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from stable_baselines3.common.policies import ActorCriticPolicy

from agents.film import film, or_say_why
from agents.play import make_real, play, summarize
from agents.policy import About, PolicyAgent
from agents.tasks import find_task

CURVE = "real.csv"  # what was measured, a line each time


def measure(
    policy: ActorCriticPolicy, about: About, episodes: int, seed: int, movie: Path | None = None
) -> dict[str, Any]:
    """Let a policy play in held-out places; return what `summarize` says of it.

    Args:
        policy: The network.
        about: What it was trained on.
        episodes: How many; their seeds are 0 and what follows.
        seed: Of the actions it draws.
        movie: Film of the best episode to write; None: none is.
    """
    env = make_real(find_task(about.task), "heldout")
    try:
        world: Any = env.unwrapped
        actions = [world.spec_world.action_index(words) for words in about.keys]
        agent = PolicyAgent(policy, about, actions, seed=seed)
        desc, keep = "agent, real world", movie is not None
        played = play(env, agent, range(episodes), desc=desc, keep=keep)
        if movie:
            with or_say_why(movie):
                film(movie, played, world.spec_world)
        return summarize(played)
    finally:
        env.close()


def note(folder: Path, steps: int, real_frames: int, found: dict[str, Any]) -> None:
    """Add a measurement to the curve in a run's folder."""
    path = folder / CURVE
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(["steps", "real_frames", "mean", "low", "high", "episodes"])
        numbers = (found[name] for name in ("mean", "low", "high", "episodes"))
        rows.writerow([steps, real_frames, *numbers])
