"""The warehouse: boxes on a floor between four walls, seen from above as line segments."""

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

    def distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the distance (m) from points of any shape to the box, 0 inside it."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        u = np.abs(c * (x - self.x) + s * (y - self.y)) - self.length / 2
        v = np.abs(c * (y - self.y) - s * (x - self.x)) - self.width / 2
        return np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0))


class Segments(NamedTuple):
    """
    Faces seen from above, one row a face, each with its front on the right of its direction.

    ``ends`` is (S, 4): x0, y0, x1, y1 in metres; ``look`` is (S,) integers, ``low`` (S,)
    booleans, ``length`` (m) and ``light`` (0 … 1, how much the face gets) are (S,) floats.
    """

    ends: np.ndarray
    look: np.ndarray
    low: np.ndarray
    length: np.ndarray
    light: np.ndarray

    def facing(self, x: float, y: float) -> Segments:
        """Return the faces whose front is seen from a place (m): no other can be nearest."""
        ax, ay, bx, by = self.ends.T
        front = (ax - x) * (by - ay) < (ay - y) * (bx - ax)
        return Segments(*(column[front] for column in self))


@dataclass(frozen=True)
class World:
    """Walls around ``bounds`` (x_min, y_min, x_max, y_max in metres) and the boxes between."""

    bounds: tuple[float, float, float, float]
    boxes: tuple[Box, ...] = ()

    @cached_property
    def segments(self) -> Segments:
        """Every face of the standing world: the four walls first, then the boxes."""
        x0, y0, x1, y1 = self.bounds
        # A negative width turns the box inside out: the fronts of the walls look inwards.
        room = Box((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y0 - y1, WALL)
        return box_segments((room, *self.boxes))

    def segments_with(self, extra: tuple[Box, ...]) -> Segments:
        """Return the faces of the standing world and of boxes that came later."""
        if not extra:
            return self.segments
        more = box_segments(extra)
        return Segments(*(np.concatenate(pair)
                          for pair in zip(self.segments, more, strict=True)))


def box_segments(boxes: tuple[Box, ...]) -> Segments:
    """Return the four faces of each box."""
    ends, look, low = [], [], []
    for box in boxes:
        corners = box.corners()
        for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
            ends.append((ax, ay, bx, by))
            look.append(box.look)
            low.append(box.low)
    array = np.array(ends)
    run, rise = array[:, 2] - array[:, 0], array[:, 3] - array[:, 1]
    length = np.hypot(run, rise)
    return Segments(array, np.array(look), np.array(low), length,
                    0.78 + 0.22 * np.abs(run) / length)


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
