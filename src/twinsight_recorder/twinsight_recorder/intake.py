"""The bounded queue between the callbacks that receive messages and the writing."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from twinsight_recorder.recorded_topic import RecordedTopic


class Arrival(NamedTuple):
    """A message as it came from the middleware; times in Unix ns."""

    topic: RecordedTopic
    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes


class Intake:
    """
    Takes messages in callbacks, gives them to one writing thread.

    Bounded in bytes of everything that is not stored yet. When it is full the newest message
    is dropped and counted: what was accepted is kept. Neither side ever waits.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._arrivals: deque[Arrival] = deque()
        self._taken_in = 0  # changed by the receiving thread only
        self._done = 0  # changed by the writing thread only

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes that are accepted and not stored yet."""
        return self._taken_in - self._done

    def offer(
        self,
        topic: RecordedTopic,
        receive_ns: int,
        publish_ns: int,
        sequence: int,
        data: bytes,
    ) -> None:
        """Take a message, or count it as rate limited or dropped."""
        tally = topic.tally
        tally.received += 1
        tally.bytes += len(data)
        if not topic.limit.takes(receive_ns):
            tally.rate_limited += 1
        elif self.waiting_bytes + len(data) > self.limit_bytes:
            tally.dropped += 1
        else:
            self._taken_in += len(data)
            self._arrivals.append(Arrival(topic, receive_ns, publish_ns, sequence, data))

    def take(self, most: int) -> list[Arrival]:
        """Return the oldest messages, at most so many."""
        count = min(most, len(self._arrivals))
        return [self._arrivals.popleft() for _ in range(count)]

    def done(self, size: int) -> None:
        """Tell that so many bytes of messages are stored, or given up."""
        self._done += size
