"""`worldsim agent distil task=… data=…`: what looking ahead in a dream finds, learnt once.

A planner dreams before every step, which takes a third of a second. Here it is done beforehand: at
moments of recorded play each of the task's actions is dreamed, held for a while, and a policy
learns to choose the better the more it pays. It acts at the speed of a policy, it has learnt in the
dream alone, and no luck is in it: of each moment all actions are known. After expert iteration
(Anthony et al. 2017, arXiv 1705.08439): one round of it, or, of an agent's own play and with that
agent acting after each action (`hold=`), another.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from agents.bundled import begin_as
from agents.foresee import Foreseen, foresee
from agents.moments import FitConfig, Moments, fit, mirrored
from agents.options import DistilConfig
from agents.policy import About, make_policy, save_policy
from agents.tasks import find_task
from worldsim.data import Dataset
from worldsim.errors import WorldsimError


def distil(cfg: DistilConfig) -> None:
    """Dream of every action at many moments, and learn to choose."""
    task, began = find_task(cfg.task), time.monotonic()
    _check(cfg)
    turned = mirrored(task.keys) if cfg.mirror else []
    dataset = Dataset(cfg.data)
    others = [Dataset(name.strip()) for name in cfg.model_data.split(",") if name.strip()]
    seen = foresee(cfg, task, dataset)
    pays = np.stack(seen.pays)
    _check_foreseen(cfg, pays)
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
    ).knowing(dataset, *others)  # fmt: skip
    policy = make_policy(about).to(cfg.device)
    if cfg.init_from:
        about = begin_as(policy, cfg.init_from, about)
    how = FitConfig(cfg.steps, cfg.batch_size, cfg.rate, cfg.stack, cfg.repeat, cfg.seed, turned)
    fit(policy, moments, how, "distil")
    about = replace(about, seconds=time.monotonic() - began)
    save_policy(Path(cfg.out) / "agent", policy, about)
    print(f"{len(pays)} moments: the best action pays {spread.mean():.3f} more than the worst\n"
          f"wrote {Path(cfg.out) / 'agent'}")  # fmt: skip


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


def _check_foreseen(cfg: DistilConfig, pays: np.ndarray) -> None:
    bad = ~np.isfinite(pays).all(axis=1)
    if bad.any():
        raise WorldsimError(
            f"what was foreseen is not a number at {bad.sum()} of {len(pays)} moments: the model "
            "that dreams is damaged or diverged; use another checkpoint= and another out="
        )


def _check(cfg: DistilConfig) -> None:
    for name in ("moments", "lanes", "horizon", "context", "steps", "batch_size", "stack",
                 "repeat"):  # fmt: skip
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 <= cfg.hold < cfg.horizon or (cfg.hold and not cfg.init_from):
        raise WorldsimError(
            f"hold={cfg.hold}, horizon={cfg.horizon}: hold an action for fewer steps than are "
            "dreamed, and name who acts then with init_from=; or hold=0"
        )
    if not 0 <= cfg.near_ends <= 1 or cfg.temperature <= 0 or cfg.rate <= 0:
        raise WorldsimError(
            f"near_ends={cfg.near_ends}, temperature={cfg.temperature}, rate={cfg.rate}: use 0 to "
            "1, and the others above 0"
        )
