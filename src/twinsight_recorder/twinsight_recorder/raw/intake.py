"""The bounded queue between the receiving of messages and the writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from twinsight_recorder.raw.recorded_topic import RecordedTopic, Source


class Arrival(NamedTuple):
    """A message as it came from the middleware; times in Unix ns."""

    source: Source
    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes

    @property
    def topic(self) -> RecordedTopic:
        """Return the topic that it came from."""
        return self.source.topic


Gate = Callable[[Arrival, bytes], Iterable[Arrival]]
"""Takes a message and its publisher, gives the messages that are to be stored now."""


class Intake:
    """
    Takes messages where they are received, gives them to one writing thread.

    Bounded in bytes of everything that is in memory and not stored yet. When it is full the
    newest message is dropped and counted: what was accepted is kept. Neither side ever waits.

    gate    where it is set, decides what of the messages goes on: a snapshot's ring
    paused  where it is set, messages are counted as left out
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.gate: Gate | None = None
        self.paused = False
        self._arrivals: deque[Arrival] = deque()
        self._taken_in = 0  # changed by the receiving thread only
        self._done = 0  # changed by the writing thread only

    @property
    def waiting_bytes(self) -> int:
        """Return the bytes that are in memory and not stored yet."""
        return self._taken_in - self._done

    def offer(
        self, topic: RecordedTopic, receive_ns: int, publish_ns: int, sequence: int, data: bytes,
        publisher: bytes = b'',
    ) -> None:
        """Take a message, or count it as left out, rate limited or dropped."""
        tally = topic.tally
        tally.received += 1
        tally.bytes += len(data)
        if self.paused:
            tally.left_out += 1
        elif not (topic.stride.takes() and topic.limit.takes(receive_ns)):
            tally.rate_limited += 1
        elif self.gate is None:
            self.put(Arrival(topic.source, receive_ns, publish_ns, sequence, data))
        else:
            arrival = Arrival(topic.source, receive_ns, publish_ns, sequence, data)
            tally.left_out += 1  # until the gate gives it out
            self.put_all(self.gate(arrival, publisher))

    def put_all(self, arrivals: Iterable[Arrival]) -> None:
        """Queue messages that the gate gives out; they are left out no longer."""
        for arrival in arrivals:
            arrival.source.topic.tally.left_out -= 1
            self.put(arrival)

    def put(self, arrival: Arrival) -> None:
        """Queue a message, or count it as dropped."""
        size = len(arrival.data)
        source = arrival.source
        topic = source.topic
        tally = topic.tally
        if self._taken_in - self._done + size > self.limit_bytes:
            tally.dropped += 1
        else:
            if source.number >= topic.first:  # a snapshot may reach back into a mission before
                tally.mission_messages += 1
                tally.mission_bytes += size
            self._taken_in += size
            self._arrivals.append(arrival)

    def take(self, most: int) -> list[Arrival]:
        """Return the oldest messages, at most so many."""
        arrivals = self._arrivals
        return [arrivals.popleft() for _ in range(min(most, len(arrivals)))]

    def done(self, size: int) -> None:
        """Tell that so many bytes are no longer in memory; negative: that they are again."""
        self._done += size
