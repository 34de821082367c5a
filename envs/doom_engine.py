"""The part of the `doom` world that talks to ViZDoom: starting a map, one step, what is seen.

It knows nothing of Gymnasium, rewards or words. One engine is one child process of ViZDoom; it
is started once and then changes maps in about ten milliseconds.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from envs.doom_map import Maze
from envs.doom_style import NAMED, NAMED_IN_TASKS, SPHERE
from envs.doom_task import Task
from envs.doom_udmf import maze_text, read_things, write_wad
from worldsim.errors import WorldsimError

TICS_PER_STEP = 2  # of 35 a second
TURN_DEGREES = 6.0  # per step
MAZE_MAP = "MAZE"
# Room for the largest maze (about 170 kB): with one size, every maze lies at the same place of
# the WAD file, which is why a running engine can be given the next maze by overwriting it.
MAZE_BYTES = 1 << 18
FIELD_OF_VIEW = 106  # of the 4:3 picture; its middle square then shows 90 degrees
SETTLE_TICS = 8  # for the field of view, a warp and the view height to come to rest
# Map units per count of the depth buffer at this field of view, measured; it ends at 558 units.
DEPTH_UNITS = 5.45
HIDDEN = (
    *("hud", "minimal_hud", "weapon", "crosshair", "decals", "particles"),
    *("effects_sprites", "messages", "screen_flashes"),
)
# Where a thing of these types lies, one can stand: players' starts and things to pick up. Solid
# things would block, and monsters often wait in closed boxes.
START_TYPES = {1, 2, 3, 4, 11, 17, 2001, 2002, 2003, 2007, 2008, 2010, 2011, 2012, 2014, 2015}
# Freedoom is a dark place: brighten what the engine shows by a gamma curve.
GAMMA = 1.3
BRIGHTER = np.rint(255 * (np.arange(256) / 255) ** (1 / GAMMA)).astype(np.uint8)


@dataclass
class View:
    """What the engine shows after a step.

    Attributes:
        frame: uint8 `(size, size, 3)`.
        pose: x and y in map units, yaw in degrees from east, counter-clockwise, 0 to 360.
        depth: float32 `(size, size)` map units along the view, ending at 558, or None where not
            asked for.
        objects: Named things in the picture, the nearest first.
        messages: What the engine said, such as which thing was picked up.
        over: The engine ended the map (an exit, or death).
        reward: Of a task, since the last view.
    """

    frame: np.ndarray
    pose: tuple[float, float, float]
    depth: np.ndarray | None
    objects: list[dict[str, Any]]
    messages: list[str]
    over: bool
    reward: float = 0.0


class DoomEngine:
    """ViZDoom with Freedoom, set up so that a square picture of `image_size` comes out.

    Args:
        image_size: Side of the picture in pixels.
        depth: Whether to measure depth.
        task: One of ViZDoom's scenarios, which is then all that this engine plays; None for
            mazes and maps.

    Raises:
        ImportError: ViZDoom is not installed.
        WorldsimError: `image_size` is not between 16 and 256.
    """

    def __init__(self, image_size: int, depth: bool, task: Task | None = None) -> None:
        """Prepare; the child process starts with the first map."""
        if not 16 <= int(image_size) <= 256:
            raise WorldsimError(f"image_size {image_size} is out of range: use 16 to 256")
        self._vizdoom = _import_vizdoom()
        self.image_size, self.with_depth, self.task = int(image_size), depth, task
        # Three engine pixels per picture pixel and direction: walls do not shimmer.
        self._height = 192 if image_size <= 64 else 384
        self._game: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None  # goes at exit at the latest
        self._last: View | None = None

    @property
    def wad(self) -> Path:
        """The Freedoom WAD that comes with ViZDoom."""
        return Path(self._vizdoom.__file__).parent / "freedoom2.wad"

    def starts(self, map_name: str) -> list[tuple[int, int, int]]:
        """Return (x, y, angle) of the places of a Freedoom map where one can stand."""
        things = read_things(self.wad, map_name)
        return [(x, y, a) for x, y, a, kind in things if kind in START_TYPES]

    def start_maze(self, maze: Maze, x: float, y: float, angle: int, seed: int) -> View:
        """Begin an episode in a maze, standing at (x, y) and facing `angle` degrees."""
        game = self._start()
        text = maze_text(maze, x, y, angle)
        if len(text) > MAZE_BYTES:
            raise WorldsimError(f"maze {maze.seed} needs {len(text)} bytes: use another seed")
        write_wad(self._wad_file(), text, MAZE_MAP, MAZE_BYTES)
        self._new_episode(game, MAZE_MAP, seed)
        return self._settle(game)

    def start_map(self, name: str, start: tuple[int, int, int] | None, seed: int) -> View:
        """Begin an episode on a Freedoom map at a start of `starts`, or at the player's own."""
        game = self._start()
        self._new_episode(game, name, seed)
        if start is not None:
            game.send_game_command(f"warp {start[0]} {start[1]}")
            # the engine ignores the very first input of an episode, hence one tic before the turn
            game.make_action([0, 0, 0, 0, 0], 1)
            yaw = game.get_state().game_variables[2]
            game.make_action([0, 0, 0, 0, -((start[2] - yaw + 180) % 360 - 180)], 1)
        return self._settle(game)

    def start_task(self, seed: int) -> View:
        """Begin an episode of the task."""
        game = self._start()
        self._new_episode(game, "map01", seed)
        return self._settle(game)

    def step(self, buttons: list[float]) -> View:
        """Hold forward, back, left, right (0 or 1) and turn (degrees a tic, right is positive)."""
        reward = self._game.make_action(buttons, TICS_PER_STEP)
        view = self._look()
        view.reward = float(reward)
        return view

    def command(self, text: str) -> None:
        """Send a console command; it takes effect with the next step."""
        self._game.send_game_command(text)

    def health(self) -> float:
        """Return the player's health, 100 at the start."""
        return self._game.get_game_variable(self._vizdoom.GameVariable.HEALTH)

    def close(self) -> None:
        """End the child process and remove its files."""
        if self._game is not None:
            self._game.close()
            self._game = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _wad_file(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "maze.wad"

    def _start(self) -> Any:
        """Return the running game, starting the child process if there is none."""
        if self._game is not None and self._game.is_running():
            return self._game
        self.close()
        self._folder = tempfile.TemporaryDirectory(
            prefix="worldsim-doom-", ignore_cleanup_errors=True
        )
        write_wad(self._wad_file(), "", MAZE_MAP, MAZE_BYTES)
        vizdoom = self._vizdoom
        game = vizdoom.DoomGame()
        game.set_doom_config_path(str(Path(self._folder.name, "vizdoom.ini")))
        game.set_doom_game_path(str(self.wad))
        game.set_doom_map("map01")
        self._choose(game)
        width = 256 if self._height == 192 else 512
        resolution = getattr(vizdoom.ScreenResolution, f"RES_{width}X{self._height}")
        game.set_screen_resolution(resolution)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        for name in HIDDEN:
            getattr(game, f"set_render_{name}")(False)
        game.set_labels_buffer_enabled(True)
        game.set_depth_buffer_enabled(self.with_depth)
        game.set_notifications_buffer_enabled(True)
        button, variable = vizdoom.Button, vizdoom.GameVariable
        moves = [button.MOVE_FORWARD, button.MOVE_BACKWARD, button.MOVE_LEFT, button.MOVE_RIGHT]
        game.set_available_buttons([*moves, button.TURN_LEFT_RIGHT_DELTA])
        game.set_available_game_variables(
            [variable.POSITION_X, variable.POSITION_Y, variable.ANGLE]
        )
        # No view bobbing: it depends on the engine's clock, which no picture shows.
        game.add_game_args("+movebob 0 +cl_showsecretmessage 0")
        game.set_episode_timeout(0)
        game.set_mode(vizdoom.Mode.PLAYER)
        # The engine leaves a folder where it starts; let that be ours.
        with contextlib.chdir(self._folder.name):
            game.init()
        self._game = game
        return game

    def _choose(self, game: Any) -> None:
        """Set the game to the task, or to mazes and maps without monsters."""
        if self.task is None:
            game.set_doom_scenario_path(str(self._wad_file()))
            game.set_doom_skill(1)
            game.add_game_args("-nomonsters")
            return
        game.set_doom_scenario_path(str(self.wad.parent / "scenarios" / self.task.wad))
        game.set_doom_skill(self.task.skill)
        game.set_living_reward(self.task.living_reward)
        game.set_death_penalty(self.task.death_penalty)

    def _new_episode(self, game: Any, map_name: str, seed: int) -> None:
        game.set_seed(seed % (1 << 31))
        game.set_doom_map(map_name)
        game.new_episode()
        game.send_game_command(f"fov {FIELD_OF_VIEW}")

    def _settle(self, game: Any) -> View:
        for _ in range(SETTLE_TICS):
            game.make_action([0, 0, 0, 0, 0], 1)
        self._last = None
        view = self._look()
        view.messages = []  # whatever lay where the episode begins is no event of the episode
        return view

    def _look(self) -> View:
        state = self._game.get_state()
        if state is None or self._game.is_player_dead():
            if self._last is None:
                raise WorldsimError("the map ended before the first step: use another start")
            last = self._last
            return View(last.frame, last.pose, last.depth, last.objects, [], True)
        left = (state.screen_buffer.shape[1] - self._height) // 2
        square = np.ascontiguousarray(state.screen_buffer[:, left : left + self._height])
        size = (self.image_size, self.image_size)
        small = Image.fromarray(square).resize(size, Image.Resampling.BOX)
        frame = BRIGHTER[np.asarray(small)]
        x, y, yaw = (float(value) for value in state.game_variables[:3])
        depth = self._depth(state.depth_buffer, left) if self.with_depth else None
        said = (state.notifications_buffer or "").splitlines()
        objects = self._objects(state.labels, left, x, y)
        self._last = View(frame, (x, y, yaw % 360.0), depth, objects, said, False)
        return self._last

    def _depth(self, buffer: np.ndarray, left: int) -> np.ndarray:
        at = ((np.arange(self.image_size) + 0.5) * self._height / self.image_size).astype(int)
        counts = buffer[np.ix_(at, at + left)].astype(np.float32)
        return (counts + 0.5) * np.float32(DEPTH_UNITS)

    def _objects(self, labels: Any, left: int, x: float, y: float) -> list[dict[str, Any]]:
        """Describe the named things in the square, boxes (x0, y0, x1, y1) in picture pixels."""
        scale, found = self.image_size / self._height, []
        named = NAMED_IN_TASKS if self.task is not None else NAMED
        for label in labels:
            kind = named.get(label.object_name)
            x0 = max(0.0, (label.x - left) * scale)
            x1 = min(float(self.image_size), (label.x + label.width - left) * scale)
            if kind is None or x1 <= x0:
                continue
            place = (float(label.object_position_x), float(label.object_position_y))
            found.append(
                {
                    "name": kind.name,
                    "colour": kind.colour,
                    "pickup": kind.pickup,
                    "exit": kind is SPHERE,
                    "bbox": (x0, label.y * scale, x1, (label.y + label.height) * scale),
                    "distance": float(np.hypot(place[0] - x, place[1] - y)),
                    "position": place,
                }
            )
        return sorted(found, key=lambda item: item["distance"])


def _import_vizdoom() -> Any:
    try:
        import vizdoom
    except ImportError as error:
        raise ImportError(
            'the world "doom" needs ViZDoom: run pip install "worldsim[doom]"'
        ) from error
    if not hasattr(vizdoom.DoomGame, "set_notifications_buffer_enabled"):
        raise ImportError(
            f'the world "doom" needs ViZDoom 1.3 or newer, not {vizdoom.__version__}: '
            'run pip install --upgrade "worldsim[doom]"'
        )
    return vizdoom
