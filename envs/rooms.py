"""The world `rooms`: generated mazes and furnished rooms in MiniWorld, as a Gymnasium env.

Deterministic: the same seed, options and actions give the same frames, also in another process on
the same machine; another graphics driver may round pixels differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import one_of, whole
from envs.rooms_map import DUCK, SEEDS, THINGS, WALL_WORDS, Layout, make_layout
from envs.sight import things_in_sight
from envs.walk_words import ACTIONS, PHRASES, WALK_KEYS
from worldsim.errors import WorldsimError
from worldsim.phrases import of_actions
from worldsim.world import WorldSpec

if TYPE_CHECKING:
    from envs.rooms_engine import Engine, View

STEPS_PER_SECOND = 16.0
KINDS = {"maze": "a maze", "furnished": "furnished rooms"}
STEP_METRES, SIDE_METRES, TURN_DEGREES = 0.15, 0.12, 5.0
TOUCHING = 0.6  # metres from a thing at which nobody starts
ROOMS = WorldSpec(
    name="rooms",
    actions=ACTIONS,
    keys=WALK_KEYS,
    steps_per_second=STEPS_PER_SECOND,
    description="Walking through plain rooms and mazes with boxes, balls, keys and furniture.",
    phrases=of_actions(PHRASES, ACTIONS),
    credits="MiniWorld with its textures and meshes (Apache-2.0).",
    things=list(THINGS),
    places={
        f"{kind}-{name}": f"A first-person walk through {words} with walls of {said}."
        for kind, words in KINDS.items()
        for name, said in WALL_WORDS.items()
    },
)
PLACES = ("maze", "furnished", "four", "mixed")
AHEAD_DEGREES = 30  # the duck is at most so far from straight on where one begins near it


class RoomsEnv(gym.Env[np.ndarray, np.int64]):
    """Rooms and mazes seen through a person's eyes; 27 actions, 16 steps a second.

    Reward is 1 for every key, medkit, potion or duck that is taken by walking up to it; taking
    the duck ends the episode. `info["pose"]` and `info["depth"]` are in metres and degrees.
    Light, shades and heights of the eye differ from episode to episode.

    Args:
        split: "train" or "heldout"; their places are disjoint, and some pairs of kind and colour
            (`envs.rooms_map.HELDOUT_PAIRS`) are found in held-out places only.
        places: "maze", "furnished", "four" (furnished ones, two by two), or "mixed": any.
        near: Begin in the room of the duck, looking towards it.
        image_size: Side of the square picture in pixels, 16 to 256.
        max_steps: Steps after which an episode is truncated.
        render_mode: None or "rgb_array".

    Raises:
        ImportError: MiniWorld is not installed, or there is no OpenGL to draw with.
        WorldsimError: An argument is out of range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": STEPS_PER_SECOND}

    def __init__(
        self,
        split: str = "train",
        places: str = "mixed",
        near: bool = False,
        image_size: int = 64,
        max_steps: int = 512,
        render_mode: str | None = None,
    ) -> None:
        """Check the arguments; the renderer starts with the first reset."""
        one_of("split", split, tuple(SEEDS))
        one_of("places", places, PLACES)
        one_of("render_mode", render_mode, (None, "rgb_array"))
        self.image_size = whole("image_size", image_size, 16, 256)
        self.max_steps = whole("max_steps", max_steps, 1, 1 << 31)
        self._make_engine = _import_engine()
        self.split, self.places, self.near, self.render_mode = split, places, near, render_mode
        self.spec_world = ROOMS
        shape = (image_size, image_size, 3)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._moves = [_move(words) for words in ACTIONS]
        self._engine: Engine | None = None
        self._view: View | None = None
        self._seed, self._steps = 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode, by default somewhere at random in the split.

        Args:
            seed: Decides everything.
            options: `{"place": seed}` of either split; `"cell": k` starts in its k-th cell.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        layout = self._choose(options)
        cell = options.pop("cell", None)
        if options:
            raise WorldsimError(f"unknown option '{next(iter(options))}': use place, cell")
        start = self._stand(layout, cell)
        self._seed = int(self.np_random.integers(1 << 31)) if seed is None else int(seed)
        if self._engine is None:
            self._engine = self._make_engine(self.image_size)
        self._view = self._engine.start(layout, start, int(self.np_random.integers(1 << 31)))
        self._steps = 0
        return self._view.frame, self._info(0)

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the keys of an action for one step."""
        if self._engine is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        ROOMS.action_text(int(action))  # raises for an action that does not exist
        self._view = self._engine.move(*self._moves[int(action)])
        self._steps += 1
        terminated = DUCK in self._view.taken
        truncated = not terminated and self._steps >= self.max_steps
        reward = float(len(self._view.taken))
        return self._view.frame, reward, terminated, truncated, self._info(int(action))

    def render(self) -> np.ndarray | None:
        """Return the present frame, or None without a render mode."""
        return self._view.frame if self._view is not None and self.render_mode else None

    @property
    def layout(self) -> Layout:
        """What an explorer may know and a learner must not."""
        if self._engine is None:
            raise gym.error.ResetNeeded("call reset() first")
        return self._engine.layout

    def _choose(self, options: dict[str, Any]) -> Layout:
        """Return the place of the options, or any of the split and sort that is asked for."""
        if "place" in options:
            return make_layout(whole("place", options.pop("place"), 0, SEEDS["heldout"][1]))
        first, last = SEEDS[self.split]
        while True:
            layout = make_layout(int(self.np_random.integers(first, last + 1)))
            if self._fits(layout):
                return layout

    def _fits(self, layout: Layout) -> bool:
        if self.places == "mixed" or not layout.furnished:
            return self.places in ("mixed", "maze")
        two_by_two = (layout.columns, layout.rows) == (2, 2)
        return self.places == "furnished" or (self.places == "four" and two_by_two)

    def _stand(self, layout: Layout, cell: Any) -> tuple[float, float, float]:
        """Return where an episode starts: near the middle of a cell, clear of its things."""
        cells = layout.cells
        chosen = int(self.np_random.integers(len(cells)))
        duck = next(thing for thing in layout.things if thing.kind is DUCK)
        if cell is not None:
            chosen = whole("cell", cell, 0, len(cells) - 1)
        elif self.near:
            apart = [np.hypot(duck.x - x, duck.y - y) for x, y in map(layout.centre, cells)]
            chosen = int(np.argmin(apart))
        x, y = layout.centre(cells[chosen])
        yaw = float(self.np_random.integers(360))
        if self.near and cell is None:
            aside = self.np_random.uniform(-AHEAD_DEGREES, AHEAD_DEGREES)
            yaw = (np.degrees(np.arctan2(duck.y - y, duck.x - x)) + aside) % 360.0
        sway = 0.1 * layout.cell_size
        for _ in range(20):
            dx, dy = self.np_random.uniform(-sway, sway, 2)
            apart = [np.hypot(t.x - x - dx, t.y - y - dy) - t.kind.radius for t in layout.things]
            if min(apart) > TOUCHING:
                return x + dx, y + dy, yaw
        return x, y, yaw

    def _info(self, action: int) -> dict[str, Any]:
        assert self._view is not None and self._engine is not None
        return {
            "action_text": ROOMS.action_text(action),
            "pose": np.array(self._view.pose, np.float32),
            "depth": self._view.depth,
            "objects": self._view.objects,
            "facts": {"things": things_in_sight(self._view.objects, self.image_size, 1.0)},
            "source": self._engine.layout.name,
            "seed": self._seed,
        }


def _move(words: str) -> tuple[float, float, float]:
    """Return metres ahead, metres to the left and degrees of an action in words."""
    held = f" {words} "
    ahead = STEP_METRES * ((" forward " in held) - (" back " in held))
    left = SIDE_METRES * ((" strafe left " in held) - (" strafe right " in held))
    return ahead, left, TURN_DEGREES * ((" turn left " in held) - (" turn right " in held))


def _import_engine() -> type[Engine]:
    try:
        from envs.rooms_engine import Engine
    except ImportError as error:
        raise ImportError(
            'the world "rooms" needs MiniWorld and OpenGL: run pip install "worldsim[rooms]", and '
            f"on Debian or Ubuntu apt-get install libegl1 libglu1-mesa libgl1-mesa-dri ({error})"
        ) from error
    return Engine
