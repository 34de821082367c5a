"""The world `carracing`: Gymnasium's CarRacing from above, driven with keys.

Deterministic: the same seed, options and actions give the same frames, also in another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import one_of, whole
from envs.drive_words import ACTIONS, DRIVE_KEYS
from envs.drive_words import CARRACING as PHRASES
from worldsim.errors import WorldsimError
from worldsim.phrases import of_actions
from worldsim.world import WorldSpec

if TYPE_CHECKING:
    from envs.carracing_engine import Engine

# Seeds of tracks: first and last of each split.
TRACK_SEEDS = {"train": (0, 999_999), "heldout": (1_000_000, 1_999_999)}
STEPS_PER_SECOND = 50.0 / 3
CARRACING = WorldSpec(
    name="carracing",
    actions=ACTIONS,
    keys=DRIVE_KEYS,
    steps_per_second=STEPS_PER_SECOND,
    description="A race car seen from above on a winding road through grass.",
    phrases=of_actions(PHRASES, ACTIONS),
    places={
        "track": "A race car seen from above on a winding grey road through green grass.",
        "painted": "A race car seen from above on a winding road, road and land in any colours.",
    },
    credits="CarRacing of Gymnasium (MIT).",
    field_of_view=0.0,
)
COLOURS = ("plain", "painted", "mixed")
# As a person's keys: full lock and full throttle; brakes that do not block the wheels.
STEER, GAS, BRAKE = 1.0, 1.0, 0.8


class CarRacingEnv(gym.Env[np.ndarray, np.int64]):
    """A lap on a road that is different for every seed; 9 actions, 16.7 steps a second.

    Reward is Gymnasium's own: 1000 for the whole road, a tile at a time, less 0.1 a tick (0.3 a
    step), and -100 for leaving the field, which ends the episode as a finished lap does.
    `info["pose"]` is in the simulator's units, of which a road is 13 wide, taken as metres, and
    degrees. `info["facts"]` says whether a wheel is on the road, how many metres a second the car
    goes, and by how many degrees the road turns within the next 35 metres, left positive.

    Args:
        split: "train" or "heldout"; their roads are disjoint.
        colours: "plain" (grey road, green grass), "painted" (two random colours a road), or
            "mixed": half of the roads each.
        image_size: Side of the square picture in pixels, 16 to 256.
        max_steps: Steps after which an episode is truncated.
        render_mode: None or "rgb_array".

    Raises:
        ImportError: Box2D is not installed.
        WorldsimError: An argument is out of range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": STEPS_PER_SECOND}

    def __init__(
        self,
        split: str = "train",
        colours: str = "plain",
        image_size: int = 64,
        max_steps: int = 512,
        render_mode: str | None = None,
    ) -> None:
        """Check the arguments; a road is built with every reset."""
        one_of("split", split, tuple(TRACK_SEEDS))
        one_of("colours", colours, COLOURS)
        one_of("render_mode", render_mode, (None, "rgb_array"))
        whole("image_size", image_size, 16, 256)
        whole("max_steps", max_steps, 1, 1 << 31)
        self._make_engine = _import_engine()
        self.split, self.colours, self.image_size = split, colours, image_size
        self.max_steps, self.render_mode = max_steps, render_mode
        self.spec_world = CARRACING
        shape = (image_size, image_size, 3)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._controls = [_controls(words) for words in ACTIONS]
        self._engine: Engine | None = None
        self._where, self._seed, self._steps = "", 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin at the start line of a road, by default of any of the split.

        Args:
            seed: Decides everything.
            options: `{"track": seed}` of either split, `{"colours": "painted"}`.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        first, last = TRACK_SEEDS[self.split]
        any_track = int(self.np_random.integers(first, last + 1))
        track = whole("track", options.pop("track", any_track), 0, TRACK_SEEDS["heldout"][1])
        colours = options.pop("colours", self.colours)
        if options:
            raise WorldsimError(f"unknown option '{next(iter(options))}': use track, colours")
        one_of("colours", colours, COLOURS)
        coin = bool(self.np_random.random() < 0.5)
        painted = colours == "painted" or (colours == "mixed" and coin)
        self._seed = int(self.np_random.integers(1 << 31)) if seed is None else int(seed)
        # A used engine would remember contacts: a new one for every road.
        self.close()
        self._engine = self._make_engine(self.image_size, painted)
        self._frame = self._engine.start(track)
        self._where = f"{'painted' if painted else 'track'}-{track:06d}"
        self._steps = 0
        return self._frame, self._info(0)

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the keys of an action for one step."""
        if self._engine is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        CARRACING.action_text(int(action))  # raises for an action that does not exist
        self._frame, reward, terminated = self._engine.hold(self._controls[int(action)])
        self._steps += 1
        truncated = not terminated and self._steps >= self.max_steps
        return self._frame, reward, terminated, truncated, self._info(int(action))

    def render(self) -> np.ndarray | None:
        """Return the present frame, or None without a render mode."""
        return self._frame if self._engine is not None and self.render_mode else None

    def close(self) -> None:
        """Forget the road."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def layout(self) -> np.ndarray:
        """What an explorer may know and a learner must not: the middle of the road ``(N, 2)``."""
        if self._engine is None:
            raise gym.error.ResetNeeded("call reset() first")
        return self._engine.route

    def _info(self, action: int) -> dict[str, Any]:
        assert self._engine is not None
        return {
            "action_text": CARRACING.action_text(action),
            "pose": np.array(self._engine.pose, np.float32),
            "depth": None,
            "objects": [],
            "speed": self._engine.speed,
            "on_road": self._engine.on_road,
            "tile": self._engine.tile,
            "facts": {
                "on_road": self._engine.on_road,
                "speed": round(self._engine.speed, 1),
                "bend": self._engine.bend,
            },
            "source": self._where,
            "seed": self._seed,
        }


def _controls(words: str) -> np.ndarray:
    """Return steering, gas and brake of an action in words."""
    steer = STEER * (("steer right" in words) - ("steer left" in words))
    return np.array([steer, GAS * ("gas" in words), BRAKE * ("brake" in words)])


def _import_engine() -> type[Engine]:
    try:
        from envs.carracing_engine import Engine
    except gym.error.DependencyNotInstalled as error:
        raise ImportError(
            'the world carracing needs Box2D: pip install "worldsim[carracing]"'
        ) from error
    return Engine
