"""When each sensor is due: exact integer times that never drift."""

from __future__ import annotations

from fractions import Fraction
import heapq

SECOND_NS = 1_000_000_000


class Schedule:
    """
    Ticks of several sources, merged in time order.

    Tick k of a source with rate r (Hz) is due at ``k / r`` seconds, rounded down to a
    nanosecond. Where ticks coincide, the source that was named first comes first.
    """

    def __init__(self, rates: dict[str, float]) -> None:
        self._periods = []
        for name, rate in rates.items():
            if rate > 0.0:
                exact = Fraction(rate).limit_denominator(1000)
                self._periods.append((name, SECOND_NS * exact.denominator, exact.numerator))
        self._heap = [(0, source, 0) for source in range(len(self._periods))]

    def due_ns(self) -> int:
        """Return when the next tick is due (ns)."""
        return self._heap[0][0]

    def pop(self) -> tuple[int, str]:
        """Take the next tick: when it is due (ns) and whose it is."""
        due_ns, source, count = self._heap[0]
        name, many_ns, ticks = self._periods[source]
        count += 1
        after_ns = count * many_ns // ticks
        heapq.heapreplace(self._heap, (after_ns, source, count))
        return due_ns, name
