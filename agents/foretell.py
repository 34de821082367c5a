"""`worldsim agent foretell task=… data=…`: does a dream know what each action comes to?

At moments of recorded play every action of the task is dreamed, and the same is done in the
simulator, played once more up to there. An agent that learns in the dream can be no better than
what the dream tells apart; how much of that is right is measured here, without any agent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING
from tqdm.auto import tqdm

from agents.foresee import choose, look_ahead, open_dream
from agents.options import DistilConfig
from agents.play import RESAMPLES, make_real
from agents.skip import Skip
from agents.tasks import Task, find_task
from worldsim import provenance
from worldsim.data import Dataset
from worldsim.errors import WorldsimError

OTHERWISE = 12.0  # of 255, on average: more than what a video codec makes of a frame


@dataclass
class ForetellConfig:
    """Options of `worldsim agent foretell`.

    Attributes:
        task: Whose actions are tried.
        data: Play of it, from `worldsim agent collect`: by its seeds it is played once more.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        out: JSON to write.
        split: Of places and seeds that `data` was collected with: train or heldout.
        pain: That it was collected with.
        moments: At which all actions are tried.
        lanes: Moments side by side.
        horizon: Steps that an action is held for.
        context: Real frames that a dream begins with.
        near_ends: Share of the moments that are within a horizon of the end of an episode that the
            world ended.
        device: Of the dream.
        seed: Of the moments, and of the dreams' luck.
    """

    task: str = MISSING
    data: str = MISSING
    checkpoint: str = ""
    out: str = "foretell.json"
    split: str = "heldout"
    pain: float = 0.0
    moments: int = 200
    lanes: int = 16
    horizon: int = 8
    context: int = 4
    near_ends: float = 0.5
    device: str = "cpu"
    seed: int = 0


def foretell(cfg: ForetellConfig) -> None:
    """Try every action in the simulator and in the dream, and write down how they agree."""
    task = find_task(cfg.task)
    _check(cfg)
    dataset = Dataset(cfg.data)
    look = DistilConfig(cfg.task, cfg.data, cfg.checkpoint, moments=cfg.moments, lanes=cfg.lanes,
                        horizon=cfg.horizon, context=cfg.context, near_ends=cfg.near_ends,
                        device=cfg.device, seed=cfg.seed)  # fmt: skip
    places = sorted(choose(look, dataset))
    dream = open_dream(look, task)  # before the long part: what it lacks is said at once
    try:
        model, real = dream.unwrapped.model_id, _happened(cfg, task, dataset, places)
        with tqdm(total=len(places), desc="dream", unit="moment") as bar:
            dreamed = look_ahead(look, task, dataset, dream, places, bar)
    finally:
        dream.close()
    found = compare(real, dreamed, cfg.seed)
    meta = provenance.meta(cfg.seed, cfg.data, model)
    provenance.write_json(Path(cfg.out), {**found, "options": asdict(cfg), "meta": meta})
    print(f"any action {found['any']:.2f}, what the dream thinks best {found['chosen']:.2f}, the "
          f"best {found['best']:.2f}: {found['gain']:.0%} ({found['gain_low']:.0%} to "
          f"{found['gain_high']:.0%}) of what there is to gain\nwrote {cfg.out}")  # fmt: skip


def compare(real: np.ndarray, dreamed: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Compare what actions pay, ``(M, actions)`` each.

    Returns:
        What an action really pays, on average over the moments: ``any``, ``best`` and ``chosen``,
        the one that pays best in the dream. ``gain``: how far ``chosen`` is from ``any`` to
        ``best``, with its 95 % interval (bootstrap over moments), 0 where no action is better than
        another. ``correlation`` of what pays more or less than the other actions of its moment;
        ``dreamed``: what any action pays in the dream.
    """
    if not np.isfinite(dreamed).all():
        raise WorldsimError(
            "what was dreamed is not a number: this model is damaged or diverged; use another "
            "checkpoint="
        )
    chosen = np.take_along_axis(real, dreamed.argmax(axis=1)[:, None], axis=1)[:, 0]
    gained, possible = chosen - real.mean(axis=1), real.max(axis=1) - real.mean(axis=1)
    drawn = np.random.default_rng(seed).integers(len(real), size=(RESAMPLES, len(real)))
    gains = _share(gained[drawn].sum(axis=1), possible[drawn].sum(axis=1))
    apart = [(pays - pays.mean(axis=1, keepdims=True)).ravel() for pays in (real, dreamed)]
    differ = all(values.any() for values in apart)
    return {
        "moments": len(real),
        "any": float(real.mean()),
        "chosen": float(chosen.mean()),
        "best": float(real.max(axis=1).mean()),
        "gain": float(_share(gained.sum(), possible.sum())),
        "gain_low": float(np.percentile(gains, 2.5)),
        "gain_high": float(np.percentile(gains, 97.5)),
        "correlation": float(np.corrcoef(*apart)[0, 1]) if differ else 0.0,
        "dreamed": float(dreamed.mean()),
    }


def _share(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _happened(
    cfg: ForetellConfig, task: Task, dataset: Dataset, places: list[tuple[int, int]]
) -> np.ndarray:
    """Return what each action really pays at each place, ``(M, actions)``."""
    env = Skip(make_real(task, cfg.split, cfg.pain), dataset.spec.skip)
    keys = [env.spec_world.action_index(words) for words in task.keys]
    paid = list[list[float]]()
    try:
        with tqdm(total=len(places), desc="real", unit="moment") as bar:
            for number, here in groupby(places, key=lambda place: place[0]):
                episode = dataset.load(number)
                for _, step in here:
                    paid.append([_try(env, episode, step, key, cfg, number) for key in keys])
                    bar.update()
    finally:
        env.close()
    return np.array(paid)


def _try(env: Skip, episode: Any, step: int, key: int, cfg: ForetellConfig, number: int) -> float:
    """Play an episode once more up to a step and hold an action from there on."""
    frame, _ = env.reset(seed=episode.seed)
    rewards = list[float]()
    for k in range(step + 1):
        seen = episode.frames[k].astype(np.float32)
        if frame.shape != seen.shape or np.abs(frame - seen).mean() > OTHERWISE:
            raise WorldsimError(
                f"{cfg.data}: episode {number} played once more looks otherwise at step {k}: use "
                f"play from `worldsim agent collect task={cfg.task}`, and its split= (now "
                f"{cfg.split})"
            )
        if k < step:
            frame, reward, *_ = env.step(int(episode.actions[k]))
            rewards.append(float(reward))
    if not np.allclose(rewards, episode.rewards[:step], atol=1e-3):
        raise WorldsimError(
            f"{cfg.data}: episode {number} played once more pays otherwise: give the pain= that it "
            f"was collected with (now {cfg.pain})"
        )
    total = 0.0
    for _ in range(cfg.horizon):
        _, reward, ended, cut, _ = env.step(key)
        total += float(reward)
        if ended or cut:
            break
    return total


def _check(cfg: ForetellConfig) -> None:
    provenance.check_writable(Path(cfg.out))
    for name in ("moments", "lanes", "horizon", "context"):
        if getattr(cfg, name) < 1:
            raise WorldsimError(f"{name}={getattr(cfg, name)}: use 1 or more")
    if not 0 <= cfg.near_ends <= 1 or cfg.split not in ("train", "heldout"):
        raise WorldsimError(
            f"near_ends={cfg.near_ends}, split={cfg.split}: use 0 to 1, train or heldout"
        )
