"""`worldsim agent navigate world=rooms data=data/held/rooms`: from here to a picture, for real.

The protocol of Navigation World Models (Bar et al. 2025, arXiv 2412.03572) on our worlds. Open
loop: a way of 2 or 8 seconds is planned at once, taken in the simulator, and held against the way
that was recorded (ATE and RPE, in metres and in mean steps). Closed loop: the planner looks again
as it goes, until it is there (success, SPL, collisions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm.auto import tqdm

from agents.contenders import (
    AHEAD,
    BLIND,
    CLOSED,
    METHODS,
    Blind,
    check_methods,
    closed_loop,
    make_planner,
    open_loop,
)
from agents.goal_list import list_goals, read_goals
from agents.goals import (
    Goal,
    absolute_error,
    choose_goals,
    follow_way,
    in_metres,
    length,
    mean_step,
    relative_error,
    return_to,
    shortest_known,
    stuck,
    success_by_length,
)
from agents.navigate_table import table
from agents.planner import Planner, PlannerConfig, check_search
from agents.scores import ByLook
from agents.tasks import TURNS
from envs.worlds import find_world, make_world, world_spec
from worldsim import provenance
from worldsim.data import Dataset, Episode
from worldsim.errors import WorldsimError
from worldsim.metrics import LPIPS


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
        index: JSON of another measurement, whose goals are taken again, be it that the dataset has
            grown: those of the same seconds, no more than `goals`; empty: new ones are chosen.
        methods: Who plans: ``cem``, ``mppi`` and ``shooting`` in the dream, ``shuffled`` (cem) and
            ``shuffled_shooting`` in a dream that takes one action for another, ``random``,
            ``straight`` on, ``stay``.
        near: Metres from the goal that count as there.
        ways: Tried side by side.
        planner: How ways are searched. The horizon is that of the goal where the whole way is
            planned at once; where it is looked again, it is no longer than that.
        checkpoint: Folder of the model that dreams; empty: the bundled one.
        seed: Of goals and ways.
    """

    world: str = "rooms"
    data: str = ""
    out: str = "navigate.json"
    seconds: list[float] = field(default_factory=lambda: [2.0, 8.0])
    goals: int = 24
    closed: int = 8
    index: str = ""
    methods: list[str] = field(default_factory=lambda: list(METHODS))
    near: float = 0.5
    ways: int = 32
    planner: PlannerConfig = field(default_factory=lambda: PlannerConfig(repeat=4))
    checkpoint: str = ""
    seed: int = 0


def navigate(cfg: NavigateConfig) -> None:
    """Plan to goals, take the ways for real, and write down how far off they are."""
    _check(cfg)
    provenance.check_writable(Path(cfg.out))
    dataset = Dataset(cfg.data)
    if dataset.spec.name != cfg.world:
        raise WorldsimError(f"data={cfg.data} is of '{dataset.spec.name}', not of '{cfg.world}'")
    real = world_spec(cfg.world)
    dataset.spec.check_same(real, cfg.data, "the simulator", "collect the data anew, without skip=")
    every_goal = find_goals(cfg, dataset)
    bench = Bench(cfg, dataset)
    try:
        found: dict[str, Any] = {}
        for named, goals in every_goal.items():
            found[named] = {"steps": goals[0].steps, "goals": len(goals)}
            for method in cfg.methods:
                ways = [bench.open(goal, method) for goal in tqdm(goals, f"{named}, {method}")]
                found[named][method] = average(ways) | {"each": ways}
                if method in CLOSED and cfg.closed:
                    part = tqdm(goals[: cfg.closed], f"{named}, {method}, looking again")
                    walks = [bench.closed(goal, method) for goal in part]
                    found[named][method]["closed"] = average(walks) | {"each": walks}
                _write(cfg, bench, found, every_goal)
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
        remedy = "give the checkpoint= of a model that was trained on such data"
        spec.check_same(world.spec_world, cfg.data, "the model", remedy)
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
        config = open_loop(self.cfg.planner, goal.steps)
        agent = self._agent(method, goal, episode, config, goal.steps)
        past, done = self._past(goal, episode)
        way = agent.plan([*past, episode.frames[goal.first]], done)
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
        metres, most = self.dataset.spec.metres_per_unit, 2 * goal.steps
        poses, taken = [return_to(self.real, episode, goal.first)], list[int]()
        shortest = shortest_known(truth, self.real.get_wrapper_attr("layout"), metres)
        config = closed_loop(self.cfg.planner, goal.steps)
        agent = self._agent(method, goal, episode, config, most)
        agent.remember(*self._past(goal, episode))
        frame, reached = episode.frames[goal.first], False
        while not reached and len(taken) < most:
            taken.append(agent.act(frame, {}))
            frame, _, ended, cut, info = self.real.step(taken[-1])
            poses.append(in_metres(info["pose"], metres))
            reached = bool(np.hypot(*(poses[-1] - truth[-1])[:2]) < self.cfg.near)
            if ended or cut:
                break
        way = np.stack(poses)
        return {
            "success": float(reached),
            "spl": success_by_length(reached, length(way), max(0.0, shortest - self.cfg.near)),
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

    def _past(self, goal: Goal, episode: Episode) -> tuple[list[np.ndarray], list[int]]:
        """Return the frames before the first one, as many as dreams begin with, and the actions."""
        past = slice(max(0, goal.first + 1 - self.context), goal.first)
        return list(episode.frames[past]), episode.actions[past].tolist()

    def _agent(
        self, method: str, goal: Goal, episode: Episode, config: PlannerConfig, steps: int
    ) -> Planner | Blind:
        """Return who walks; `steps` is how many those need who do not look."""
        spec, seed = self.dataset.spec, self.cfg.seed
        if method in BLIND:
            luck = [seed, episode.seed, goal.first]
            return Blind(method, spec, self.actions, steps, config.repeat, luck)
        score = ByLook(episode.frames[goal.first + goal.steps], self._lpips)
        return make_planner(method, self.dream, self.actions, score, config, seed)


def average(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each number."""
    return {name: fmean(row[name] for row in rows) for name in rows[0]}


def find_goals(cfg: NavigateConfig, dataset: Dataset) -> dict[str, list[Goal]]:
    """Return the goals by how far away they are, such as "2 s": those of the index, or new ones.

    Raises:
        WorldsimError: The index cannot be read, or lists a goal that is not in the dataset or none
            of these seconds; or nobody went anywhere in the dataset.
    """
    kept = read_goals(Path(cfg.index), dataset) if cfg.index else []
    found, rate = dict[str, list[Goal]](), dataset.spec.steps_per_second
    for seconds in cfg.seconds:
        steps = max(1, round(seconds * rate))
        goals = [goal for goal in kept if goal.steps == steps][: cfg.goals]
        if cfg.index and not goals:
            known = sorted({goal.steps / rate for goal in kept})
            raise WorldsimError(
                f"index={cfg.index} has no goals {seconds:g} s away: use some of its "
                f"seconds={[round(other, 2) for other in known]}"
            )
        found[f"{seconds:g} s"] = goals or choose_goals(
            dataset, steps, cfg.goals, cfg.planner.context, cfg.seed
        )
    return found


def _write(
    cfg: NavigateConfig, bench: Bench, found: dict[str, Any], goals: dict[str, list[Goal]]
) -> None:
    meta = provenance.meta(cfg.seed, cfg.data, bench.model) | {"mean_step": bench.step}
    listed = list_goals(chain.from_iterable(goals.values()), bench.dataset)
    provenance.write_json(Path(cfg.out), listed | {"found": found, "meta": meta})
    Path(cfg.out).with_suffix(".md").write_text(table(found) + "\n", encoding="utf-8")


def _check(cfg: NavigateConfig) -> None:
    check_methods(cfg.methods)
    check_search(cfg.planner)
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
