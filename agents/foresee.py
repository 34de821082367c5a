"""What each action comes to at many moments of recorded play, dreamed and kept on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm.auto import tqdm

from agents.bundled import find_agent
from agents.moments import logits
from agents.options import DistilConfig
from agents.policy import load_policy
from agents.tasks import Task
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged

PART = 64  # rounds of dreams between two writes to disk


@dataclass
class Foreseen:
    """What was dreamed.

    Attributes:
        episodes: Of each moment its episode, ``(M,)``.
        steps: And its step in it, ``(M,)``.
        pays: What each action pays over the horizon, ``(M, actions)``.
        model: Digest of the model that dreamed.
    """

    episodes: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    pays: list[np.ndarray] = field(default_factory=list)
    model: str = ""


def foresee(cfg: DistilConfig, task: Task, dataset: Dataset) -> Foreseen:
    """Dream of every action at the moments chosen; what was dreamed before is read again.

    More moments are those of before and others: whole parts on disk are kept.
    """
    places, seen = choose(cfg, dataset), Foreseen()
    size = cfg.lanes * PART
    # In order within a part, so that an episode is read once there.
    parts = [sorted(places[k : k + size]) for k in range(0, len(places), size)]
    dream: Any = None
    bar = tqdm(total=len(places), desc="look ahead", unit="moment")
    try:
        for number, part in enumerate(parts):
            short = f"-{len(part)}" if len(part) < size else ""  # more moments make it longer
            path = Path(cfg.out) / "foreseen" / f"{number:04d}{short}.safetensors"
            if not path.exists():
                dream = dream or open_dream(cfg, task)
                _write(path, part, look_ahead(cfg, task, dataset, dream, part, bar), dream, cfg)
            else:
                bar.update(len(part))
            found = _read(path, part, cfg)
            seen.pays += list(found["pays"])
            seen.model = found["model"].tobytes().decode()
            seen.episodes += [episode for episode, _ in part]
            seen.steps += [step for _, step in part]
    finally:
        bar.close()
        if dream is not None:
            dream.close()
    return seen


def choose(cfg: DistilConfig, dataset: Dataset) -> list[tuple[int, int]]:
    """Return moments as numbers of episode and step, each with enough frames before it."""
    rng, first = np.random.default_rng(cfg.seed), cfg.context - 1
    lengths = np.array([episode.length - 1 for episode in dataset.episodes])  # steps
    ended = [k for k, n in enumerate(lengths) if n > first and dataset.load_steps(k).terminated]
    chances = np.maximum(lengths - first, 0) / max(1, np.maximum(lengths - first, 0).sum())
    if not chances.any():
        raise WorldsimError(f"{cfg.data} has no episode of more than {first} steps")
    places = []
    for _ in range(cfg.moments):
        near = bool(ended) and rng.random() < cfg.near_ends
        episode = int(rng.choice(ended) if near else rng.choice(len(lengths), p=chances))
        low = max(first, lengths[episode] - 1 - cfg.horizon) if near else first
        places.append((episode, int(rng.integers(low, lengths[episode]))))
    return places


def open_dream(cfg: DistilConfig, task: Task) -> Any:
    """Return the dreams in which each action is tried at `lanes` moments at a time."""
    return gym.make_vec(
        task.dream,
        num_envs=cfg.lanes * len(task.keys),
        checkpoint=cfg.checkpoint or None,
        dataset=cfg.data,
        max_episode_steps=-1,
        autoreset_mode="Disabled",
        draw_ends=False,
        begins_again=False,
        device=cfg.device,
    )


def look_ahead(
    cfg: DistilConfig,
    task: Task,
    dataset: Dataset,
    dream: Any,
    places: list[tuple[int, int]],
    bar: Any,
) -> np.ndarray:
    """Return what each action pays at each place, ``(M, actions)``, ends weighed by chance."""
    count, paid = len(task.keys), list[np.ndarray]()
    actions = np.array([dataset.spec.action_index(words) for words in task.keys])
    after = _Successor(cfg, actions, dataset.spec.skip) if cfg.hold else None
    for k in range(0, len(places), cfg.lanes):
        group = places[k : k + cfg.lanes]
        seen = _begin(cfg, dataset, dream, group, count)
        if after:
            after.begin(seen, np.random.default_rng([cfg.seed, *group[0]]))
        doing, alive, total = np.tile(actions, cfg.lanes), np.ones(len(seen)), np.zeros(len(seen))
        for step in range(cfg.horizon):
            if after and step >= cfg.hold:
                doing = after.act()
            frames, reward, _, _, info = dream.step(doing)
            total += alive * reward
            alive *= 1.0 - info.get("end_chance", 0.0)
            if after:
                after.see(frames)
        paid.append(total.reshape(cfg.lanes, count)[: len(group)])
        bar.update(len(group))
    return np.concatenate(paid)


def _begin(
    cfg: DistilConfig,
    dataset: Dataset,
    dream: Any,
    group: list[tuple[int, int]],
    count: int,
) -> list[np.ndarray]:
    """Begin at each place as many dreams as there are actions; return what each has seen.

    They have the same luck, so that nothing but the action tells them apart.
    """
    seen, clips, done = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    episode, number = None, -1
    for wanted, step in [*group, *[group[-1]] * (cfg.lanes - len(group))]:
        if wanted != number or episode is None:
            episode, number = dataset.load(wanted), wanted
        begin = step - cfg.context + 1
        seen += [episode.frames[: step + 1]] * count
        clips += [episode.frames[begin : step + 1]] * count
        done += [episode.actions[begin:step].astype(np.int64)] * count
    luck = (cfg.seed + np.arange(cfg.lanes * count) // count).tolist()
    dream.reset(seed=luck, options={"frames": np.stack(clips), "actions": np.stack(done)})
    return seen


class _Successor:
    """The agent that acts, in all dreams at once, after the action that is looked at."""

    def __init__(self, cfg: DistilConfig, actions: np.ndarray, skip: int) -> None:
        about, self._policy = load_policy(find_agent(cfg.init_from))
        if about.stack != cfg.stack or about.repeat != cfg.repeat * skip:
            raise WorldsimError(
                f"init_from={cfg.init_from} sees {about.stack} frames and holds an action for "
                f"{about.repeat} steps of the simulator: give stack= and repeat= that fit"
            )
        self._policy.to(cfg.device)
        self._cfg, self._actions = cfg, actions

    def begin(self, seen: list[np.ndarray], random: np.random.Generator) -> None:
        """Take in what was seen before, of every dream ``(T, H, W, 3)``, the newest last."""
        back = self._cfg.repeat * (self._cfg.stack - 1) + 1
        black = np.zeros((back, *seen[0].shape[1:]), np.uint8)  # before an episode's first frame
        self._frames = list(
            np.stack([np.concatenate([black, frames[-back:]])[-back:] for frames in seen], axis=1)
        )
        self._random, self._left = random, 0

    def see(self, frames: np.ndarray) -> None:
        """Take in the next frames ``(N, H, W, 3)``."""
        self._frames = [*self._frames[1:], frames]

    @torch.inference_mode()
    def act(self) -> np.ndarray:
        """Return the world's number of each one's next action; who began alike has equal luck."""
        if not self._left:
            stacked = np.concatenate(self._frames[:: self._cfg.repeat], axis=3)  # (N, H, W, 3 K)
            pixels = torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))
            below = logits(self._policy, pixels).softmax(dim=1).cumsum(dim=1).cpu().numpy()
            luck = self._random.random(self._cfg.lanes).repeat(len(self._actions))
            chosen = (below < luck[:, None]).sum(axis=1).clip(max=len(self._actions) - 1)
            self._doing, self._left = self._actions[chosen], self._cfg.repeat
        self._left -= 1
        return self._doing


def _about(part: list[tuple[int, int]], cfg: DistilConfig) -> np.ndarray:
    """Return what dreams of a part depend on, as bytes."""
    text = json.dumps(
        [cfg.horizon, cfg.context, cfg.checkpoint, cfg.data, part]
        + ([cfg.hold, cfg.init_from, cfg.stack, cfg.repeat] if cfg.hold else [])
    )
    return np.frombuffer(text.encode(), np.uint8)


def _write(
    path: Path, part: list[tuple[int, int]], pays: np.ndarray, dream: Any, cfg: DistilConfig
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = np.frombuffer(dream.unwrapped.model_id.encode(), np.uint8)
    partial = path.with_suffix(".tmp")
    save_file({"about": _about(part, cfg), "pays": pays, "model": model}, partial)
    partial.replace(path)


def _read(path: Path, part: list[tuple[int, int]], cfg: DistilConfig) -> dict[str, np.ndarray]:
    try:
        found = load_file(path)
        same = np.array_equal(found["about"], _about(part, cfg))
    except (SafetensorError, OSError, KeyError) as error:
        raise damaged(path, error) from error
    if not same:
        raise WorldsimError(f"{path} was dreamed with other options: give another out=")
    return found
