"""The last messages of a latched topic, for viewers that come late."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from twinsight_bridge.front.protocol import MOST_LATCHED

_LIMIT_BYTES = 64_000_000


class Kept:
    """
    Keeps of each publisher what it would give a late subscriber itself: its last messages.

    At most 64 MB and MOST_LATCHED messages are kept of a topic; the oldest go first, but never
    the only one.
    """

    def __init__(self, depth: int) -> None:
        """Make an empty one; depth is the number of messages that each publisher keeps."""
        self._depth = depth
        self._messages: deque[tuple[bytes, int, bytes]] = deque()
        self._size = 0
        self._counts: dict[bytes, int] = {}

    def add(self, publisher: bytes, log_ns: int, data: bytes) -> None:
        """Keep a message, and drop the publisher's oldest where it would keep no more."""
        self._messages.append((publisher, log_ns, data))
        self._size += len(data)
        self._counts[publisher] = self._counts.get(publisher, 0) + 1
        if self._counts[publisher] > self._depth:
            self._drop(next(each for each in self._messages if each[0] == publisher))
        while self._is_too_much():
            self._drop(self._messages[0])

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield log time (ns) and bytes of each message, as they came."""
        for _, log_ns, data in tuple(self._messages):
            yield log_ns, data

    def _is_too_much(self) -> bool:
        return len(self._messages) > 1 and (
            self._size > _LIMIT_BYTES or len(self._messages) > MOST_LATCHED
        )

    def _drop(self, message: tuple[bytes, int, bytes]) -> None:
        self._messages.remove(message)
        self._size -= len(message[2])
        self._counts[message[0]] -= 1
        if not self._counts[message[0]]:
            del self._counts[message[0]]
