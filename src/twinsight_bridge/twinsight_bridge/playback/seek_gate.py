"""Keeping what was played before a seek apart from what is played after it, for every viewer."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
import threading
import time

SETTLE_S = 0.015
"""After so long a frame has left the server's queues, unless the viewer is stuck."""

_LIMIT_S = 1.0


class _Phase(Enum):
    OPEN = 0
    LEAVING = 1  # a seek is asked for
    ARRIVED = 2  # the position has jumped, the answer is not given yet
    ANSWERED = 3
    FENCED = 4  # it was told once more


class SeekGate:
    """
    Lets messages pass, but for the time around a seek.

    The server has a queue for messages and one for answers, and sends them in no fixed order. A
    viewer clears its panels when it hears of a seek: messages of before would stay in them, and
    those of after would be lost. So from begin() to the jump messages are dropped; after it they
    wait until the answer has gone out, and what was in the queue with it; then the seek is told
    once more, so that the viewer clears that too; and only then they go on.

    admits() is called by the thread that plays, the others by any.
    """

    def __init__(self, tell_again: Callable[[], object], settle_s: float = SETTLE_S) -> None:
        """Make one that is open; tell_again tells viewers of the last seek."""
        self._tell_again = tell_again
        self._settle_s = settle_s
        self._changed = threading.Condition(threading.RLock())
        self._phase = _Phase.OPEN
        self._until_s = 0.0

    @property
    def is_dropping(self) -> bool:
        """Return whether messages are of a time that is being left."""
        return self._phase is _Phase.LEAVING

    def begin(self) -> None:
        """Drop what comes now: a seek is asked for."""
        self._enter(_Phase.LEAVING, 0.0)

    def jumped(self) -> None:
        """Hold what comes now: it is of the new time."""
        self._enter(_Phase.ARRIVED, _LIMIT_S)

    def answered(self) -> None:
        """Hold it a little longer: the answer is given to the server now."""
        self._enter(_Phase.ANSWERED, self._settle_s)

    def is_open(self) -> bool:
        """Return whether no seek is under way; tell of it again where it is time to."""
        with self._changed:
            self._go_on()
            return self._phase is _Phase.OPEN

    def admits(self) -> bool:
        """Return whether a message is to be sent, when the time for it has come."""
        if self._phase is _Phase.OPEN:
            return True
        with self._changed:
            while not self.is_dropping:
                self._go_on()
                if self._phase is _Phase.OPEN:
                    return True
                self._changed.wait(max(0.0, self._until_s - time.monotonic()))
        return False

    def _go_on(self) -> None:
        """Enter the next phase where it is time to."""
        if self.is_dropping or time.monotonic() < self._until_s:
            return
        if self._phase in (_Phase.ARRIVED, _Phase.ANSWERED):
            self._tell_again()
            self._enter(_Phase.FENCED, self._settle_s)
        elif self._phase is _Phase.FENCED:
            self._phase = _Phase.OPEN

    def _enter(self, phase: _Phase, time_s: float) -> None:
        with self._changed:
            self._phase = phase
            self._until_s = time.monotonic() + time_s
            self._changed.notify_all()
