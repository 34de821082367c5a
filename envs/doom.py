"""The world `doom`: generated mazes, free walks on Freedoom maps, and tasks, as a Gymnasium env.

Deterministic: the same seed, options and actions give the same frames, also in another process.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import one_of, whole
from envs.doom_engine import TICS_PER_STEP, TURN_DEGREES, DoomEngine, View
from envs.doom_map import Maze, make_maze
from envs.doom_style import NAMED
from envs.doom_task import TASK_SEEDS, TASKS
from envs.sight import things_in_sight
from envs.walk_words import ACTIONS, PHRASES, WALK_KEYS
from worldsim.errors import WorldsimError
from worldsim.phrases import of_actions
from worldsim.world import WorldSpec

# Seeds of generated mazes: first and last of each split.
MAZE_SEEDS = {"train": (0, 999_999), "heldout": (1_000_000, 1_999_999)}
# Freedoom maps where many starts lead somewhere without opening doors.
MAPS = {
    "train": (
        *("map01", "map03", "map04", "map10", "map12"),
        *("map13", "map17", "map20", "map21", "map32"),
    ),
    "heldout": ("map02", "map07", "map15", "map22"),
}
STEPS_PER_SECOND = 35.0 / TICS_PER_STEP
DOOM = WorldSpec(
    name="doom",
    actions=ACTIONS,
    keys=WALK_KEYS,
    steps_per_second=STEPS_PER_SECOND,
    description="Walking through mazes and halls with textured walls, torches, keys and columns.",
    phrases=of_actions(PHRASES, ACTIONS),
    heldout_sources=[f"freedoom2-{name}" for name in MAPS["heldout"]],
    credits="ViZDoom (MIT) with Freedoom's maps, textures and sprites (BSD-3-Clause).",
    things=sorted({kind.words for kind in NAMED.values()}),
    places={
        "maze": "A walk through a maze with textured walls, torches, keys and columns.",
        "freedoom2": "A walk through the halls and yards of a base on a far planet.",
    }
    | {name: task.place for name, task in TASKS.items()},
    metres_per_unit=0.025,  # so the player is 1.4 m tall and 0.8 m wide
)

SOURCES = ("maze", "map", "mixed", *TASKS)
SPHERE_MESSAGE = "Ectoplasmic surge!"  # what Freedoom says when the blue sphere is touched
NOT_A_PICKUP = ("secret",)
TELEPORT_UNITS = 96.0  # a step is at most about 17 map units
LOW_HEALTH = 60


class DoomEnv(gym.Env[np.ndarray, np.int64]):
    """Mazes and maps seen through a person's eyes; 27 actions, 17.5 steps a second.

    Reward is 1 for every thing picked up. Touching the blue sphere ends the episode. An episode
    is cut off after `max_steps`, and where a map teleports the player. A task has its own reward
    and end, see `envs.doom_task`.

    Args:
        split: "train" or "heldout"; their mazes and maps are disjoint, and the seeds of tasks.
        source: "maze", "map", the name of a task, or "mixed": any of them at random.
        image_size: Side of the square picture in pixels, 16 to 256.
        max_steps: Steps after which an episode is truncated.
        depth: Also give `info["depth"]`; costs some speed.
        maze_share: How often "mixed" takes a maze and not a map.
        task_share: How often "mixed" takes a task.
        pain: Taken off a task's reward for every point of health lost, of 100: what hurts is felt
            when it does, and not only when it kills.
        render_mode: None or "rgb_array".

    Raises:
        ImportError: ViZDoom is not installed.
        WorldsimError: An argument is out of range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": STEPS_PER_SECOND}

    def __init__(
        self,
        split: str = "train",
        source: str = "maze",
        image_size: int = 64,
        max_steps: int = 512,
        depth: bool = False,
        maze_share: float = 0.7,
        task_share: float = 0.0,
        pain: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        """Check the arguments; ViZDoom starts with the first reset."""
        one_of("split", split, tuple(MAZE_SEEDS))
        one_of("source", source, SOURCES)
        one_of("render_mode", render_mode, (None, "rgb_array"))
        if max_steps < 1:
            raise WorldsimError(f"max_steps {max_steps} is too small: use 1 or more")
        for name, share in (("maze_share", maze_share), ("task_share", task_share)):
            if not 0 <= share <= 1:
                raise WorldsimError(f"{name} {share} is out of range: use 0 to 1")
        self.split, self.source = split, source
        self.maze_share, self.task_share = maze_share, task_share
        if not pain >= 0:
            raise WorldsimError(f"pain {pain} is out of range: use 0 or more")
        self.max_steps, self.pain, self.render_mode = max_steps, pain, render_mode
        self.spec_world = DOOM
        self.engine = self._places = DoomEngine(image_size, depth)
        self._tasks: dict[str, DoomEngine] = {}
        shape = (image_size, image_size, 3)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.action_space = spaces.Discrete(len(DOOM.actions))
        self._buttons = [_buttons(words) for words in DOOM.actions]
        self.maze: Maze | None = None
        self._view: View | None = None
        self._where, self._seed, self._steps = "", 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode, by default somewhere at random in the split.

        Args:
            seed: Decides everything: the place, the start and the engine's own randomness.
            options: `{"maze": seed}` or `{"map": "map07"}`, of either split; `"start": k` picks
                the k-th cell of the maze, or the k-th thing of the map. `{"task": "take_cover"}`.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        place, start = self._choose(options), options.pop("start", None)
        if options:
            raise WorldsimError(
                f"unknown option '{next(iter(options))}': use maze, map, task, start"
            )
        self._seed = int(self.np_random.integers(1 << 31)) if seed is None else int(seed)
        engine_seed = int(self.np_random.integers(1 << 31))
        if isinstance(place, int):
            self._view = self._reset_maze(place, start, engine_seed)
        elif place in TASKS:
            self._view = self._reset_task(place, engine_seed)
        else:
            self._view = self._reset_map(place, start, engine_seed)
        self._steps = 0
        return self._view.frame, self._info(0)

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the keys of an action for one step."""
        if self._view is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        DOOM.action_text(int(action))  # raises for an action that does not exist
        before = self._view.pose
        task, health = self.engine.task is not None, self.engine.health()
        if self.maze is None and not task and health < LOW_HEALTH:
            self.engine.command("give health")
        view = self.engine.step(self._buttons[int(action)])
        self._view, self._steps = view, self._steps + 1
        taken = [m for m in view.messages if not any(word in m for word in NOT_A_PICKUP)]
        terminated = view.over or (SPHERE_MESSAGE in taken and not task)
        jumped = np.hypot(view.pose[0] - before[0], view.pose[1] - before[1]) > TELEPORT_UNITS
        truncated = not terminated and bool(self._steps >= self.max_steps or jumped)
        lost = max(0.0, health - max(0.0, self.engine.health()))
        reward = view.reward - self.pain * lost if task else float(len(taken))
        return view.frame, reward, terminated, truncated, self._info(int(action))

    @property
    def layout(self) -> Maze | None:
        """What an explorer may know and a learner must not: the maze; None on a map."""
        return self.maze

    def render(self) -> np.ndarray | None:
        """Return the present frame, or None without a render mode."""
        return self._view.frame if self._view is not None and self.render_mode else None

    def close(self) -> None:
        """End ViZDoom's processes."""
        for engine in (self._places, *self._tasks.values()):
            engine.close()

    def _choose(self, options: dict[str, Any]) -> int | str:
        """Return a maze seed, a map name or a task, from the options or at random."""
        named = [name for name in ("maze", "map", "task") if name in options]
        if len(named) > 1:
            raise WorldsimError(f"options name a {named[0]} and a {named[1]}: give one of them")
        if "maze" in options:
            return int(options.pop("maze"))
        if "map" in options:
            return str(options.pop("map")).lower()
        if "task" in options:
            task = options.pop("task")
            one_of("task", task, tuple(TASKS))
            return str(task)
        if self.source in TASKS:
            return self.source
        # No share of tasks, no throw: datasets of before stay what they were.
        mixed = self.source == "mixed" and self.task_share
        if mixed and self.np_random.random() < self.task_share:
            return str(self.np_random.choice(list(TASKS)))
        in_maze = self.source == "maze" or (
            self.source == "mixed" and self.np_random.random() < self.maze_share
        )
        if in_maze:
            first, last = MAZE_SEEDS[self.split]
            return int(self.np_random.integers(first, last + 1))
        return str(self.np_random.choice(MAPS[self.split]))

    def _reset_task(self, name: str, seed: int) -> View:
        self.maze, self._where = None, name
        if name not in self._tasks:
            size, depth = self.engine.image_size, self.engine.with_depth
            self._tasks[name] = DoomEngine(size, depth, TASKS[name])
        self.engine = self._tasks[name]
        first, last = TASK_SEEDS[self.split]
        return self.engine.start_task(first + seed % (last - first + 1))

    def _reset_maze(self, maze_seed: int, start: int | None, seed: int) -> View:
        self.engine = self._places
        self.maze = make_maze(maze_seed)
        self._where = f"maze-{maze_seed:06d}"
        cells = self.maze.cells
        if start is None:
            away = [k for k, cell in enumerate(cells) if cell != self.maze.exit_cell]
            start = int(away[int(self.np_random.integers(len(away)))])
        x, y = self.maze.centre(cells[whole("start", start, 0, len(cells) - 1)])
        return self.engine.start_maze(self.maze, x, y, int(self.np_random.integers(360)), seed)

    def _reset_map(self, name: str, start: int | None, seed: int) -> View:
        self.engine = self._places
        self.maze = None
        try:
            starts = self.engine.starts(name)
        except KeyError:
            raise WorldsimError(f"no map '{name}' in Freedoom: use map01 to map32") from None
        self._where = f"freedoom2-{name}"
        if start is None:
            start = int(self.np_random.integers(len(starts)))
        x, y, _ = starts[whole("start", start, 0, len(starts) - 1)]
        return self.engine.start_map(name, (x, y, int(self.np_random.integers(360))), seed)

    def _info(self, action: int) -> dict[str, Any]:
        assert self._view is not None
        return {
            "action_text": DOOM.action_text(action),
            "pose": np.array(self._view.pose, np.float32),
            "depth": self._view.depth,
            "objects": self._view.objects,
            "facts": {
                "things": things_in_sight(
                    self._view.objects, self.engine.image_size, DOOM.metres_per_unit
                )
            },
            "source": self._where,
            "seed": self._seed,
        }


def _buttons(words: str) -> list[float]:
    """Return the engine's buttons of an action in words."""
    held = f" {words} "
    moves = [float(f" {w} " in held) for w in ("forward", "back", "strafe left", "strafe right")]
    turn = float(" turn right " in held) - float(" turn left " in held)
    return [*moves, turn * TURN_DEGREES / TICS_PER_STEP]
