"""Gymnasium's CarRacing, drawn once a step, in square pixels and without its instruments.

Importing this file needs Box2D. It knows nothing of keys, words or splits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium.envs.box2d.car_racing import CarRacing

from envs.roads import bend

TICKS_PER_STEP = 3  # of 50 a second
ZOOM_TICKS = 51  # the camera zooms in during the first second
SQUARE = (150, 0, 700, 700)  # of the 1000 x 800 drawn: the middle, above the instruments


class Engine(CarRacing):
    """One drive on one track.

    Args:
        image_size: Side of the picture in pixels.
        painted: Road and grass have random colours.
    """

    def __init__(self, image_size: int, painted: bool) -> None:
        """Prepare; `start` builds the track."""
        self._size, self._drawing = (image_size, image_size), False
        super().__init__(domain_randomize=painted)

    def start(self, seed: int) -> np.ndarray:
        """Build the track of a seed, wait until the camera is close, and return the picture."""
        self.reset(seed=seed)
        for _ in range(ZOOM_TICKS):
            self.step(np.zeros(3))
        return self._draw()

    def hold(self, controls: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """Hold steering, gas and brake for a step.

        Returns:
            The picture, the reward, and whether the drive is over: a lap done, or off the field.
        """
        reward, over = 0.0, False
        for _ in range(TICKS_PER_STEP):
            _, tick_reward, over, _, _ = self.step(controls)
            reward += float(tick_reward)
            if over:
                break
        return self._draw(), reward, over

    @property
    def pose(self) -> tuple[float, float, float]:
        """Position in the simulator's units and heading in degrees, counter-clockwise."""
        assert self.car is not None
        x, y = self.car.hull.position
        return float(x), float(y), math.degrees(self.car.hull.angle + math.pi / 2) % 360.0

    @property
    def speed(self) -> float:
        """Units a second."""
        assert self.car is not None
        return float(math.hypot(*self.car.hull.linearVelocity))

    @property
    def on_road(self) -> bool:
        """Whether at least one wheel is on the road."""
        assert self.car is not None
        return any(wheel.tiles for wheel in self.car.wheels)

    @property
    def route(self) -> np.ndarray:
        """Middle of the road, float ``(N, 2)``, in driving direction; its end meets its start."""
        return np.array([tile[2:4] for tile in self.track])

    @property
    def tile(self) -> int:
        """The point of the route that is nearest."""
        return int(((self.route - self.pose[:2]) ** 2).sum(axis=1).argmin())

    @property
    def bend(self) -> int:
        """By how many degrees the road turns from here to ten tiles on, left positive."""
        return bend(self.route, self.tile)

    def _draw(self) -> np.ndarray:
        """Return the picture as uint8 ``(H, W, 3)``."""
        self._drawing = True
        super()._render("state_pixels")
        self._drawing = False
        drawn: Any = self.surf
        return np.ascontiguousarray(self._create_image_array(drawn.subsurface(SQUARE), self._size))

    def _render(self, mode: str) -> Any:
        """Draw nothing on the ticks between: drawing is what costs."""
        return super()._render(mode) if self._drawing else None
