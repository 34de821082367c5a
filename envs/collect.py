"""`worldsim collect`: several processes explore a world, this one writes what they lived.

Episode n is decided by (seed, n) alone. Finished episodes survive a kill, and the next run
continues with the ones that are missing.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

import envs  # noqa: F401  (registers the worlds)
from envs.crew import Crew
from envs.sight import coarse_depth
from envs.worlds import (
    WORLDS,
    Explorer,
    find_world,
    make_explorer,
    make_world,
    read_credits,
    world_spec,
)
from worldsim.data import Dataset, DatasetWriter, Episode
from worldsim.data.summary import write_attribution, write_summary
from worldsim.errors import WorldsimError


@dataclass
class CollectConfig:
    """What to collect, how much, where to."""

    world: str = "doom"  # several with commas, or all
    path: str = ""  # data/<world> where it is left out; of several worlds, the folder of theirs
    num_frames: int = 200_000  # steps of all worlds, including those already at `path`
    shares: dict[str, float] = field(default_factory=dict)  # of several worlds; equal, by default
    split: str = "train"  # or heldout
    max_steps: int = 256  # of one episode
    image_size: int = 64
    num_workers: int = 2
    seed: int = 0
    # of the world's env, such as options.maze_share=0.5
    options: dict[str, Any] = field(default_factory=dict)


def collect(cfg: CollectConfig) -> int:
    """Collect episodes until `num_frames` steps are at `path`; return how many episodes it has.

    Raises:
        WorldsimError: A setting is out of range, or workers keep dying.
    """
    _check(cfg)
    cfg = replace(cfg, path=_path(cfg))
    spec = world_spec(cfg.world)
    with DatasetWriter(cfg.path, spec, cfg.image_size) as writer:
        done = _seeds_at(cfg.path) if writer.num_episodes else set()
        numbers = (n for n in count() if episode_seed(cfg.seed, n) not in done)
        with _Progress(writer, cfg.num_frames) as progress:
            crew = Crew(_work, asdict(cfg), numbers, cfg.num_workers)
            try:
                while not progress.full():
                    writer.append(crew.next_episode())
                    progress.update()
            finally:
                crew.close()
        episodes = writer.num_episodes
    dataset = Dataset(Path(cfg.path))
    write_summary(dataset, dataset.path)
    write_attribution(dataset, read_credits(cfg.world))
    return episodes


def main(cfg: CollectConfig) -> int | None:
    """Collect a dataset of exploring play from each of some real simulators."""
    parts = one_world_each(cfg)
    for part in parts:
        _check(part)
    for part in parts:
        episodes = collect(part)
        print(f"{_path(part)}: {episodes} episodes")
    return None


def one_world_each(cfg: CollectConfig) -> list[CollectConfig]:
    """Split a collection of several worlds into one for each.

    Raises:
        WorldsimError: The shares are not one above 0 for each world.
    """
    names = list(WORLDS) if cfg.world == "all" else [name.strip() for name in cfg.world.split(",")]
    shares = cfg.shares or dict.fromkeys(names, 1.0)
    if shares.keys() != set(names) or min(shares.values()) <= 0:
        raise WorldsimError(f"shares={shares} are not one above 0 for each of {', '.join(names)}")
    if len(names) == 1:
        return [replace(cfg, world=names[0], shares={})]
    total = sum(shares.values())
    return [
        replace(
            cfg,
            world=name,
            path=str(Path(cfg.path or "data") / name),
            num_frames=round(cfg.num_frames * shares[name] / total),
            shares={},
        )
        for name in names
    ]


def episode_seed(seed: int, number: int) -> int:
    """Return the seed of episode `number` of a collection: 62 bits, different for every number."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 2)


def play_episode(env: gym.Env, explorer: Explorer, seed: int) -> Episode:
    """Explore for one episode and return what was lived."""
    frame, info = env.reset(seed=seed)
    explorer.reset(info, env.get_wrapper_attr("layout"))
    frames, infos = [frame], [info]
    actions, rewards, texts = [], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action, text = explorer.act(info)
        frame, reward, terminated, truncated, info = env.step(action)
        frames.append(frame)
        infos.append(info)
        actions.append(action)
        rewards.append(reward)
        texts.append(text)
    metres = env.get_wrapper_attr("spec_world").metres_per_unit
    depths = [coarse_depth(i["depth"], metres) for i in infos if i["depth"] is not None]
    return Episode(
        frames=np.stack(frames),
        actions=np.array(actions),
        rewards=np.array(rewards),
        terminated=terminated,
        texts=texts,
        pose=np.stack([info["pose"] for info in infos]),
        facts=[info["facts"] for info in infos],
        depth=np.stack(depths) if depths else None,
        source=info["source"],
        seed=seed,
    )


def _work(settings: dict[str, Any], connection: Connection) -> None:
    """Play the episodes whose numbers arrive, until the connection closes."""
    cfg = CollectConfig(**settings)
    # let a polite end close the simulator, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    env: gym.Env | None = None
    try:
        world = find_world(cfg.world)
        env = make_world(cfg.world, **_env_options(cfg))
        while True:
            seed = episode_seed(cfg.seed, connection.recv())
            explorer = make_explorer(cfg.world, np.random.default_rng([seed, 1]))
            episode = play_episode(env, explorer, seed)
            # some starts are boxed in; nothing is learned from those
            assert episode.pose is not None
            kind = "episode" if np.ptp(episode.pose[:, :2], axis=0).max() > world.dull else "dull"
            connection.send((kind, vars(episode)))
    except (WorldsimError, ImportError) as error:
        connection.send(("error", str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass
    finally:
        if env is not None:
            env.close()


class _Progress:
    """A tqdm bar of frames towards a goal."""

    def __init__(self, writer: DatasetWriter, goal: int) -> None:
        from tqdm import tqdm

        self._writer, self._goal = writer, goal
        self._bar = tqdm(
            total=goal, initial=self._done(), unit="frame", unit_scale=True, smoothing=0.05
        )

    def _done(self) -> int:
        return min(self._writer.num_frames, self._goal)

    def full(self) -> bool:
        return self._writer.num_frames >= self._goal

    def update(self) -> None:
        self._bar.set_postfix(episodes=self._writer.num_episodes, refresh=False)
        self._bar.update(self._done() - self._bar.n)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


def _seeds_at(path: str) -> set[int]:
    return {info.seed for info in Dataset(Path(path)).episodes}


def _path(cfg: CollectConfig) -> str:
    return cfg.path or f"data/{cfg.world}"


def _env_options(cfg: CollectConfig) -> dict[str, Any]:
    ours = {"split": cfg.split, "max_steps": cfg.max_steps, "image_size": cfg.image_size}
    taken = sorted(ours.keys() & cfg.options.keys())
    if taken:
        raise WorldsimError(f"options.{taken[0]} is a key of its own: use {taken[0]}=…")
    return {**find_world(cfg.world).options, **cfg.options, **ours}


def _check(cfg: CollectConfig) -> None:
    find_world(cfg.world)
    if cfg.split not in ("train", "heldout"):
        raise WorldsimError(f"split '{cfg.split}' is unknown: use train or heldout")
    for name in ("num_frames", "max_steps", "num_workers"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)} is too small: use 1 or more")
    # A world itself knows what is wrong with its options: hear it before anything is written.
    try:
        make_world(cfg.world, **_env_options(cfg)).close()
    except ImportError as error:
        raise WorldsimError(str(error)) from error
