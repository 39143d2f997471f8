"""The warehouse: boxes on a floor between four walls, and the faces that they show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math
from typing import NamedTuple

import numpy as np

CEILING, LOW_HEIGHT = 3.0, 1.0
"""Metres. A box reaches up to the ceiling, as the racks do, or is low enough to look over."""

RACKS, WALL, DOCK, PALLET = (0, 1, 2), 3, 4, 5
"""Looks of a box, as the camera paints them: racks in three colours, and so on."""


class Box(NamedTuple):
    """A box on the floor: centre and size in metres, yaw in radians, in the frame ``map``."""

    x: float
    y: float
    length: float
    width: float
    look: int
    yaw: float = 0.0

    @property
    def low(self) -> bool:
        """Say whether one can look over it."""
        return self.look in (DOCK, PALLET)

    def corners(self) -> list[tuple[float, float]]:
        """Return the four corners (m), counter-clockwise."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        half = [(sx * self.length / 2, sy * self.width / 2)
                for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return [(self.x + c * u - s * v, self.y + s * u + c * v) for u, v in half]

    def distance(self, x: float | np.ndarray, y: float | np.ndarray) -> np.ndarray:
        """Return the distance (m) from points of any shape to the box, 0 inside it."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        u = np.abs(c * (x - self.x) + s * (y - self.y)) - self.length / 2
        v = np.abs(c * (y - self.y) - s * (x - self.x)) - self.width / 2
        return np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0))


FACE_COLUMNS = 8
"""Of an array of faces, one a row: the ends a and b as seen from above (x, y, x, y in metres,
``map``), look, 1 for low or 0, length (m), and light (0 … 1, how much the face gets). The front
is on the right of the way from a to b."""


@dataclass(frozen=True)
class World:
    """Walls around ``bounds`` (x_min, y_min, x_max, y_max in metres) and the boxes between."""

    bounds: tuple[float, float, float, float]
    boxes: tuple[Box, ...] = ()

    @cached_property
    def faces(self) -> np.ndarray:
        """Every face of the standing world, (S, 8): the four walls first, then the boxes."""
        x0, y0, x1, y1 = self.bounds
        # A negative width turns the box inside out: the fronts of the walls look inwards.
        room = Box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y0 - y1, WALL)
        return faces_of((room, *self.boxes))

    def faces_with(self, extra: tuple[Box, ...]) -> np.ndarray:
        """Return the faces of the standing world and of boxes that came later."""
        return np.concatenate((self.faces, faces_of(extra))) if extra else self.faces


def faces_of(boxes: tuple[Box, ...]) -> np.ndarray:
    """Return the four faces of each box; columns as ``FACE_COLUMNS`` says."""
    faces = []
    for box in boxes:
        corners = box.corners()
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            length = math.hypot(bx - ax, by - ay)
            light = 0.78 + 0.22 * abs(bx - ax) / length
            faces.append((ax, ay, bx, by, box.look, box.low, length, light))
    return np.array(faces, float)


def obstacle(x: float, y: float, yaw: float) -> Box:
    """Return the pallet that stands in the robot's way."""
    return Box(x, y, 0.8, 0.8, PALLET, yaw)


def warehouse() -> World:
    """Return a hall of 20 × 12 m: six racks in three rows, four aisles and a charging dock."""
    racks = tuple(
        Box(x, y, 5.5, 1.0, look)
        for look, y in zip(RACKS, (-3.0, 0.0, 3.0), strict=True)
        for x in (-3.75, 3.75)
    )
    dock = Box(-7.0, -5.75, 0.9, 0.4, DOCK)
    return World((-10.0, -6.0, 10.0, 6.0), (*racks, dock))


WAYPOINTS = (
    (-7.0, -4.75), (0.0, -4.75), (0.0, -1.5), (8.0, -1.5), (8.0, 1.5),
    (0.0, 1.5), (0.0, 4.75), (-8.0, 4.75), (-8.0, -4.75),
)
"""The round trip in ``map`` (m): it starts and ends beside the dock."""
