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

from agents.collect import act
from agents.options import AgentTrainConfig
from agents.tasks import find_task
from worldsim import provenance
from worldsim.checkpoint import BUNDLED
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
        act(
            find_task(cfg.task),
            out / "data",
            (k + 1) * both.real_steps,
            folder=out / "agent" if (out / "agent").exists() else None,
            seed=cfg.seed,
            pain=cfg.pain,
            skip=both.skip,
        )
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


def newest_dream(cfg: AgentTrainConfig) -> AgentTrainConfig:
    """Return the options with which the last of all rounds learnt in its dream."""
    out = Path(cfg.out)
    model = out / f"world-{cfg.both.rounds - 1}/model"
    return replace(cfg, inside="dream", checkpoint=str(model), data=str(out / "data"))


def _plan(cfg: AgentTrainConfig) -> dict[str, Any]:
    return {"steps": cfg.steps, "task": cfg.task, "seed": cfg.seed, "pain": cfg.pain} | asdict(
        cfg.both
    )


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
