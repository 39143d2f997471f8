"""What programs beside the benchmark take of the machine while it measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import resource
import time

from .process import busy_s


class Others:
    """Compares the processor time of the machine with that of our own processes."""

    def __init__(self, ours: Sequence[Callable[[], float]]) -> None:
        """
        Begin now.

        ours  processor time (s) of each process that is ours and outlives the measurement; this
              one, and those that it starts and waits for meanwhile, are counted anyway
        """
        self._ours = ours
        self._start_s, self._busy_s, self._own_s = time.monotonic(), busy_s(), self._own()

    def cores(self) -> float:
        """Return how many cores others kept busy since the beginning, on average."""
        busy, own = busy_s() - self._busy_s, self._own() - self._own_s
        return max(0.0, busy - own) / (time.monotonic() - self._start_s)

    def _own(self) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + ended.ru_utime + ended.ru_stime + sum(
            cpu_s() for cpu_s in self._ours
        )
