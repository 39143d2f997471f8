"""How fast numbers grow: rates of a topic between two looks at it."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import NamedTuple


class Pace(NamedTuple):
    """Messages and bytes a second since the look before."""

    messages_per_s: float
    bytes_per_s: float
    stored_per_s: float


class TopicPace:
    """
    Turns counts into rates.

    lost_lately  messages lost between the last two looks
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_s = 0.0
        self._last: tuple[int, int, int] | None = None
        self._lost = 0
        self.lost_lately = 0

    def see(self, received: int, size: int, stored: int, lost: int) -> Pace:
        """Return the rates since the call before; 0 at the first."""
        now_s = self._clock()
        elapsed_s = max(now_s - self._last_s, 1e-3)
        numbers = (received, size, stored)
        before = self._last or numbers
        rates = [(new - old) / elapsed_s for old, new in zip(before, numbers, strict=True)]
        self._last_s, self._last = now_s, numbers
        self.lost_lately, self._lost = lost - self._lost, lost
        return Pace(*rates)
