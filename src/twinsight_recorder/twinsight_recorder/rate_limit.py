"""Taking at most so many messages a second of a topic."""

from __future__ import annotations


class RateLimit:
    """
    Takes the first message of every period.

    The periods follow a fixed grid, so 30 Hz limited to 10 Hz gives 10 Hz and not 7.5 Hz when
    arrival times jitter.
    """

    def __init__(self, min_period_ns: int) -> None:
        """Make one; 0 takes every message."""
        self._period_ns = min_period_ns
        self._due_ns: int | None = None

    def takes(self, receive_ns: int) -> bool:
        """Return whether the message of that time is taken."""
        if not self._period_ns:
            return True
        early_ns = self._period_ns // 10  # jitter must not cost every second message
        if self._due_ns is None or receive_ns < self._due_ns - 2 * self._period_ns:
            self._due_ns = receive_ns  # the first, or the clock went back
        if receive_ns < self._due_ns - early_ns:
            return False
        late_ns = max(0, receive_ns - self._due_ns)
        self._due_ns += self._period_ns * (1 + late_ns // self._period_ns)
        return True


class Stride:
    """Takes the first of every so many messages."""

    def __init__(self, stride: int) -> None:
        """Make one; 1 takes every message."""
        self._stride = stride
        self._seen = 0

    def takes(self) -> bool:
        """Return whether the next message is taken."""
        first = self._seen % self._stride == 0
        self._seen += 1
        return first
