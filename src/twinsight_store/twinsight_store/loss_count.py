"""Counting lost messages from the sequence numbers that publishers give them."""

from __future__ import annotations

_MOST_PUBLISHERS = 256


class LossCount:
    """
    Counts the gaps in the numbers of each publisher of a topic.

    Exact where the middleware tells publishers apart and numbers their messages one by one,
    as Fast DDS does. What was published before the first message arrived is not lost.
    """

    def __init__(self) -> None:
        self._last: dict[bytes, int] = {}
        self.lost = 0

    def see(self, publisher: bytes, sequence: int | None) -> None:
        """Count what is missing between the publisher's last message and this one."""
        if not sequence:
            return
        last = self._last.get(publisher)
        if last is None and len(self._last) == _MOST_PUBLISHERS:
            del self._last[next(iter(self._last))]  # the first that came is gone most likely
        if last is not None and sequence > last + 1:
            self.lost += sequence - last - 1
        if last is None or sequence > last:
            self._last[publisher] = sequence

    def forget(self) -> None:
        """Take what comes next for a beginning: nobody subscribed in between."""
        self._last.clear()
