"""
Playing messages at the intervals at which they were recorded.

Knows nothing of ROS and of stores: it takes messages in time order, waits until each is due
and hands it over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import threading
from typing import NamedTuple

from twinsight_replay.clock import Clock, MonotonicClock
from twinsight_store.errors import ConfigurationError
from twinsight_store.message import Message


class Due(NamedTuple):
    """A message whose time has come, and how late it is handed over (ns, 0 is exact)."""

    message: Message
    late_ns: int


class Player:
    """
    Paces messages: the first at once, each other one as long after it as it was recorded.

    rate  2.0 plays twice as fast; above 0
    """

    def __init__(self, rate: float = 1.0, clock: Clock | None = None) -> None:
        """Make one; raises ConfigurationError for a rate that is not above 0."""
        if not 0 < rate < float('inf'):
            raise ConfigurationError(f'--rate {rate}: accepted is a number above 0')
        self._rate = rate
        self._clock = clock or MonotonicClock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End play() soon; may be called from a signal handler or another thread."""
        self._stop.set()

    def play(self, messages: Iterable[Message]) -> Iterator[Due]:
        """
        Give each message when it is due.

        The time that the receiver takes is not added to the intervals: the due times are
        fixed by the first message.
        """
        first_ns: int | None = None
        start_ns = 0
        for message in messages:
            if first_ns is None:
                first_ns, start_ns = message.receive_ns, self._clock.now_ns()
            due_ns = start_ns + round((message.receive_ns - first_ns) / self._rate)
            self._clock.wait_until(due_ns, self._stop)
            if self._stop.is_set():
                return
            yield Due(message, self._clock.now_ns() - due_ns)
