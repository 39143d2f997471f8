"""The way round the warehouse: straight legs, round corners, and how fast each place allows."""

from __future__ import annotations

import math
from typing import NamedTuple

STEP = 0.02
"""Distance between two samples of a route, metres."""

TOP_SPEED = 1.2
"""m/s on a straight leg."""

SIDE_ACCELERATION = 0.45
"""m/s² that a corner may cost."""

ACCELERATION = 0.6
"""m/s² along the route, planned for both speeding up and braking."""


class Place(NamedTuple):
    """A sample of the route: position (m), heading (rad), the speed allowed here (m/s)."""

    x: float
    y: float
    heading: float
    speed: float


class Route:
    """
    A closed round trip through waypoints with corners rounded to ``radius`` metres.

    The allowed speed falls to zero at the start, which is the station, and never asks for more
    than ``ACCELERATION``: one pass forward, one backward over the samples.
    """

    def __init__(self, waypoints: tuple[tuple[float, float], ...], radius: float = 0.8) -> None:
        line = _sample(_rounded(waypoints, radius))
        self.length = STEP * len(line)
        self._places = _with_speeds(line)

    def place(self, distance: float) -> Place:
        """Return the sample at this distance (m) from the start; it wraps round."""
        return self._places[int(distance / STEP) % len(self._places)]


def _rounded(waypoints: tuple[tuple[float, float], ...],
             radius: float) -> list[tuple[float, float]]:
    """Return the closed polyline whose corners, but the first, are arcs of short chords."""
    points = [waypoints[0]]
    for i in range(1, len(waypoints)):
        before, corner = waypoints[i - 1], waypoints[i]
        after = waypoints[(i + 1) % len(waypoints)]
        a_in = math.atan2(corner[1] - before[1], corner[0] - before[0])
        a_out = math.atan2(after[1] - corner[1], after[0] - corner[0])
        turn = math.remainder(a_out - a_in, 2.0 * math.pi)
        cut = radius * math.tan(abs(turn) / 2.0)
        side = math.copysign(1.0, turn)
        start = (corner[0] - cut * math.cos(a_in), corner[1] - cut * math.sin(a_in))
        centre = (start[0] - side * radius * math.sin(a_in),
                  start[1] + side * radius * math.cos(a_in))
        pieces = 24
        for k in range(pieces + 1):
            a = a_in + turn * k / pieces
            points.append((centre[0] + side * radius * math.sin(a),
                           centre[1] - side * radius * math.cos(a)))
    points.append(waypoints[0])
    return points


def _sample(points: list[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """Return x, y, heading every ``STEP`` metres along the polyline."""
    samples: list[tuple[float, float, float]] = []
    carried = 0.0
    for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
        length = math.hypot(bx - ax, by - ay)
        heading = math.atan2(by - ay, bx - ax)
        while carried < length:
            samples.append((ax + carried * math.cos(heading),
                            ay + carried * math.sin(heading), heading))
            carried += STEP
        carried -= length
    return samples


def _with_speeds(line: list[tuple[float, float, float]]) -> list[Place]:
    count, window = len(line), 5
    speeds = []
    for i in range(count):
        turn = math.remainder(line[(i + window) % count][2] - line[i - window][2], 2.0 * math.pi)
        curvature = abs(turn) / (2 * window * STEP)
        speeds.append(min(TOP_SPEED, math.sqrt(SIDE_ACCELERATION / max(curvature, 1e-6))))
    gain = 2.0 * ACCELERATION * STEP
    speeds[0] = math.sqrt(gain)
    for i in range(1, count):
        speeds[i] = min(speeds[i], math.sqrt(speeds[i - 1] ** 2 + gain))
    ahead = 0.0
    for i in range(count - 1, -1, -1):
        ahead = speeds[i] = min(speeds[i], math.sqrt(ahead ** 2 + gain))
    return [Place(x, y, heading, speed)
            for (x, y, heading), speed in zip(line, speeds, strict=True)]
