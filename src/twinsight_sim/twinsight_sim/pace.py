"""Keeping time: the simulation's clock against the machine's."""

from __future__ import annotations

from collections.abc import Callable
import time

LATE_NS = 20_000_000
"""A message this long past its time (ns) is counted as late."""

NAP_NS = 100_000_000
"""The longest sleep, so that a stop is seen soon."""


class Pace:
    """
    Sleeps until simulation times, all counted from one start: an error never adds up.

    Simulation time 0 is ``lead_ns`` after the making. ``now_ns`` and ``sleep`` (seconds) can be
    exchanged for a virtual clock.
    """

    def __init__(self, lead_ns: int = 0, now_ns: Callable[[], int] = time.monotonic_ns,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self._now_ns = now_ns
        self._sleep = sleep
        self._start_ns = now_ns() + lead_ns
        self.late = 0

    def wait(self, sim_ns: int, stopped: Callable[[], bool]) -> bool:
        """
        Sleep until a simulation time (ns), not at all once it is past; False if stopped.

        A call that comes more than ``LATE_NS`` after the time is counted in ``late``.
        """
        due_ns = self._start_ns + sim_ns
        left_ns = due_ns - self._now_ns()
        if left_ns < -LATE_NS:
            self.late += 1
        while not stopped():
            if left_ns <= 0:
                return True
            self._sleep(min(left_ns, NAP_NS) * 1e-9)
            left_ns = due_ns - self._now_ns()
        return False
