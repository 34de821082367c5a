"""`worldsim export`: recorded play, or an agent's episodes in a dream or a real world, for Minari.

Minari (Younis et al. 2024) is what offline reinforcement learning reads. Frames are stored as they
are, without loss.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from omegaconf import MISSING
from tqdm.auto import tqdm

from agents.collect import live
from agents.evaluate import AgentEvalConfig, make_agent, make_env
from agents.tasks import find_task
from worldsim.data import Dataset, Episode
from worldsim.errors import WorldsimError
from worldsim.world import WorldSpec

PART = 32  # episodes held in memory


@dataclass
class ExportConfig:
    """Options of `worldsim export`.

    Attributes:
        id: Of the dataset that is made, such as worldsim/doom-v0.
        data: Folder of recorded play to export; empty: let an agent play.
        task: What it plays.
        agent: Who, as for `worldsim agent eval`.
        place: Where: dream or real.
        episodes: How many; of recorded play 0 is all.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        starts: Dataset whose moments dreams begin in; empty: the checkpoint's clips.
        horizon: Steps after which an episode is cut off.
        out: Folder of all of Minari's datasets; empty: Minari's own.
        seed: Of the first episode that is played; the others follow.
    """

    id: str = MISSING
    data: str = ""
    task: str = "doom/take_cover"
    agent: str = "random"
    place: str = "dream"
    episodes: int = 0
    checkpoint: str = ""
    starts: str = ""
    horizon: int = 512
    out: str = ""
    seed: int = 0


def export(cfg: ExportConfig) -> None:
    """Write a dataset of Minari; one that is there already is not touched."""
    if cfg.episodes < 0 or (not cfg.data and not cfg.episodes):
        raise WorldsimError(
            f"episodes={cfg.episodes}: say how many are to be played, or name recorded ones "
            "with data=…"
        )
    if cfg.out:
        Path(cfg.out).mkdir(parents=True, exist_ok=True)
        os.environ["MINARI_DATASETS_PATH"] = str(Path(cfg.out).resolve())
    try:
        known = cfg.id in minari.list_local_datasets()
    except (ValueError, OSError) as error:
        raise WorldsimError(f"Minari cannot read {cfg.out or 'its folder'}: {error}") from error
    if known:
        raise WorldsimError(f"{cfg.id} is there already: give another id=, such as with -v1")
    spec, episodes, count = _recorded(cfg) if cfg.data else _played(cfg)
    first = next(episodes)
    try:
        warnings.simplefilter("ignore", UserWarning)  # Minari wants an e-mail address and such
        made = minari.create_dataset_from_buffers(
            cfg.id, [], jpeg_encoding=False, description=_describe(cfg, spec),
            observation_space=spaces.Box(0, 255, first.frames.shape[1:], np.uint8),
            action_space=spaces.Discrete(len(spec.actions)),
            algorithm_name="recorded play" if cfg.data else cfg.agent,
        )  # fmt: skip
    except ValueError as error:
        raise WorldsimError(f"id={cfg.id}: {error}; use such as worldsim/doom-v0") from error
    told = iter(tqdm(chain([first], episodes), total=count, desc="export", unit="episode"))
    while part := list(islice(told, PART)):
        made.update_dataset_from_buffer([_buffer(episode) for episode in part])
    print(f"wrote {cfg.id}: {made.total_episodes} episodes, {made.total_steps} steps")


def _recorded(cfg: ExportConfig) -> tuple[WorldSpec, Iterator[Episode], int]:
    dataset = Dataset(cfg.data)
    count = min(cfg.episodes or len(dataset), len(dataset))
    if not count:
        raise WorldsimError(f"data={cfg.data} has no episode: collect some first")
    return dataset.spec, (dataset.load(index) for index in range(count)), count


def _played(cfg: ExportConfig) -> tuple[WorldSpec, Iterator[Episode], int]:
    task = find_task(cfg.task)
    playing = AgentEvalConfig(
        cfg.task, checkpoint=cfg.checkpoint, data=cfg.starts, horizon=cfg.horizon, seed=cfg.seed
    )
    if cfg.place not in ("dream", "real"):
        raise WorldsimError(f"place={cfg.place}: use dream or real")
    env = make_env(playing, task, cfg.place)
    world: Any = env.unwrapped
    agent = make_agent(cfg.agent, env, task, playing)
    seeds = range(cfg.seed, cfg.seed + cfg.episodes)
    lived = (live(env, agent, seed, cfg.horizon) for seed in seeds)
    return world.spec_world, lived, cfg.episodes


def _buffer(episode: Episode) -> EpisodeBuffer:
    """Return an episode as Minari has it; one that was not ended by the world was cut off."""
    last = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        seed=episode.seed,
        observations=list(episode.frames),
        actions=list(episode.actions),
        rewards=episode.rewards.tolist(),
        terminations=(last & episode.terminated).tolist(),
        truncations=(last & (not episode.terminated)).tolist(),
    )


def _describe(cfg: ExportConfig, spec: WorldSpec) -> str:
    what = f"recorded in {cfg.data}" if cfg.data else f"{cfg.agent} in {cfg.task}, {cfg.place}"
    actions = ", ".join(f"{k} {words}" for k, words in enumerate(spec.actions))
    credits = f" Pictures: {spec.credits}" if spec.credits else ""
    return f"{spec.description} {what}. Actions: {actions}.{credits}"
