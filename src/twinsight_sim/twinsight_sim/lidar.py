"""A turning 2D LIDAR: one full circle of ranges in a plane above the floor."""

from __future__ import annotations

import math

import numpy as np

from twinsight_sim.raycast import measure

BEAMS = 720
RANGE_MIN = 0.05
RANGE_MAX = 12.0
NOISE = 0.01
"""Standard deviation of a range, metres."""

ANGLE_MIN = -math.pi
ANGLE_STEP = 2.0 * math.pi / BEAMS


class Lidar:
    """Ranges from a pose; ``generator`` draws the noise, ``noise`` is its deviation (m)."""

    def __init__(self, generator: np.random.Generator, noise: float = NOISE) -> None:
        angles = ANGLE_MIN + ANGLE_STEP * np.arange(BEAMS)
        self._beams = np.column_stack((np.cos(angles), np.sin(angles)))
        self._generator = generator
        self._noise = noise

    def scan(self, x: float, y: float, yaw: float, faces: np.ndarray) -> np.ndarray:
        """
        Return (720,) float32 ranges in metres, beam 0 backwards, counter-clockwise.

        Nothing within reach is +inf, too near is -inf, as REP 117 has it.
        """
        ranges = measure(faces, x, y, yaw, self._beams)
        ranges += self._noise * self._generator.standard_normal(BEAMS)
        ranges[ranges > RANGE_MAX] = np.inf
        ranges[ranges < RANGE_MIN] = -np.inf
        return ranges.astype(np.float32)
