"""`worldsim agent distil task=… data=…`: what looking ahead in a dream finds, learnt once.

A planner dreams before every step, which takes a third of a second. Here it is done beforehand: at
moments of recorded play each of the task's actions is dreamed, held for a while, and a policy
learns to choose the better the more it pays. It acts at the speed of a policy, it has learnt in the
dream alone, and no luck is in it: of each moment all actions are known. After expert iteration
(Anthony et al. 2017, arXiv 1705.08439), one round of it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from omegaconf import MISSING
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm.auto import tqdm

from agents.bundled import begin_as
from agents.moments import FitConfig, Moments, fit
from agents.policy import About, make_policy, save_policy
from agents.tasks import Task, find_task
from worldsim.data import Dataset
from worldsim.errors import WorldsimError
from worldsim.json_files import damaged

PART = 64  # rounds of dreams between two writes to disk


@dataclass
class DistilConfig:
    """Options of `worldsim agent distil`.

    Attributes:
        task: What to learn.
        data: Recorded play, whose moments dreams begin in.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        out: Folder; the agent is in ``<out>/agent``. The same line typed again goes on.
        init_from: Agent to begin as; empty: one that knows nothing. Of its own play (`agent
            collect`) it learns what to do where it gets to.
        moments: How many are looked ahead from.
        lanes: Moments side by side.
        horizon: Steps that each action is held for, and dreamed.
        context: Real frames that a dream begins with.
        near_ends: Share of the moments that are within a horizon of the end of an episode that the
            world ended: elsewhere it often does not matter what one does.
        temperature: Of the choice among actions, in usual differences between what they pay.
        steps: Updates.
        batch_size: Moments of an update.
        rate: Of Adam, falling to nothing.
        stack: Newest frames that the agent sees.
        repeat: Steps for which it holds an action.
        device: Of the policy and the dream.
        seed: Of everything random.
    """

    task: str = MISSING
    data: str = MISSING
    checkpoint: str = ""
    out: str = "runs/distil"
    init_from: str = ""
    moments: int = 4000
    lanes: int = 8
    horizon: int = 12
    context: int = 4
    near_ends: float = 0.5
    temperature: float = 0.25
    steps: int = 2000
    batch_size: int = 128
    rate: float = 5e-4
    stack: int = 3
    repeat: int = 1
    device: str = "cpu"
    seed: int = 0


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


def distil(cfg: DistilConfig) -> None:
    """Dream of every action at many moments, and learn to choose."""
    task, began = find_task(cfg.task), time.monotonic()
    _check(cfg)
    dataset = Dataset(cfg.data)
    seen = foresee(cfg, task, dataset)
    pays = np.stack(seen.pays)
    spread = pays.max(axis=1) - pays.min(axis=1)
    if not spread.any():
        raise WorldsimError(
            "in this dream all actions pay the same, so there is nothing to learn: train the model "
            "on play of the task (end_dreams=480), or raise horizon="
        )
    warmth = cfg.temperature * float(spread.mean())
    wishes = np.exp((pays - pays.max(axis=1, keepdims=True)) / warmth)
    moments = _moments(dataset, seen, wishes / wishes.sum(axis=1, keepdims=True))
    torch.manual_seed(cfg.seed)
    about = About(
        cfg.task, list(task.keys), cfg.stack, int(moments.frames.shape[1]), "dream",
        steps=pays.size * cfg.horizon, model=seen.model, repeat=cfg.repeat * dataset.spec.skip,
    ).knowing(dataset)  # fmt: skip
    policy = make_policy(about).to(cfg.device)
    if cfg.init_from:
        about = begin_as(policy, cfg.init_from, about)
    how = FitConfig(cfg.steps, cfg.batch_size, cfg.rate, cfg.stack, cfg.repeat, cfg.seed)
    fit(policy, moments, how, "distil")
    about = replace(about, seconds=time.monotonic() - began)
    save_policy(Path(cfg.out) / "agent", policy, about)
    print(f"{len(pays)} moments: the best action pays {spread.mean():.3f} more than the worst\n"
          f"wrote {Path(cfg.out) / 'agent'}")  # fmt: skip


def foresee(cfg: DistilConfig, task: Task, dataset: Dataset) -> Foreseen:
    """Dream of every action at the moments chosen; what was dreamed before is read again."""
    places, seen = _choose(cfg, dataset), Foreseen()
    size = cfg.lanes * PART
    parts = [places[k : k + size] for k in range(0, len(places), size)]
    dream: Any = None
    bar = tqdm(total=len(places), desc="look ahead", unit="moment")
    try:
        for number, part in enumerate(parts):
            path = Path(cfg.out) / "foreseen" / f"{number:04d}.safetensors"
            if not path.exists():
                dream = dream or _dream(cfg, task)
                _write(path, part, _pays(cfg, task, dataset, dream, part, bar), dream, cfg)
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


def _choose(cfg: DistilConfig, dataset: Dataset) -> list[tuple[int, int]]:
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
    return sorted(places)  # an episode is read once


def _dream(cfg: DistilConfig, task: Task) -> Any:
    return gym.make_vec(
        task.dream,
        num_envs=cfg.lanes * len(task.keys),
        checkpoint=cfg.checkpoint or None,
        dataset=cfg.data,
        max_episode_steps=-1,
        autoreset_mode="Disabled",
        draw_ends=False,
        device=cfg.device,
    )


def _pays(
    cfg: DistilConfig,
    task: Task,
    dataset: Dataset,
    dream: Any,
    places: list[tuple[int, int]],
    bar: Any,
) -> np.ndarray:
    """Return what each action pays at each place, ``(M, actions)``, ends weighed by chance."""
    count, paid = len(task.keys), list[np.ndarray]()
    actions = [dataset.spec.action_index(words) for words in task.keys]
    held, episode, number = np.tile(actions, cfg.lanes), None, -1
    for k in range(0, len(places), cfg.lanes):
        group = places[k : k + cfg.lanes]
        for lane, (wanted, step) in enumerate([*group, *[group[-1]] * (cfg.lanes - len(group))]):
            if wanted != number or episode is None:
                episode, number = dataset.load(wanted), wanted
            begin = step - cfg.context + 1
            mask = np.arange(len(held)) // count == lane
            options = {
                "reset_mask": mask,
                "frames": episode.frames[begin : step + 1],
                "actions": episode.actions[begin:step].astype(np.int64),
            }
            if not k and not lane:  # who was never reset cannot dream yet
                dream.reset(seed=cfg.seed, options={**options, "reset_mask": mask | True})
            dream.reset(seed=cfg.seed, options=options)
        alive, total = np.ones(len(held)), np.zeros(len(held))
        for _ in range(cfg.horizon):
            _, reward, _, _, info = dream.step(held)
            total += alive * reward
            alive *= 1.0 - info.get("end_chance", 0.0)
        paid.append(total.reshape(cfg.lanes, count)[: len(group)])
        bar.update(len(group))
    return np.concatenate(paid)


def _moments(dataset: Dataset, seen: Foreseen, wishes: np.ndarray) -> Moments:
    """Return the frames of the episodes that moments are in, and what to do in each."""
    frames, begins, offsets, count = list[np.ndarray](), list[int](), dict[int, int](), 0
    for number in tqdm(sorted(set(seen.episodes)), desc="read", unit="episode", leave=False):
        pictures = dataset.load(number).frames
        offsets[number] = count
        frames.append(pictures)
        begins += [count] * len(pictures)
        count += len(pictures)
    at = [offsets[e] + step for e, step in zip(seen.episodes, seen.steps, strict=True)]
    return Moments(
        np.concatenate(frames), np.array(begins), np.array(at), wishes.astype(np.float32)
    )


def _about(part: list[tuple[int, int]], cfg: DistilConfig) -> np.ndarray:
    """Return what dreams of a part depend on, as bytes."""
    text = json.dumps([cfg.horizon, cfg.context, cfg.checkpoint, cfg.data, part])
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


def _check(cfg: DistilConfig) -> None:
    for name in ("moments", "lanes", "horizon", "context", "steps", "batch_size", "stack",
                 "repeat"):  # fmt: skip
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 <= cfg.near_ends <= 1 or cfg.temperature <= 0 or cfg.rate <= 0:
        raise WorldsimError(
            f"near_ends={cfg.near_ends}, temperature={cfg.temperature}, rate={cfg.rate}: use 0 to "
            "1, and the others above 0"
        )
