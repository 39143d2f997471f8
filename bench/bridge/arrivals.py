"""What a subscriber or a viewer notes of the messages that come: how many, and how late."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import time
from typing import Any

from bench.marks import read_mark
from bench.replay.arithmetic import quantile

SEARCHED_BYTES = 512
"""The mark lies in the beginning of a message; the rest is not looked at, which costs."""

_SKIPPED_NS = 1_000_000_000
"""Of the latencies the first second does not count: it is the start of all."""


@dataclass
class Arrived:
    """
    What came of one topic, from the first message that came.

    lost   numbers between the first and the last one that did not come
    again  messages that came twice, or after a later one
    """

    messages: int = 0
    lost: int = 0
    again: int = 0
    last: int = -1


class Arrivals:
    """
    Counts marked messages whose times are the monotonic clock's.

    bytes  of all messages
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.bytes = 0
        self._topics: dict[str, Arrived] = {}
        self._latencies_ns: list[int] = []
        self._since_ns: int | None = None

    def add(self, topic: str, beginning: bytes, size: int) -> None:
        """Note that a message came now; its first SEARCHED_BYTES are enough."""
        now_ns = time.monotonic_ns()
        mark = read_mark(beginning)
        if mark is None:
            return
        self.bytes += size
        found = self._topics.get(topic)
        if found is None:
            found = self._topics[topic] = Arrived(last=mark.sequence - 1)
        if mark.sequence <= found.last:
            found.again += 1
            return
        found.messages += 1
        found.lost += mark.sequence - found.last - 1
        found.last = mark.sequence
        if self._since_ns is None:
            self._since_ns = mark.publish_ns + _SKIPPED_NS
        if mark.publish_ns >= self._since_ns:
            self._latencies_ns.append(now_ns - mark.publish_ns)

    def report(self) -> dict[str, Any]:
        """Return all as JSON can hold it."""
        ordered_ms = [each / 1e6 for each in sorted(self._latencies_ns)]
        parts = {'p50': 0.5, 'p99': 0.99, 'max': 1.0}
        return {
            'topics': {topic: asdict(each) for topic, each in self._topics.items()},
            'bytes': self.bytes,
            'latency_ms': {name: quantile(ordered_ms, part) for name, part in parts.items()},
            'cpu_s': time.process_time(),
        }
