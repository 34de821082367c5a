"""`worldsim agent teach task=…`: an agent learns from a guide while it acts itself.

A clone of perfect play never sees what comes of its own mistakes. Here the agent acts, round after
round, the guide says at every step what it would have done, and all of it is learnt. Method: DAgger
(Ross et al. 2011, arXiv 1011.0686). It needs the simulator and its plan; what comes out sees
pictures alone. Nothing is dreamed: this is what agents of dreams can be held to, and begin as.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from omegaconf import MISSING
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm.auto import tqdm

from agents.guided import Guided
from agents.moments import FitConfig, Moments, fit, joined
from agents.play import Agent, make_real, play, summarize
from agents.policy import About, PolicyAgent, load_policy, make_policy, save_policy
from agents.tasks import Task, find_task
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged


@dataclass
class TeachConfig:
    """Options of `worldsim agent teach`.

    Attributes:
        task: What to learn; one with a guide.
        out: Folder; the agent is in ``<out>/agent``. The same line typed again goes on.
        rounds: Of acting and learning; in the first one the guide acts, most of the time.
        moments: Steps acted in each round.
        wander: Share of the first round's steps taken at random, so that leaving the way is seen.
        steps: Updates after each round.
        batch_size: Moments of an update.
        rate: Of Adam, falling to nothing in each round.
        stack: Newest frames that the agent sees.
        repeat: Steps for which it holds an action.
        eval_every: Rounds between measurements in held-out places; 0: none.
        eval_episodes: Of each measurement.
        device: Of the policy.
        seed: Of everything random.
    """

    task: str = MISSING
    out: str = "runs/teach"
    rounds: int = 8
    moments: int = 5000
    wander: float = 0.2
    steps: int = 800
    batch_size: int = 128
    rate: float = 5e-4
    stack: int = 3
    repeat: int = 1
    eval_every: int = 2
    eval_episodes: int = 10
    device: str = "cpu"
    seed: int = 0


def teach(cfg: TeachConfig) -> None:
    """Let an agent act and learn what the guide would have done, up to the last round."""
    task, out = find_task(cfg.task), Path(cfg.out)
    _check(cfg)
    began, lived, env = time.monotonic(), list[Moments](), make_real(task, "train")
    try:
        guide = Guided(env, task)
        size = int((env.observation_space.shape or (0,))[0])
        about = About(cfg.task, list(task.keys), cfg.stack, size, "taught", repeat=cfg.repeat)
        torch.manual_seed(cfg.seed)
        policy, measured = make_policy(about).to(cfg.device), 0.0
        done = len(list((out / "rounds").glob("*.safetensors")))
        if done and (out / "agent").exists():
            about, known = load_policy(out / "agent")
            policy.load_state_dict(known.state_dict())
            print(f"going on after round {min(done, cfg.rounds)}")
        spent = about.seconds
        for number in range(cfg.rounds):
            path = out / "rounds" / f"{number:03d}.safetensors"
            old = path.exists()
            if not old:
                agent = _Wanderer(guide, env, task, cfg) if not number else PolicyAgent(
                    policy, about, _actions(env, task), seed=cfg.seed + number)  # fmt: skip
                _save(path, _act(env, guide, agent, task, cfg, number))
            lived.append(_load(path))
            learnt = sum(len(part.at) for part in lived)
            if old and about.real_frames >= learnt:
                continue
            how = FitConfig(cfg.steps, cfg.batch_size, cfg.rate, cfg.stack, cfg.repeat,
                            cfg.seed + number)  # fmt: skip
            fit(policy, joined(lived), how, f"round {number + 1} of {cfg.rounds}")
            about = replace(
                about,
                steps=about.steps + cfg.steps * cfg.batch_size,
                real_frames=learnt,
                seconds=spent + time.monotonic() - began - measured,
            )
            save_policy(out / "agent", policy, about)
            if cfg.eval_every and (number + 1) % cfg.eval_every == 0:
                since = time.monotonic()
                _measure(cfg, task, PolicyAgent(policy, about, _actions(env, task)))
                measured += time.monotonic() - since
    finally:
        env.close()
    print(f"wrote {out / 'agent'}")


class _Wanderer:
    """Does what the guide says, but for short bursts of anything at all."""

    def __init__(self, guide: Guided, env: gym.Env[Any, Any], task: Task, cfg: TeachConfig) -> None:
        self._guide, self._actions, self._share = guide, _actions(env, task), cfg.wander
        self._random = np.random.default_rng(cfg.seed)
        self._burst, self._action = 0, 0

    def reset(self) -> None:
        self._burst = 0

    def act(self, observation: np.ndarray, info: dict[str, Any]) -> int:
        if not self._burst and self._random.random() < self._share / 6:
            self._burst = int(self._random.integers(3, 10))
            self._action = int(self._random.choice(self._actions))
        if self._burst:
            self._burst -= 1
            return self._action
        return self._guide.act(observation, info)


def _act(
    env: gym.Env[Any, Any], guide: Guided, agent: Agent, task: Task, cfg: TeachConfig, number: int
) -> Moments:
    """Act for so many steps and write down what the guide would have done at each."""
    keys = {action: key for key, action in enumerate(_actions(env, task))}
    frames, begins, right = list[np.ndarray](), list[int](), list[int]()
    bar = tqdm(total=cfg.moments, desc=f"act {number + 1}", unit="step", leave=False)
    episode = 0
    while len(right) < cfg.moments:
        luck = np.random.SeedSequence([cfg.seed, number, episode]).generate_state(1)[0]
        frame, info = env.reset(seed=int(luck))
        guide.reset()
        agent.reset()
        begin, over, episode = len(frames), False, episode + 1
        while not over and len(right) < cfg.moments:
            frames.append(frame)
            begins.append(begin)
            advice = guide.act(frame, info)
            if advice not in keys:
                words = env.unwrapped.spec_world.action_text(advice)  # type: ignore[attr-defined]
                raise WorldsimError(f"the guide says '{words}', which is none of the task's keys")
            right.append(keys[advice])
            action = advice if agent is guide else agent.act(frame, info)
            frame, _, ended, cut, info = env.step(action)
            over = bool(ended or cut)
            bar.update()
    bar.close()
    return Moments(np.stack(frames), np.array(begins), np.arange(len(frames)), np.array(right))


def _actions(env: gym.Env[Any, Any], task: Task) -> list[int]:
    world: Any = env.unwrapped
    return [int(world.spec_world.action_index(words)) for words in task.keys]


def _measure(cfg: TeachConfig, task: Task, agent: PolicyAgent) -> None:
    """Play in held-out places and add a line to ``real.csv``."""
    env = make_real(task, "heldout")
    try:
        found = summarize(play(env, agent, range(cfg.eval_episodes), desc="real world"))
    finally:
        env.close()
    path = Path(cfg.out) / "real.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(["steps", "real_frames", "mean", "low", "high", "episodes"])
        numbers = (found[name] for name in ("mean", "low", "high", "episodes"))
        rows.writerow([agent.about.real_frames, agent.about.real_frames, *numbers])
    print(f"{agent.about.real_frames} steps: return {found['mean']:.1f}, ended "
          f"{found['ended']:.0%} of {cfg.eval_episodes}")  # fmt: skip


def _save(path: Path, lived: Moments) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    save_file({"frames": lived.frames, "begins": lived.begins, "keys": lived.keys}, partial)
    partial.replace(path)


def _load(path: Path) -> Moments:
    try:
        found = load_file(path)
        return Moments(
            found["frames"], found["begins"], np.arange(len(found["keys"])), found["keys"]
        )
    except (SafetensorError, OSError, KeyError) as error:
        raise damaged(path, error) from error


def _check(cfg: TeachConfig) -> None:
    for name in ("rounds", "moments", "steps", "batch_size", "stack", "repeat", "eval_episodes"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 <= cfg.wander < 1 or cfg.rate <= 0:
        raise WorldsimError(
            f"wander={cfg.wander}, rate={cfg.rate}: use 0 up to 1, and a rate above 0"
        )
