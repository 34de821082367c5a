"""`worldsim agent navigate world=rooms data=data/held/rooms`: from here to a picture, for real.

The protocol of Navigation World Models (Bar et al. 2025, arXiv 2412.03572) on our worlds. Open
loop: a way of 2 or 8 seconds is planned at once, taken in the simulator, and held against the way
that was recorded (ATE and RPE, in metres and in mean steps). Closed loop: the planner looks again
as it goes, until it is there (success, SPL, collisions).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorWrapper
from tqdm.auto import tqdm

from agents.goals import (
    Goal,
    absolute_error,
    choose_goals,
    follow_way,
    mean_step,
    relative_error,
    return_to,
    stuck,
    success_by_length,
)
from agents.planner import Planner, PlannerConfig
from agents.scores import ByLook
from agents.tasks import TURNS
from envs.worlds import find_world, make_world
from worldsim import provenance
from worldsim.data import Dataset, Episode
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS

METHODS = ("cem", "mppi", "shuffled", "random", "straight", "stay")
CLOSED = ("cem", "shuffled", "straight")
AHEAD = "forward"


@dataclass
class NavigateConfig:
    """Options of `worldsim agent navigate`.

    Attributes:
        world: Whose places: doom or rooms.
        data: Dataset of held-out play there, with poses.
        out: JSON to write; beside it a table as Markdown.
        seconds: How far away goals are.
        goals: Of each.
        closed: Goals of each that are walked to in the closed loop; 0: none.
        methods: Who plans: ``cem`` and ``mppi`` in the dream, ``shuffled`` in a dream that takes
            one action for another, ``random``, ``straight`` on, ``stay``.
        near: Metres from the goal that count as there.
        ways: Tried side by side.
        planner: How ways are searched; the horizon is that of the goal.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        seed: Of goals and ways.
    """

    world: str = "rooms"
    data: str = ""
    out: str = "navigate.json"
    seconds: list[float] = field(default_factory=lambda: [2.0, 8.0])
    goals: int = 24
    closed: int = 8
    methods: list[str] = field(default_factory=lambda: list(METHODS))
    near: float = 0.5
    ways: int = 32
    planner: PlannerConfig = field(default_factory=lambda: PlannerConfig(repeat=4))
    checkpoint: str = ""
    seed: int = 0


class Shuffled(VectorWrapper):
    """A dream that takes each action for another one: it moves, and tells nothing of what one does.

    Args:
        env: The dream.
        actions: The numbers that are exchanged, each for the next.
    """

    def __init__(self, env: Any, actions: list[int]) -> None:
        super().__init__(env)
        self._instead = dict(zip(actions, actions[1:] + actions[:1], strict=True))

    def step(self, actions: Any) -> Any:
        """Take other actions."""
        return self.env.step(np.array([self._instead[int(a)] for a in actions]))


def navigate(cfg: NavigateConfig) -> None:
    """Plan to goals, take the ways for real, and write down how far off they are."""
    _check(cfg)
    provenance.check_writable(Path(cfg.out))
    dataset = Dataset(cfg.data)
    if dataset.spec.name != cfg.world:
        raise WorldsimError(f"data={cfg.data} is of '{dataset.spec.name}', not of '{cfg.world}'")
    bench = Bench(cfg, dataset)
    try:
        found: dict[str, Any] = {}
        for seconds in cfg.seconds:
            steps = max(1, round(seconds * dataset.spec.steps_per_second))
            goals = choose_goals(dataset, steps, cfg.goals, bench.context, cfg.seed)
            named = f"{seconds:g} s"
            found[named] = {"steps": steps, "goals": len(goals)}
            for method in cfg.methods:
                ways = [bench.open(goal, method) for goal in tqdm(goals, f"{named}, {method}")]
                found[named][method] = average(ways) | {"each": ways}
                if method in CLOSED and cfg.closed:
                    part = tqdm(goals[: cfg.closed], f"{named}, {method}, looking again")
                    walks = [bench.closed(goal, method) for goal in part]
                    found[named][method]["closed"] = average(walks) | {"each": walks}
                _write(cfg, bench, found)
    finally:
        bench.close()
    print(table(found))
    print(f"wrote {cfg.out} and {Path(cfg.out).with_suffix('.md')}")


class Bench:
    """The simulator, the dream and the goals' episodes.

    Args:
        cfg: What is planned with.
        dataset: Where goals are from.
    """

    def __init__(self, cfg: NavigateConfig, dataset: Dataset) -> None:
        self.cfg, self.dataset, self.step = cfg, dataset, mean_step(dataset)
        self.context = cfg.planner.context
        spec = dataset.spec
        self.actions = [spec.action_index(words) for words in TURNS]
        self.ahead = {k for k, words in enumerate(spec.actions) if AHEAD in words.split()}
        self.dream: Any = gym.make_vec(
            f"envs:worldsim/Dream{cfg.world.title()}-v0",
            num_envs=cfg.ways,
            checkpoint=cfg.checkpoint or None,
            max_episode_steps=-1,
            autoreset_mode="Disabled",
        )
        world: Any = self.dream.unwrapped
        self.model = str(world.model_id)
        options = {"split": "heldout", "max_steps": 1 << 20, "image_size": dataset.image_size}
        try:
            self.real = make_world(cfg.world, **{**find_world(cfg.world).options, **options})
        except ImportError as error:
            raise WorldsimError(f"{error} (a way can only be taken in the simulator)") from error
        self._lpips = LPIPS.load()

    def open(self, goal: Goal, method: str) -> dict[str, float]:
        """Plan a whole way and take it; return its errors."""
        episode, truth = self._episode(goal)
        way = self._plan(goal, method, episode)
        start = return_to(self.real, episode, goal.first)
        poses = follow_way(self.real, start, way)
        ate, rpe = absolute_error(poses, truth), relative_error(poses, truth)
        return {
            "ate": ate, "rpe": rpe, "ate_steps": ate / self.step, "rpe_steps": rpe / self.step,
            "end": float(np.hypot(*(poses - truth)[-1, :2])),
        }  # fmt: skip

    def closed(self, goal: Goal, method: str) -> dict[str, float]:
        """Walk, looking again as one goes, for twice the steps that it took; return how it went."""
        episode, truth = self._episode(goal)
        poses, taken = [return_to(self.real, episode, goal.first)], list[int]()
        agent = self._agent(method, episode.frames[goal.first + goal.steps], goal.steps)
        past = slice(max(0, goal.first + 1 - self.context), goal.first)
        if agent:
            agent.remember(list(episode.frames[past]), episode.actions[past].tolist())
        frame, reached = episode.frames[goal.first], False
        while not reached and len(taken) < 2 * goal.steps:
            taken.append(agent.act(frame, {}) if agent else self.actions[TURNS.index(AHEAD)])
            frame, _, ended, cut, info = self.real.step(taken[-1])
            metres = self.dataset.spec.metres_per_unit
            poses.append(np.asarray(info["pose"], float) * [metres, metres, 1.0])
            reached = bool(np.hypot(*(poses[-1] - truth[-1])[:2]) < self.cfg.near)
            if ended or cut:
                break
        way = np.stack(poses)
        length = float(np.hypot(*np.diff(way[:, :2], axis=0).T).sum())
        shortest = max(0.0, float(np.hypot(*(truth[-1] - truth[0])[:2])) - self.cfg.near)
        return {
            "success": float(reached),
            "spl": success_by_length(reached, length, shortest),
            "collisions": float(stuck(way, [action in self.ahead for action in taken], self.step)),
            "steps": float(len(taken)),
        }

    def close(self) -> None:
        """Close both worlds."""
        self.real.close()
        self.dream.close()

    def _episode(self, goal: Goal) -> tuple[Episode, np.ndarray]:
        """Return an episode and the poses on the way to the goal, in metres and degrees."""
        episode, metres = self.dataset.load(goal.episode), self.dataset.spec.metres_per_unit
        assert episode.pose is not None
        poses = episode.pose[goal.first : goal.first + goal.steps + 1].astype(float)
        return episode, poses * [metres, metres, 1.0]

    def _plan(self, goal: Goal, method: str, episode: Episode) -> np.ndarray:
        """Return the actions of a whole way."""
        fixed = {"straight": AHEAD, "stay": TURNS[0]}
        if method in fixed:
            return np.full(goal.steps, self.actions[TURNS.index(fixed[method])])
        if method == "random":
            rng = np.random.default_rng([self.cfg.seed, goal.episode, goal.first])
            holds = rng.choice(self.actions, -(-goal.steps // self.cfg.planner.repeat))
            return np.repeat(holds, self.cfg.planner.repeat)[: goal.steps]
        agent = self._agent(method, episode.frames[goal.first + goal.steps], goal.steps)
        assert agent is not None
        past = slice(max(0, goal.first + 1 - self.context), goal.first)
        frames = episode.frames[past.start : goal.first + 1]
        return agent.plan(list(frames), episode.actions[past].tolist())

    def _agent(self, method: str, picture: np.ndarray, steps: int) -> Planner | None:
        if method == "straight":
            return None
        dream = Shuffled(self.dream, self.actions) if method == "shuffled" else self.dream
        kind = "mppi" if method == "mppi" else "cem"
        config = replace(self.cfg.planner, method=kind, horizon=steps)
        score = ByLook(picture, self._lpips)
        return Planner(dream, self.actions, score, config, self.cfg.seed)


def average(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each number."""
    return {name: fmean(row[name] for row in rows) for name in rows[0]}


def table(found: dict[str, Any]) -> str:
    """Return the numbers as a table in Markdown."""
    lines = [
        "ATE and RPE in metres, and in mean steps; of the closed loop success, SPL and collisions.",
        "",
        "| goal | planner | ATE | RPE | metres off at the end | success | SPL | collisions |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for named, rows in found.items():
        for method, row in rows.items():
            if not isinstance(row, dict):
                continue
            cells = [f"{row[k]:.2f} ({row[k + '_steps']:.1f})" for k in ("ate", "rpe")]
            cells.append(f"{row['end']:.2f}")
            walk = row.get("closed")
            if walk:
                cells += [
                    f"{walk['success']:.0%}",
                    f"{walk['spl']:.2f}",
                    f"{walk['collisions']:.1f}",
                ]
            cells += [""] * (6 - len(cells))
            lines.append(f"| {named} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _write(cfg: NavigateConfig, bench: Bench, found: dict[str, Any]) -> None:
    meta = provenance.meta(cfg.seed, cfg.data, bench.model) | {"mean_step": bench.step}
    provenance.write_json(Path(cfg.out), {"world": cfg.world, "found": found, "meta": meta})
    Path(cfg.out).with_suffix(".md").write_text(table(found) + "\n", encoding="utf-8")


def _check(cfg: NavigateConfig) -> None:
    unknown = [method for method in cfg.methods if method not in METHODS]
    if unknown or not cfg.methods:
        raise WorldsimError(f"methods={unknown or '[]'}: use {', '.join(METHODS)}")
    if not cfg.data:
        raise WorldsimError(
            f"where to? Name held-out play with data=…, from `worldsim collect world={cfg.world} "
            "split=heldout`"
        )
    if not cfg.seconds or min(cfg.seconds) <= 0 or cfg.goals < 1 or cfg.closed < 0 or cfg.ways < 2:
        raise WorldsimError(
            f"seconds={cfg.seconds}, goals={cfg.goals}, closed={cfg.closed}, ways={cfg.ways}: use "
            "more than 0 seconds, 1 or more goals, 0 or more of them closed, 2 or more ways"
        )
    if cfg.world not in ("doom", "rooms"):
        raise WorldsimError(f"world={cfg.world}: goals are walked to in doom or rooms")
