"""`in=both`: act in the real world, learn the world from it, learn in the dream, and again.

What the agent does not know the model cannot know either, until somebody goes there: rounds bring
the data to where the agent has got to. Sources: Dyna (Sutton 1991), World Models (Ha and
Schmidhuber 2018, §5), DIAMOND (Alonso et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from agents.options import AgentTrainConfig
from agents.play import Agent, make_real
from agents.policy import PolicyAgent
from agents.scripted import RandomHold
from agents.tasks import Task, find_task
from worldsim import provenance
from worldsim.checkpoint import BUNDLED
from worldsim.data import DatasetWriter, Episode
from worldsim.errors import WorldsimError
from worldsim.json_files import read_json
from worldsim.train.program import train as train_world

PLAN = "both.json"  # what the rounds of a run are, and how many are done


def alternate(cfg: AgentTrainConfig, learn: Callable[[AgentTrainConfig], int]) -> int:
    """Take turns; the same line typed again goes on where it was, in any of them.

    Leaves ``<out>/data``, all that was really lived; ``<out>/world-N``, the model of each round;
    and what `learn` leaves. Steps dreamed are shared out evenly among the rounds.

    Returns:
        0, or what `learn` returned when it was interrupted.
    """
    out, both = Path(cfg.out), cfg.both
    done = _read_plan(cfg)
    before = str(out / f"world-{done - 1}/model") if done else cfg.checkpoint or str(BUNDLED)
    for k in range(done, both.rounds):
        act(cfg, find_task(cfg.task), (k + 1) * both.real_steps)
        world = out / f"world-{k}"
        train_world(
            replace(
                both.world,
                data=str(out / "data"),
                out=str(world),
                seed=cfg.seed,
                init_from=before,
                codec_from=before,
            )  # fmt: skip
        )
        before = str(world / "model")
        status = learn(
            replace(
                cfg,
                inside="dream",
                checkpoint=before,
                data=str(out / "data"),
                steps=cfg.steps * (k + 1) // both.rounds,
            )  # fmt: skip
        )
        if status:
            return status
        _write_plan(cfg, done=k + 1)
    return 0


def act(cfg: AgentTrainConfig, task: Task, steps: int) -> None:
    """Live in the real world until ``<out>/data`` has so many steps, with the agent of now."""
    out = Path(cfg.out)
    env = make_real(task, "train")
    world: Any = env.unwrapped
    spec, keys = world.spec_world, [world.spec_world.action_index(words) for words in task.keys]
    size = int((env.observation_space.shape or (0,))[0])
    try:
        with DatasetWriter(out / "data", spec, size) as writer:
            bar = tqdm(total=steps, initial=min(_lived(writer), steps), desc="real", unit="step")
            while (done := _lived(writer)) < steps:
                seed = int(np.random.SeedSequence([cfg.seed, writer.num_episodes])
                           .generate_state(1, np.uint64)[0] >> 2)  # fmt: skip
                agent: Agent = RandomHold(spec, seed, keys)
                if (out / "agent").exists():
                    agent = PolicyAgent.load(out / "agent", spec, seed=seed)
                writer.append(live(env, agent, seed, most=steps - done))
                bar.update(min(_lived(writer), steps) - bar.n)
            bar.close()
    finally:
        env.close()


def live(env: Any, agent: Agent, seed: int, most: int) -> Episode:
    """Play an episode of up to `most` steps and return what was lived."""
    frame, info = env.reset(seed=seed)
    agent.reset()
    frames, infos = [frame], [info]
    actions, rewards, over, ended = list[int](), list[float](), False, False
    while not over and len(actions) < most:
        actions.append(int(agent.act(frame, info)))
        frame, reward, ended, cut, info = env.step(actions[-1])
        frames.append(frame)
        infos.append(info)
        rewards.append(float(reward))
        over = ended or cut
    poses = [found.get("pose") for found in infos]
    return Episode(
        frames=np.stack(frames),
        actions=np.array(actions),
        rewards=np.array(rewards),
        terminated=bool(ended),
        texts=[""] * len(actions),
        source=str(infos[0].get("source", "")),
        seed=seed,
        pose=None if any(pose is None for pose in poses) else np.stack(poses),
    )


def _lived(writer: DatasetWriter) -> int:
    """Count the steps; an episode has a frame more."""
    return writer.num_frames - writer.num_episodes


def _plan(cfg: AgentTrainConfig) -> dict[str, Any]:
    return {"steps": cfg.steps, "task": cfg.task, "seed": cfg.seed} | asdict(cfg.both)


def _write_plan(cfg: AgentTrainConfig, done: int) -> None:
    provenance.write_json(Path(cfg.out) / PLAN, {"plan": _plan(cfg), "done": done})


def _read_plan(cfg: AgentTrainConfig) -> int:
    """Return how many rounds are done; refuse to go on with others than those that were begun."""
    path, plan = Path(cfg.out) / PLAN, _plan(cfg)
    if not path.exists():
        _write_plan(cfg, done=0)
        return 0
    before, done = read_json(path, lambda found: (dict(found["plan"]), int(found["done"])))
    changed = [name for name in plan if before.get(name) != plan[name]]
    if changed:
        raise WorldsimError(
            f"{path.parent} was begun with other {', '.join(changed)}: give those again, or "
            "another out="
        )
    return done
