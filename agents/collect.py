"""`worldsim agent collect task=… path=…`: play of a task with its own keys, as a dataset.

`worldsim collect` explores a world with all of its keys; here it is an agent that acts, or bursts
of the few keys that a task has. A dream of such play knows what the task is about, and little else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING
from tqdm.auto import tqdm

from agents.bundled import find_agent
from agents.guided import NAME as GUIDE
from agents.guided import Guided
from agents.play import Agent, make_real
from agents.policy import PolicyAgent
from agents.scripted import RandomHold, Slipping
from agents.skip import Skip
from agents.tasks import Task, find_task
from worldsim.data import Dataset, DatasetWriter, Episode
from worldsim.data.summary import write_attribution, write_summary
from worldsim.errors import WorldsimError


@dataclass
class AgentCollectConfig:
    """Options of `worldsim agent collect`.

    Attributes:
        task: What is played.
        path: Dataset to write or to go on with.
        agent: Who plays: folder or name of a trained agent, or ``guide``, the scripted reference;
            empty: bursts of the task's keys.
        slips: Share of the stretches of play that are bursts all the same: mistakes, and ways
            back from them.
        steps: Steps in the dataset when it is done.
        split: Of places and seeds: train or heldout.
        pain: Taken off the recorded reward for every point of health lost, where there is any: a
            dream of such play knows what hurts, not only what kills, and pays so.
        skip: Steps of the simulator to one that is recorded, see `agents.skip`.
        seed: Of the episodes.
    """

    task: str = MISSING
    path: str = MISSING
    agent: str = ""
    slips: float = 0.0
    steps: int = 20_000
    split: str = "train"
    pain: float = 0.0
    skip: int = 1
    seed: int = 0


def collect(cfg: AgentCollectConfig) -> None:
    """Play until there are so many steps; the same line typed again goes on.

    As `worldsim collect`, it leaves counts, a contact sheet and whose pictures these are.
    """
    task = find_task(cfg.task)
    if cfg.steps < 1 or cfg.split not in ("train", "heldout"):
        raise WorldsimError(
            f"steps={cfg.steps}, split={cfg.split}: use 1 or more, train or heldout"
        )
    if not 0 <= cfg.slips <= 1 or (cfg.slips and not cfg.agent):
        raise WorldsimError(
            f"slips={cfg.slips}, agent={cfg.agent}: use 0 to 1, and say whose play it breaks"
        )
    folder = find_agent(cfg.agent) if cfg.agent and cfg.agent != GUIDE else None
    act(task, Path(cfg.path), cfg.steps, folder, cfg.seed, cfg.split, cfg.pain, cfg.skip,
        cfg.agent == GUIDE, cfg.slips)  # fmt: skip
    dataset = Dataset(cfg.path)
    write_summary(dataset, dataset.path)
    write_attribution(dataset)
    print(f"wrote {cfg.path}")


def act(
    task: Task,
    path: Path,
    steps: int,
    folder: Path | None,
    seed: int,
    split: str = "train",
    pain: float = 0.0,
    skip: int = 1,
    guided: bool = False,
    slips: float = 0.0,
) -> None:
    """Live in the real world until a dataset has so many steps.

    Args:
        task: What is played.
        path: The dataset.
        steps: In all, with those that are there already.
        folder: Of the agent that acts; None: bursts of the task's keys.
        seed: Of the episodes.
        split: Of places and seeds.
        pain: Taken off the recorded reward for every point of health lost.
        skip: Steps of the simulator to one that is recorded.
        guided: Whether the task's guide acts, in place of bursts.
        slips: Share of the stretches of play that are bursts all the same.
    """
    env = Skip(make_real(task, split, pain), skip)
    spec, keys = env.spec_world, [env.spec_world.action_index(words) for words in task.keys]
    size = int((env.observation_space.shape or (0,))[0])
    try:
        with DatasetWriter(path, spec, size) as writer:
            bar = tqdm(total=steps, initial=min(_lived(writer), steps), desc="real", unit="step")
            while (done := _lived(writer)) < steps:
                luck = int(np.random.SeedSequence([seed, writer.num_episodes])
                           .generate_state(1, np.uint64)[0] >> 2)  # fmt: skip
                agent: Agent = RandomHold(spec, luck, keys, spec.skip)
                if guided:
                    agent = Slipping(Guided(env, task), agent, slips, luck, spec.skip)
                elif folder:
                    knows = PolicyAgent.load(folder, spec, seed=luck)
                    agent = Slipping(knows, agent, slips, luck, spec.skip)
                writer.append(live(env, agent, luck, most=steps - done))
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
