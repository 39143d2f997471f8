"""The clock that playing runs on; tests put a virtual one in its place."""

from __future__ import annotations

import time
from typing import Protocol

from twinsight_replay.wakeup import Wakeup

_COARSE_NS = 1_500_000
_EARLY_NS = 1_000_000
_SHORT_SLEEP_S = 0.000_05
_SPIN_NS = 100_000


class Clock(Protocol):
    """A clock that never goes back; its zero has no meaning."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""

    def wait_until(self, due_ns: int | None, wakeup: Wakeup) -> None:
        """Return at the given time (None is never), or soon after ``wakeup`` is set."""


class MonotonicClock:
    """
    The machine's monotonic clock.

    Sleeps until 1 ms before the time, then in steps of 50 µs, and does not sleep in the last
    100 µs: a single sleep of the operating system comes back up to a millisecond late, a short
    one some 60 µs.
    """

    def now_ns(self) -> int:
        """Return the time in nanoseconds."""
        return time.monotonic_ns()

    def wait_until(self, due_ns: int | None, wakeup: Wakeup) -> None:
        """Return at the given time (None is never), or soon after ``wakeup`` is set."""
        if due_ns is None:
            wakeup.wait()
            return
        while not wakeup.pending:
            left_ns = due_ns - time.monotonic_ns()
            if left_ns <= 0:
                return
            if left_ns > _COARSE_NS:
                wakeup.wait((left_ns - _EARLY_NS) / 1e9)
            elif left_ns > _SPIN_NS:
                time.sleep(_SHORT_SLEEP_S)
