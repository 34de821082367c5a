"""SuperTuxKart as a camera behind one kart: hold controls, get a picture, depth and a pose.

Importing this file needs pystk2. It knows nothing of keys, words or splits. The game exists once
in a process and cannot be started twice, so the engine that was started last drives in it.
"""

from __future__ import annotations

import math
import os
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pystk2
from PIL import Image

from envs.drive import TILE
from envs.mesa import without_slow_filter
from envs.roads import bend, evenly
from worldsim.errors import WorldsimError
from worldsim.kart_assets import assets_in_place

SCREEN = 192  # pixels of the square that the game draws; pictures are means of its pixels
STEPS_PER_SECOND = 15.0
MOST_WARM_UP = 400  # steps until a race has begun
SETTLE = 6  # steps after a kart was put down
NEAR = 1.0  # metres, of the game's camera (`Camera::Camera` of its source)


@dataclass
class Glimpse:
    """What is seen and true at one moment."""

    frame: np.ndarray  # uint8 (S, S, 3)
    depth: np.ndarray | None  # float32 (S, S) metres along the view
    pose: tuple[float, float, float]  # metres, metres, degrees counter-clockwise
    speed: float  # metres a second
    on_road: bool
    tile: int  # of the route
    bend: int  # degrees
    metres: float  # along the route, from its beginning


class _Game:
    """The running game; what it draws is read by whichever engine drives."""

    def __init__(self) -> None:
        # Without a desktop session a library complains that there is none.
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
        config = pystk2.GraphicsConfig.ld()
        config.screen_width = config.screen_height = SCREEN
        config.display = False
        with without_slow_filter(), assets_in_place() as self.assets:
            pystk2.init(config)
        self.driver: object | None = None
        self.race: Any = None
        self.track = ""

    def load(self, track: str) -> Any:
        """Return the race of a track, at its very beginning."""
        if track == self.track:
            self.race.restart()
            return self.race
        self.stop()
        config = pystk2.RaceConfig()
        config.track, config.overlay, config.num_kart, config.laps = track, False, 1, 1000
        config.step_size = 1.0 / STEPS_PER_SECOND
        config.players[0].controller = pystk2.PlayerConfig.Controller.PLAYER_CONTROL
        config.players[0].kart = "tux"
        self.race = pystk2.Race(config)
        self.race.start()
        self.track = track
        return self.race

    def stop(self) -> None:
        """End the race, if there is one."""
        if self.race is not None:
            self.race.stop()
        self.race, self.track = None, ""


_game: _Game | None = None


class Engine:
    """Drives one kart on one track after another.

    Args:
        image_size: Side of the picture in pixels.
        depth: Whether to measure depth, too.

    Raises:
        WorldsimError: The tracks are missing.
    """

    def __init__(self, image_size: int, depth: bool) -> None:
        """Start the game, if it does not run yet."""
        global _game
        self._size, self._deep = image_size, depth
        self._game = _game = _game or _Game()
        self._world, self._action = pystk2.WorldState(), pystk2.Action()

    def start(self, track: str, place: float, side: float, speed: float) -> Glimpse:
        """Put the kart down somewhere.

        Args:
            track: Name of the game's.
            place: Share of the way around it, 0 to 1.
            side: Share of the road's width, from the middle to the left, -0.5 to 0.5.
            speed: Metres a second.
        """
        self._game.driver = self
        race = self._game.load(track)
        self._hold(0.0, 0.0, 0.0)
        for _ in range(MOST_WARM_UP):
            race.step(self._action)
            self._world.update()
            if self._world.phase == pystk2.WorldState.Phase.RACE_PHASE:
                break
        self._far = _camera_far(self._game.assets / "tracks" / track / "scene.xml")
        way, width = _way()
        self._way = evenly(way, TILE)
        at = int(place * len(way)) % len(way)
        ahead = way[(at + 1) % len(way)] - way[at]
        yaw = math.atan2(ahead[0], ahead[2])  # from z to x, as the game turns
        left = np.array([-math.cos(yaw), 0.0, math.sin(yaw)]) * side * width[at]
        where = way[at] + left + np.array([0.0, 0.5, 0.0])
        turned = (0.0, math.sin(yaw / 2), 0.0, math.cos(yaw / 2))
        pystk2.WorldState.set_kart_location(0, tuple(map(float, where)), turned, speed)
        for _ in range(SETTLE):
            race.step(self._action)
        return self._look()

    def hold(self, steer: float, gas: float, brake: float) -> Glimpse:
        """Hold the controls for a step; steering is -1 for left to 1 for right.

        Raises:
            WorldsimError: Another engine was started meanwhile.
        """
        if self._game.driver is not self:
            raise WorldsimError(
                "another env drives the game of the world 'kart', which runs once in a process: "
                "reset() this one again, or use a process for each"
            )
        self._hold(steer, gas, brake)
        self._game.race.step(self._action)
        return self._look()

    @property
    def route(self) -> np.ndarray:
        """Middle of the road, float ``(N, 2)``, in driving direction; its end meets its start."""
        return self._way[:, [0, 2]]

    @property
    def length(self) -> float:
        """Metres of a lap."""
        return len(self._way) * TILE

    def close(self) -> None:
        """End the race, if it is still this engine's."""
        if self._game.driver is self:
            self._game.stop()
            self._game.driver = None

    def _hold(self, steer: float, gas: float, brake: float) -> None:
        self._action.steer, self._action.acceleration = steer, gas
        self._action.brake = brake > 0

    def _look(self) -> Glimpse:
        self._world.update()
        kart, drawn = self._world.karts[0], self._game.race.render_data[0]
        here, front = np.array(kart.location), np.array(kart.front)
        x, _, z = here
        yaw = math.degrees(math.atan2(front[2] - z, front[0] - x)) % 360.0
        tile = int(((self._way - here) ** 2).sum(axis=1).argmin())
        picture = Image.fromarray(np.array(drawn.image))
        picture = picture.resize((self._size, self._size), Image.Resampling.BOX)
        return Glimpse(
            frame=np.asarray(picture),
            depth=self._depth(np.array(drawn.depth)) if self._deep else None,
            pose=(float(x), float(z), yaw),
            speed=float(np.linalg.norm(np.array(kart.velocity))),
            on_road=bool(kart.is_on_road),
            tile=tile,
            bend=bend(self.route, tile),
            metres=self._along(here, tile),
        )

    def _along(self, here: np.ndarray, tile: int) -> float:
        """Return the metres to a place; the game itself loses count of a kart put down."""
        ahead = self._way[(tile + 1) % len(self._way)] - self._way[tile - 1]
        beyond = (here - self._way[tile]) @ ahead / max(1e-6, float(np.linalg.norm(ahead)))
        return TILE * tile + float(np.clip(beyond, -TILE / 2, TILE / 2))

    def _depth(self, drawn: np.ndarray) -> np.ndarray:
        """Turn what the depth buffer holds into metres, at the size of the picture."""
        at = ((np.arange(self._size) + 0.5) * SCREEN / self._size).astype(int)
        return NEAR * self._far / (self._far - drawn[np.ix_(at, at)] * (self._far - NEAR))


def _way() -> tuple[np.ndarray, np.ndarray]:
    """Return the middle ``(N, 3)`` and width ``(N,)`` of the road, once around; forks go first."""
    track = pystk2.Track()
    track.update()
    nodes, width = np.array(track.path_nodes), np.array(track.path_width).reshape(-1)
    order, node = [], 0
    while node not in order:
        order.append(node)
        node = int(track.successors[node][0])
    return nodes[order].mean(axis=1), width[order]


def _camera_far(scene: Path) -> float:
    camera = ElementTree.parse(scene).getroot().find("camera")  # noqa: S314  (the game's own file)
    return float(camera.get("far", 1000.0)) if camera is not None else 1000.0
