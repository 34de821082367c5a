"""`worldsim bench agents`: how fast agents act and learn in the dream, as JSON.

What `worldsim bench` says of one dream, this says of many side by side, and of the whole loop of
learning. All numbers of worlds are measured in turns, since machines are noisy.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from tqdm.auto import tqdm

from agents.options import AgentTrainConfig, PPOConfig
from agents.tasks import Task, find_task
from agents.train import make_learner, make_worlds
from worldsim import provenance
from worldsim.errors import WorldsimError

ROUNDS = 3  # turns of each number of worlds


@dataclass
class AgentBenchConfig:
    """Options of `worldsim bench agents`.

    Attributes:
        task: What is played.
        batches: Numbers of dreams side by side.
        seconds: Of each number, in all.
        learn: PPO's updates to time, each of ``ppo.n_steps`` steps of `num_envs` worlds; 0: none.
        num_envs: Worlds that are learnt in.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        data: Dataset whose moments dreams begin in; empty: the checkpoint's clips.
        ppo: How is learnt.
        device: Of the policy.
        out: JSON to write.
        seed: Of everything random.
    """

    task: str = "doom/take_cover"
    batches: list[int] = field(default_factory=lambda: [1, 8, 64, 256])
    seconds: float = 20.0
    learn: int = 2
    num_envs: int = 16
    checkpoint: str = ""
    data: str = ""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    device: str = "cpu"
    out: str = "bench_agents.json"
    seed: int = 0


class Timed(VecEnvWrapper):
    """Counts the seconds that steps of its worlds take."""

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self.seconds = 0.0

    def reset(self) -> Any:
        """Begin everywhere."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Take a step and count."""
        began = time.perf_counter()
        found = self.venv.step_wait()
        self.seconds += time.perf_counter() - began
        return found


def bench(cfg: AgentBenchConfig) -> None:
    """Measure and write; every figure is printed too."""
    task = find_task(cfg.task)
    if cfg.seconds <= 0 or cfg.learn < 0 or not cfg.batches or min(cfg.batches) < 1:
        raise WorldsimError(
            f"seconds={cfg.seconds}, learn={cfg.learn}, batches={cfg.batches}: use more than 0 "
            "seconds, 0 or more updates, and 1 or more worlds each"
        )
    provenance.check_writable(Path(cfg.out))
    speeds, model = time_dreams(cfg, task)
    result: dict[str, Any] = {"task": cfg.task, "frames_per_second": speeds}
    if cfg.learn:
        result["ppo"] = time_learning(cfg, task)
    result["meta"] = provenance.meta(cfg.seed, cfg.data, model) | {"device": cfg.device}
    provenance.write_json(Path(cfg.out), result)
    print(summary(result))
    print(f"wrote {cfg.out}")


def time_dreams(cfg: AgentBenchConfig, task: Task) -> tuple[dict[str, float], str]:
    """Return frames a second over all worlds, by their number, and the digest of the model."""
    rng, model = np.random.default_rng(cfg.seed), ""
    spent, steps = dict.fromkeys(cfg.batches, 0.0), dict.fromkeys(cfg.batches, 0)
    turns = [count for _ in range(ROUNDS) for count in cfg.batches]
    for count in tqdm(turns, desc="dreams", unit="turn", leave=False):
        env = _dreams(cfg, task, count)
        env.reset(seed=cfg.seed)
        env.step(rng.integers(len(task.keys), size=count))
        world: Any = env.unwrapped
        model = str(world.model_id)
        began, taken = time.perf_counter(), 0
        while not taken or time.perf_counter() - began < cfg.seconds / ROUNDS:
            env.step(rng.integers(len(task.keys), size=count))
            taken += 1
        spent[count] += time.perf_counter() - began
        steps[count] += taken
        env.close()
    return {str(count): count * steps[count] / spent[count] for count in cfg.batches}, model


def time_learning(cfg: AgentBenchConfig, task: Task) -> dict[str, float]:
    """Return frames a second of the whole loop of PPO, and the share of it spent dreaming."""
    learning = AgentTrainConfig(
        cfg.task, num_envs=cfg.num_envs, checkpoint=cfg.checkpoint, data=cfg.data,
        ppo=cfg.ppo, device=cfg.device, seed=cfg.seed,
    )  # fmt: skip
    worlds = Timed(make_worlds(learning, task))
    try:
        learner, frames = make_learner(learning, worlds), cfg.ppo.n_steps * cfg.num_envs
        spans = list[float]()
        worlds.seconds = 0.0
        for _ in tqdm(range(cfg.learn), desc="ppo", unit="update", leave=False):
            began = time.perf_counter()
            learner.learn(frames, reset_num_timesteps=False)
            spans.append(time.perf_counter() - began)
    finally:
        worlds.close()
    return {
        "num_envs": cfg.num_envs,
        "frames_per_second": frames / median(spans),
        "dreaming": worlds.seconds / sum(spans),
    }


def summary(result: dict[str, Any]) -> str:
    """Return the figures as text."""
    rates = result["frames_per_second"].items()
    said = "frames/s over all worlds: " + ", ".join(f"{n} worlds {fps:.1f}" for n, fps in rates)
    if ppo := result.get("ppo"):
        said += (
            f"\nPPO with {ppo['num_envs']} worlds: {ppo['frames_per_second']:.1f} frames/s, "
            f"{ppo['dreaming']:.0%} of the time spent dreaming"
        )
    return said


def _dreams(cfg: AgentBenchConfig, task: Task, count: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.make_vec(
        task.dream,
        num_envs=count,
        checkpoint=cfg.checkpoint or None,
        dataset=cfg.data or None,
        max_episode_steps=-1,
    )
