"""Messages of overlapping records, put into one time order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from twinsight_store.message import Message

_Item = tuple[int, str, int, int, Message]


class TimeOrder:
    """
    Orders messages whose records come in the order of the records' timestamps.

    Order: receive time, then entry name, then the record's timestamp, then the place in the
    record. It depends on what is stored only, so the same selection always comes out alike.
    """

    def __init__(self) -> None:
        self._waiting: list[_Item] = []
        self._sorted = True

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, entry: str, timestamp_us: int, messages: Iterable[Message]) -> None:
        """Take the messages of a record; none is older than what was taken out before."""
        self._waiting.extend(
            (message.receive_ns, entry, timestamp_us, index, message)
            for index, message in enumerate(messages)
        )
        self._sorted = False

    def take_before(self, horizon_ns: int | None = None) -> list[Message]:
        """Return in order, and forget, all messages older than the horizon, or all."""
        if not self._sorted:
            # Runs that are sorted already are merged by sort() in linear time.
            self._waiting.sort(key=lambda item: item[:4])
            self._sorted = True
        end = len(self._waiting)
        if horizon_ns is not None:
            end = bisect_left(self._waiting, horizon_ns, key=lambda item: item[0])
        taken = [item[4] for item in self._waiting[:end]]
        del self._waiting[:end]
        return taken
