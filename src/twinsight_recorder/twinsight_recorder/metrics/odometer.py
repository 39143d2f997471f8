"""The metres that a robot has travelled, from its positions one after the other."""

from __future__ import annotations

import math

SMALLEST_M = 0.001
"""Less than that is not a movement yet: a robot that stands still does not travel."""

_USUAL_GAP_NS = 100_000_000


class Odometer:
    """
    Adds up the way between positions; it begins at 0.

    A step that is too long to be driven (a new estimate of the position, a restart) is not
    counted. Too long is more than ``largest_step`` m, and where more than 0.1 s passed since the
    position before, in proportion more.
    """

    def __init__(self, largest_step: float) -> None:
        self.metres = 0.0
        self._largest_step = largest_step
        self._from: tuple[float, float, float] | None = None
        self._seen_ns = 0

    def see(self, x: float, y: float, z: float, receive_ns: int) -> float:
        """Take a position (m) and return the metres travelled."""
        if not math.isfinite(x + y + z):
            return self.metres
        gap_ns, self._seen_ns = receive_ns - self._seen_ns, receive_ns
        if self._from is None:
            self._from = (x, y, z)
            return 0.0
        step = math.hypot(x - self._from[0], y - self._from[1], z - self._from[2])
        if step >= SMALLEST_M:
            self._from = (x, y, z)
            if step <= self._largest_step * max(1.0, gap_ns / _USUAL_GAP_NS):
                self.metres += step
        return self.metres
