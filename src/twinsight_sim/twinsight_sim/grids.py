"""Occupancy grids: the map of the hall, and the local costmap around the robot."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from twinsight_sim.drive import compose, Pose
from twinsight_sim.world import Box, World

RESOLUTION = 0.1
"""Metres a cell, of both grids."""

COSTMAP_CELLS = 60
INSCRIBED_RADIUS = 0.35
INFLATION_RADIUS = 0.9
COSTMAP_REACH = math.sqrt(0.5) * (COSTMAP_CELLS + 2) * RESOLUTION + INFLATION_RADIUS
"""From the robot, metres; what is farther off costs nothing in any cell."""

COST_SCALING = 4.0
"""Inflation as nav2's inflation layer has it: exp(-scaling × (distance - inscribed radius))."""

UNKNOWN, FREE, INSCRIBED, LETHAL = -1, 0, 99, 100


class Grid(NamedTuple):
    """``cells`` is (rows, columns) int8 from the corner ``x``, ``y`` (m), rows along +y."""

    x: float
    y: float
    cells: np.ndarray


def floor_map(world: World, margin: float = 0.5) -> Grid:
    """Return the hall as a map in ``map``: 0 free, 100 occupied, -1 outside the walls."""
    x0, y0, x1, y1 = world.bounds
    columns = round((x1 - x0 + 2 * margin) / RESOLUTION)
    rows = round((y1 - y0 + 2 * margin) / RESOLUTION)
    x, y = np.meshgrid(x0 - margin + RESOLUTION * (np.arange(columns) + 0.5),
                       y0 - margin + RESOLUTION * (np.arange(rows) + 0.5))
    cells = np.zeros((rows, columns), np.int8)
    inside = _depth_inside(world, x, y)
    cells[inside < 0.0] = LETHAL
    cells[inside < -RESOLUTION] = UNKNOWN
    for box in world.boxes:
        cells[box.distance(x, y) == 0.0] = LETHAL
    return Grid(x0 - margin, y0 - margin, cells)


def costmap(world: World, extra: tuple[Box, ...], odom_in_map: Pose, robot: Pose) -> Grid:
    """
    Return the 6 × 6 m of costs around the robot, axes along ``odom``.

    :param odom_in_map: pose of ``odom`` in ``map``; the world stands in ``map``
    :param robot: pose of the robot in ``odom``; the corner snaps to whole cells
    :returns: costs 0 … 98 by distance, 99 within the inscribed radius, 100 occupied, -1
        outside the walls, on the scale of nav2's published costmaps
    """
    half = COSTMAP_CELLS // 2
    left = RESOLUTION * (math.floor(robot.x / RESOLUTION) - half)
    below = RESOLUTION * (math.floor(robot.y / RESOLUTION) - half)
    offsets = RESOLUTION * (np.arange(COSTMAP_CELLS) + 0.5)
    u, v = np.meshgrid(left + offsets, below + offsets)
    c, s = math.cos(odom_in_map.yaw), math.sin(odom_in_map.yaw)
    x, y = odom_in_map.x + c * u - s * v, odom_in_map.y + s * u + c * v
    inside = _depth_inside(world, x, y)
    near = np.maximum(inside, 0.0)
    middle = compose(odom_in_map, robot)
    for box in (*world.boxes, *extra):
        if box.distance(middle.x, middle.y) < COSTMAP_REACH:
            near = np.minimum(near, box.distance(x, y))
    costs = 98.0 * np.exp(-COST_SCALING * (near - INSCRIBED_RADIUS))
    cells = np.where(near > INFLATION_RADIUS, FREE, np.minimum(costs, 98.0)).astype(np.int8)
    cells[near <= INSCRIBED_RADIUS] = INSCRIBED
    cells[near == 0.0] = LETHAL
    cells[inside < -RESOLUTION] = UNKNOWN
    return Grid(left, below, cells)


def _depth_inside(world: World, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance to the nearest wall (m), negative outside the hall."""
    x0, y0, x1, y1 = world.bounds
    return np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))
