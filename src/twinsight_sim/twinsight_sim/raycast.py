"""Ray against line segment, every ray with every segment at once."""

from __future__ import annotations

import numpy as np


def cast(origin: tuple[float, float], directions: np.ndarray,
         ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Intersect R rays with S segments in the plane.

    Solves ``origin + t·d = a + u·(b - a)`` with cross products (the two-dimensional case of
    R. Goldman, 'Intersection of Two Lines in Three-Space', Graphics Gems, 1990).

    :param origin: where all rays start, metres
    :param directions: (R, 2), of any length
    :param ends: (S, 4): a_x, a_y, b_x, b_y in metres
    :returns: ``t`` (R, S) in lengths of the direction, infinite where the ray misses, and
        ``u`` (R, S), the place on the segment from 0 to 1 (meaningless where it misses)
    """
    qx, qy = ends[:, 0] - origin[0], ends[:, 1] - origin[1]
    ex, ey = ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]
    dx, dy = directions[:, 0:1], directions[:, 1:2]
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = 1.0 / (dx * ey - dy * ex)
        t = (qx * ey - qy * ex) * inverse
        u = (qx * dy - qy * dx) * inverse
    hit = (t > 0.0) & (u >= 0.0) & (u <= 1.0)
    t[~hit] = np.inf
    return t, u
