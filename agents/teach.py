"""`worldsim agent teach task=…`: an agent learns from a guide while it acts itself.

A clone of perfect play never sees what comes of its own mistakes. Here the agent acts, round after
round, the guide says at every step what it would have done, and all of it is learnt. Method: DAgger
(Ross et al. 2011, arXiv 1011.0686). It needs the simulator and its plan; what comes out sees
pictures alone. Nothing is dreamed: this is what agents of dreams can be held to, and begin as.
"""

from __future__ import annotations

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
from stable_baselines3.common.policies import ActorCriticPolicy
from tqdm.auto import tqdm

from agents.bundled import begin_as
from agents.guided import Guided
from agents.measure import measure, note
from agents.moments import FitConfig, Moments, fit, joined
from agents.play import Agent, make_real
from agents.policy import About, PolicyAgent, make_policy, read_about, save_policy
from agents.tasks import Task, find_task
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged

BURSTS = (3, 10)  # steps of doing anything at all: the fewest, and one more than the most
BURST = 6  # on average


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
    lived, env = list[Moments](), make_real(task, "train")
    try:
        guide = Guided(env, task)
        policy, about = _begin(cfg, task, int((env.observation_space.shape or (0,))[0]))
        for number in range(cfg.rounds):
            began, path = time.monotonic(), out / "rounds" / f"{number:03d}.safetensors"
            if not path.exists():
                agent = PolicyAgent(policy, about, _actions(env, task), seed=cfg.seed + number)
                # Who knows nothing yet lets the guide act.
                _save(path, _act(env, guide, agent if number else None, task, cfg, number))
            lived.append(_load(path))
            learnt = sum(len(part.at) for part in lived)
            if about.real_frames >= learnt:  # by a run that was killed
                continue
            how = FitConfig(cfg.steps, cfg.batch_size, cfg.rate, cfg.stack, cfg.repeat,
                            cfg.seed + number)  # fmt: skip
            fit(policy, joined(lived), how, f"round {number + 1} of {cfg.rounds}")
            about = replace(
                about,
                steps=about.steps + cfg.steps * cfg.batch_size,
                real_frames=learnt,
                seconds=about.seconds + time.monotonic() - began,
            )
            save_policy(out / "agent", policy, about)
            if cfg.eval_every and (number + 1) % cfg.eval_every == 0:
                found = measure(policy, about, cfg.eval_episodes, seed=0)
                note(out, learnt, learnt, found)
                print(f"{learnt} steps: return {found['mean']:.1f}, ended {found['ended']:.0%} of "
                      f"{cfg.eval_episodes}")  # fmt: skip
    finally:
        env.close()
    print(f"wrote {out / 'agent'}")


def _begin(cfg: TeachConfig, task: Task, size: int) -> tuple[ActorCriticPolicy, About]:
    """Return the agent of the last round there was, or one that knows nothing."""
    folder = Path(cfg.out) / "agent"
    about = About(cfg.task, list(task.keys), cfg.stack, size, "taught", repeat=cfg.repeat)
    torch.manual_seed(cfg.seed)
    policy = make_policy(about).to(cfg.device)
    if folder.exists():
        begin_as(policy, str(folder), about)
        about = read_about(folder)
        print(f"going on after {about.real_frames} steps")
    return policy, about


def _act(
    env: gym.Env[Any, Any],
    guide: Guided,
    agent: Agent | None,
    task: Task,
    cfg: TeachConfig,
    number: int,
) -> Moments:
    """Act for so many steps and write down what the guide would have done at each.

    Without an agent the guide acts, but for short bursts of anything at all.
    """
    keys = {action: key for key, action in enumerate(_actions(env, task))}
    frames, begins, right = list[np.ndarray](), list[int](), list[int]()
    bar = tqdm(total=cfg.moments, desc=f"act {number + 1}", unit="step", leave=False)
    rng, episode = np.random.default_rng([cfg.seed, number]), 0
    while len(right) < cfg.moments:
        luck = np.random.SeedSequence([cfg.seed, number, episode]).generate_state(1)[0]
        frame, info = env.reset(seed=int(luck))
        guide.reset()
        if agent:
            agent.reset()
        begin, over, episode, wandering, burst = len(frames), False, episode + 1, 0, 0
        while not over and len(right) < cfg.moments:
            frames.append(frame)
            begins.append(begin)
            advice = guide.act(frame, info)  # asked once a step: it remembers what it saw
            right.append(_key(advice, keys, env))
            action = agent.act(frame, info) if agent else advice
            if not agent and not wandering and rng.random() < cfg.wander / BURST:
                wandering, burst = int(rng.integers(*BURSTS)), int(rng.choice(list(keys)))
            if wandering:
                wandering, action = wandering - 1, burst
            frame, _, ended, cut, info = env.step(action)
            over = bool(ended or cut)
            bar.update()
    bar.close()
    return Moments(np.stack(frames), np.array(begins), np.arange(len(frames)), np.array(right))


def _key(advice: int, keys: dict[int, int], env: gym.Env[Any, Any]) -> int:
    """Return which of the task's keys a guide's advice is."""
    if advice not in keys:
        world: Any = env.unwrapped
        words = world.spec_world.action_text(advice)
        raise WorldsimError(f"the guide says '{words}', which is none of the task's keys")
    return keys[advice]


def _actions(env: gym.Env[Any, Any], task: Task) -> list[int]:
    world: Any = env.unwrapped
    return [int(world.spec_world.action_index(words)) for words in task.keys]


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
