"""A clock whose thread is woken before others, where the system lets it."""

from __future__ import annotations

from collections.abc import Callable
import os

from twinsight_replay.clock import MonotonicClock
from twinsight_replay.wakeup import Wakeup

HOW_TO_GRANT = (
    'with a line such as "@realtime - rtprio 98" in /etc/security/limits.d, or '
    '--cap-add=SYS_NICE of docker run'
)
_LOWEST = 1
_OVERLOADED_NS = 50_000_000


class RealTimeClock(MonotonicClock):
    """
    The machine's monotonic clock; who waits for a time has real-time priority meanwhile.

    On a busy machine the scheduler lets a thread that is due wait for a millisecond and more.
    With the lowest priority of SCHED_RR it does not; sched(7). A thread that is behind, or that
    has nothing to wait for, goes back to the usual priority: it would keep the others from a
    core.

    For one thread, which waits and does in between what is due.
    """

    def __init__(self, on_refused: Callable[[str], object]) -> None:
        """Make one; on_refused is called once, in the waiting thread, where there is none."""
        self._on_refused = on_refused
        self._is_real_time = False
        self._is_refused = not hasattr(os, 'sched_setscheduler')  # Linux has it

    def wait_until(self, due_ns: int | None, wakeup: Wakeup) -> None:
        """Return at the given time (None is never), or soon after ``wakeup`` is set."""
        left_ns = 0 if due_ns is None else due_ns - self.now_ns()
        if self._is_real_time:
            if due_ns is None or left_ns < -_OVERLOADED_NS:
                self._schedule(os.SCHED_OTHER, 0)
        elif left_ns > 0 and not self._is_refused:
            self._schedule(os.SCHED_RR, _LOWEST)
        super().wait_until(due_ns, wakeup)

    def _schedule(self, policy: int, priority: int) -> None:
        try:  # of this thread, and not of threads and processes that it starts
            os.sched_setscheduler(
                0, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority)
            )
        except PermissionError:
            self._is_refused = True
            self._on_refused(
                'the system grants no real-time priority, so messages may be a millisecond late '
                f'where it is busy; it does {HOW_TO_GRANT}'
            )
        else:
            self._is_real_time = policy == os.SCHED_RR
