"""The part of the `rooms` world that talks to MiniWorld: building a place, moving, what is seen.

Importing this file needs MiniWorld. It knows nothing of Gymnasium's life cycle, rewards or words.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyglet
from PIL import Image

from envs.mesa import without_slow_filter
from envs.rooms_map import DUCK, Kind, Layout, make_layout

# No window and no display, also on a machine that has one; to be said before anything is drawn.
pyglet.options["headless"] = True

with without_slow_filter():  # the import starts OpenGL
    from miniworld.entity import COLORS, Ball, Box, Entity, Key, MeshEnt
    from miniworld.miniworld import MiniWorldEnv
    from miniworld.params import DEFAULT_PARAMS

MESHES = {
    "duck": "duckie",
    "medkit": "medkit",
    "potion": "potion",
    "barrel": "barrel",
    "cone": "cone",
    "chair": "office_chair",
    "desk": "office_desk",
    "tree": "tree",
}
FINER = 2  # engine pixels per picture pixel and direction, beside the engine's own smoothing
NEAR, FAR = 0.04, 100.0  # metres that the depth buffer spans
REACH = 0.25  # metres from touching at which a thing is taken


def _read_rgba(path: str) -> Any:
    """Read a picture as pyglet would, whose own conversion to RGBA takes seconds each."""
    with Image.open(path) as picture:
        rows = picture.convert("RGBA").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return pyglet.image.ImageData(*rows.size, "RGBA", rows.tobytes())


pyglet.image.load = _read_rgba  # MiniWorld loads its textures by this name
assert set(COLORS) == {"red", "green", "blue", "purple", "yellow", "grey"}


@dataclass
class View:
    """What is seen after a step.

    Attributes:
        frame: uint8 `(size, size, 3)`.
        pose: x and y in metres, yaw in degrees from east, counter-clockwise, 0 to 360.
        depth: float32 `(size, size)` metres along the view, up to 100.
        objects: Named things in the picture, the nearest first.
        taken: What was taken with this step.
    """

    frame: np.ndarray
    pose: tuple[float, float, float]
    depth: np.ndarray
    objects: list[dict[str, Any]]
    taken: list[Kind]


class Engine(MiniWorldEnv):
    """MiniWorld, set up so that a square picture of 90 degrees comes out.

    Args:
        image_size: Side of the picture in pixels.
    """

    # MiniWorld keeps the walls of every env in one and the same display list of the process.
    _last_drawn: ClassVar[Engine | None] = None

    def __init__(self, image_size: int) -> None:
        """Open the renderer; a place is built by `start`."""
        self.image_size, self.layout = image_size, make_layout(0)
        self._start = (*self.layout.centre((0, 0)), 0.0)
        self._kinds: dict[Entity, Kind] = {}
        params = DEFAULT_PARAMS.copy()
        params.set("cam_fov_y", 90, 90, 90)
        params.set("cam_pitch", 0, 0, 0)
        side = FINER * image_size
        with contextlib.redirect_stdout(None):  # it prints what the driver cannot do
            super().__init__(
                obs_width=side,
                obs_height=side,
                window_width=16,
                window_height=16,
                params=params,
                domain_rand=True,
            )

    def start(self, layout: Layout, start: tuple[float, float, float], seed: int) -> View:
        """Begin in a place, standing at (x, y) and facing `yaw` degrees.

        Args:
            layout: The place.
            start: Where, in metres and degrees.
            seed: Decides light, shades of colours, heights: what MiniWorld makes random.
        """
        self.layout, self._start = layout, start
        self.reset(seed=seed)
        return self._look([])

    def move(self, ahead: float, left: float, turn: float) -> View:
        """Turn by degrees, then walk by metres, sliding along what is in the way."""
        self.turn_agent(turn)
        if (ahead or left) and not self.move_agent(ahead, -left):
            self._slide(ahead, left)
        return self._look(self._take())

    def _slide(self, ahead: float, left: float) -> None:
        """Walk as far east or north as there is room."""
        way = ahead * self.agent.dir_vec - left * self.agent.right_vec
        for axis in (0, 2):
            there = self.agent.pos.copy()
            there[axis] += way[axis]
            if not self.intersect(self.agent, there, self.agent.radius):
                self.agent.pos = there

    def _take(self) -> list[Kind]:
        """Remove the things that are picked up where one stands."""
        taken = []
        for entity, kind in list(self._kinds.items()):
            apart = float(np.hypot(*(entity.pos - self.agent.pos)[[0, 2]]))
            if kind.pickup and apart < entity.radius + self.agent.radius + REACH:
                self.entities.remove(entity)
                del self._kinds[entity]
                taken.append(kind)
        if taken:
            self._render_static()
        return taken

    def _look(self, taken: list[Kind]) -> View:
        large = self.render_obs()
        small = Image.fromarray(large).resize((self.image_size,) * 2, Image.Resampling.BOX)
        depth = self.obs_fb.get_depth_map(NEAR, FAR)[FINER // 2 :: FINER, FINER // 2 :: FINER, 0]
        x, _, z = (float(value) for value in self.agent.pos)
        pose = (x, -z, math.degrees(self.agent.dir) % 360.0)
        return View(np.asarray(small), pose, depth, self._objects(depth), taken)

    def _objects(self, depth: np.ndarray) -> list[dict[str, Any]]:
        """Describe the things that depth does not hide, boxes (x0, y0, x1, y1) in pixels."""
        size, eye = self.image_size, self.agent.cam_pos
        found = []
        for entity, kind in self._kinds.items():
            away = entity.pos - eye
            ahead = float(away @ self.agent.dir_vec)
            right = float(away @ self.agent.right_vec)
            if ahead < 0.3:
                continue
            half = size / 2
            x0, x1 = (half + half * (right + side * entity.radius) / ahead for side in (-1, 1))
            y0, y1 = (half - half * (away[1] + up) / ahead for up in (entity.height, 0.0))
            box = tuple(float(np.clip(value, 0, size)) for value in (x0, y0, x1, y1))
            if box[2] - box[0] < 1 or box[3] - box[1] < 1:
                continue
            inside = depth[int(box[1]) : math.ceil(box[3]), int(box[0]) : math.ceil(box[2])]
            # in sight where some of the box is as near as the thing; keys are mostly holes
            shown = np.abs(inside - ahead) < entity.radius + 0.1
            if shown.mean() < 0.06:
                continue
            found.append(
                {
                    "name": kind.name,
                    "colour": kind.colour,
                    "pickup": kind.pickup,
                    "exit": kind is DUCK,
                    "bbox": box,
                    "distance": float(np.hypot(away[0], away[2])),
                    "position": (float(entity.pos[0]), -float(entity.pos[2])),
                }
            )
        return sorted(found, key=lambda item: item["distance"])

    def _gen_world(self) -> None:
        """Build rooms, doors and things of the layout; MiniWorld's z points south."""
        layout = self.layout
        half, rooms = layout.cell_size / 2, {}
        for cell in layout.cells:
            x, y = layout.centre(cell)
            rooms[cell] = self.add_rect_room(
                min_x=x - half,
                max_x=x + half,
                min_z=-y - half,
                max_z=-y + half,
                wall_tex=layout.wall_of[cell],
                floor_tex=layout.floor_of[cell],
                ceil_tex=layout.ceiling or "concrete_tiles",
                no_ceiling=layout.ceiling is None,
                wall_height=layout.height,
            )
        wide = half if layout.door is None else layout.door / 2
        top = None if layout.door is None else min(2.2, layout.height)
        for here, there in layout.openings():
            x, y = layout.centre(here)
            across = here[0] == there[0]  # neighbours to the north share a wall along x
            span = {"min_x": x - wide, "max_x": x + wide}
            if not across:
                span = {"min_z": -y - wide, "max_z": -y + wide}
            self.connect_rooms(rooms[here], rooms[there], **span, max_y=top)
        self._kinds = {}
        for number, thing in enumerate(layout.things):
            entity = self.place_entity(
                _entity(thing.kind), pos=np.array([thing.x, 0.0, -thing.y]), dir=number * 0.7
            )
            self._kinds[entity] = thing.kind
        x, y, yaw = self._start
        self.place_agent(pos=np.array([x, 0.0, -y]), dir=math.radians(yaw))

    def _render_static(self) -> None:
        """Compile the walls, and remember whose they are."""
        super()._render_static()
        Engine._last_drawn = self

    def _render_world(self, frame_buffer: Any, render_agent: bool) -> np.ndarray:
        """Draw, with our own walls even where another env drew in between."""
        if Engine._last_drawn is not self:
            self._render_static()
        return super()._render_world(frame_buffer, render_agent)


def _entity(kind: Kind) -> Entity:
    """Return MiniWorld's thing of a kind, of the size that the layout reckons with."""
    if kind.name == "box":
        entity: Entity = Box(kind.colour, kind.height)
    elif kind.name == "ball":
        entity = Ball(kind.colour, kind.height)
    elif kind.name == "key":
        entity = Key(kind.colour)
    else:
        entity = MeshEnt(MESHES[kind.name], kind.height)
    entity.radius = min(entity.radius, kind.radius)
    return entity
