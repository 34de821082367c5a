"""The world `kart`: SuperTuxKart, seen from behind a kart that is driven with keys.

Where the kart goes is deterministic: the same seed, options and actions give the same poses and
rewards, also in another process. The pictures are not: clouds, water and sparks have a life of
their own in the game.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.checks import one_of, whole
from envs.drive_words import ACTIONS, DRIVE_KEYS
from envs.drive_words import KART as PHRASES
from worldsim.errors import WorldsimError
from worldsim.kart_assets import find_assets
from worldsim.phrases import of_actions
from worldsim.world import WorldSpec

if TYPE_CHECKING:
    from envs.kart_engine import Engine, Glimpse

TRACKS = {  # names as in the game, and what its drivers see there
    "train": {
        "abyss": "A kart race through ruins under the sea.",
        "black_forest": "A kart race through an autumn forest.",
        "candela_city": "A kart race through an old town in the evening.",
        "cocoa_temple": "A kart race through a temple in the jungle.",
        "cornfield_crossing": "A kart race past fields of corn.",
        "fortmagma": "A kart race through a castle above lava.",
        "gran_paradiso_island": "A kart race on a sunny island.",
        "hacienda": "A kart race around a farm in dry, hot country.",
        "minigolf": "A kart race across a course of miniature golf.",
        "olivermath": "A kart race through a school.",
        "ravenbridge_mansion": "A kart race through an old mansion of stone and wood.",
        "sandtrack": "A kart race through the desert.",
        "snowmountain": "A kart race on snow.",
        "stk_enterprise": "A kart race through a space ship.",
        "volcano_island": "A kart race on an island with a volcano.",
        "xr591": "A kart race on a red planet.",
    },
    "heldout": {
        "lighthouse": "A kart race along a sandy coast under clouds.",
        "scotland": "A kart race through a town of grey stone.",
        "snowtuxpeak": "A kart race on a peak of snow and ice.",
        "zengarden": "A kart race past dark rocks in a garden at night.",
    },
}
ALL_TRACKS = (*TRACKS["train"], *TRACKS["heldout"])
STEPS_PER_SECOND = 15.0
TOP_SPEED = 25.0  # metres a second
MOST_METRES = 5.0  # of progress in a step; more is a bird that carries the kart back to the road
PAY = 0.1  # for a metre
KART = WorldSpec(
    name="kart",
    actions=ACTIONS,
    keys=DRIVE_KEYS,
    steps_per_second=STEPS_PER_SECOND,
    description="A kart race through a colourful landscape, seen from behind the kart.",
    phrases=of_actions(PHRASES, ACTIONS),
    heldout_sources=list(TRACKS["heldout"]),
    places=TRACKS["train"] | TRACKS["heldout"],
    field_of_view=80.0,
    credits=(
        "Pictures of SuperTuxKart's tracks and karts, by their artists (CC-BY-SA, CC-BY, CC0, "
        "GPL; named in the data/CREDITS of the game)."
    ),
)


class KartEnv(gym.Env[np.ndarray, np.int64]):
    """A drive on one of 20 tracks; 9 actions, 15 steps a second; the brake also reverses.

    Reward is 0.1 for every metre along the track, less for driving back. A full lap ends the
    episode. Who falls off or gets stuck is carried back by a bird, as in the game.
    `info["pose"]` is in metres and degrees; `info["depth"]`, if asked for, in metres;
    `info["facts"]` says whether the kart is on the road, how many metres a second it goes, and by
    how many degrees the road turns within the next 35 metres, left positive.

    The game runs once in a process: the env that was reset last drives, others must be reset.

    Args:
        split: "train" or "heldout"; their tracks are disjoint.
        depth: Whether to measure depth.
        image_size: Side of the square picture in pixels, 16 to 192.
        max_steps: Steps after which an episode is truncated.
        render_mode: None or "rgb_array".

    Raises:
        ImportError: pystk2 is not installed.
        WorldsimError: An argument is out of range, or the game's tracks are missing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": STEPS_PER_SECOND}

    def __init__(
        self,
        split: str = "train",
        depth: bool = False,
        image_size: int = 64,
        max_steps: int = 512,
        render_mode: str | None = None,
    ) -> None:
        """Check the arguments; the game starts with the first reset."""
        one_of("split", split, tuple(TRACKS))
        one_of("depth", depth, (False, True))
        one_of("render_mode", render_mode, (None, "rgb_array"))
        whole("image_size", image_size, 16, 192)
        whole("max_steps", max_steps, 1, 1 << 31)
        self._make_engine = _import_engine()
        self.split, self.depth, self.image_size = split, depth, image_size
        self.max_steps, self.render_mode = max_steps, render_mode
        self.spec_world = KART
        self.observation_space = spaces.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.action_space = spaces.Discrete(len(ACTIONS))
        self._controls = [_controls(words) for words in ACTIONS]
        self._engine: Engine | None = None
        self._view: Glimpse | None = None
        self._track, self._seed, self._steps, self._progress = "", 0, 0, 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin anywhere on a track, by default on any of the split, often already moving.

        Args:
            seed: Decides everything.
            options: `{"track": "scotland"}` of either split, `{"place": 0.25}`, a share of the lap.
        """
        super().reset(seed=seed)
        options = dict(options or {})
        tracks = tuple(TRACKS[self.split])
        any_track = tracks[int(self.np_random.integers(len(tracks)))]
        track = options.pop("track", any_track)
        place = options.pop("place", float(self.np_random.random()))
        if options:
            raise WorldsimError(f"unknown option '{next(iter(options))}': use track, place")
        one_of("track", track, ALL_TRACKS)
        if not isinstance(place, (int, float)) or not 0 <= place <= 1:
            raise WorldsimError(f"place {place!r} is out of range: use 0 to 1")
        side = float(self.np_random.uniform(-0.25, 0.25))
        speed = max(0.0, float(self.np_random.uniform(-5.0, 15.0)))
        self._seed = int(self.np_random.integers(1 << 31)) if seed is None else int(seed)
        if self._engine is None:
            self._engine = self._make_engine(self.image_size, self.depth)
        self._view = self._engine.start(track, place, side, speed)
        self._track, self._steps, self._progress = track, 0, 0.0
        return self._view.frame, self._info(0)

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Hold the keys of an action for one step."""
        if self._engine is None or self._view is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        KART.action_text(int(action))  # raises for an action that does not exist
        before = self._view.metres
        self._view = self._engine.hold(*self._controls[int(action)])
        lap = self._engine.length
        way = (self._view.metres - before + lap / 2) % lap - lap / 2  # over the start line, too
        way = max(-MOST_METRES, min(MOST_METRES, way))
        self._progress += way
        self._steps += 1
        terminated = self._progress >= lap
        truncated = not terminated and self._steps >= self.max_steps
        return self._view.frame, PAY * way, terminated, truncated, self._info(int(action))

    def render(self) -> np.ndarray | None:
        """Return the present frame, or None without a render mode."""
        return self._view.frame if self._view is not None and self.render_mode else None

    def close(self) -> None:
        """End the race; the game itself stays in memory until the process ends."""
        if self._engine is not None:
            self._engine.close()
        self._engine = self._view = None

    @property
    def layout(self) -> np.ndarray:
        """What an explorer may know and a learner must not: the middle of the road ``(N, 2)``."""
        if self._engine is None:
            raise gym.error.ResetNeeded("call reset() first")
        return self._engine.route

    def _info(self, action: int) -> dict[str, Any]:
        assert self._view is not None
        return {
            "action_text": KART.action_text(action),
            "pose": np.array(self._view.pose, np.float32),
            "depth": self._view.depth,
            "objects": [],
            "speed": self._view.speed,
            "on_road": self._view.on_road,
            "tile": self._view.tile,
            "facts": {
                "on_road": self._view.on_road,
                "speed": round(self._view.speed, 1),
                "bend": self._view.bend,
                "top_speed": TOP_SPEED,
            },
            "source": self._track,
            "seed": self._seed,
        }


def _controls(words: str) -> tuple[float, float, float]:
    """Return steering, gas and brake of an action in words."""
    steer = float("steer right" in words) - float("steer left" in words)
    return steer, float("gas" in words), float("brake" in words)


def _import_engine() -> type[Engine]:
    try:
        from envs.kart_engine import Engine
    except ImportError as error:
        raise ImportError('the world "kart" needs pystk2: pip install "worldsim[kart]"') from error
    find_assets()
    return Engine
