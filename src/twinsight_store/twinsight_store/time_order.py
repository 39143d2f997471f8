"""Messages of overlapping records, put into one time order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import chain, zip_longest
from operator import attrgetter

from twinsight_store.message import Message

_RECEIVE_NS = attrgetter('receive_ns')


class TimeOrder:
    """
    Orders messages whose records come in the order of the records' timestamps.

    Order: receive time, then entry name, then the record's timestamp, then the place in the
    record. It depends on what is stored only, so the same selection always comes out alike.
    """

    def __init__(self) -> None:
        # By entry and timestamp, of which several buckets may have a record each.
        self._waiting: dict[tuple[str, int], list[list[Message]]] = {}

    def __len__(self) -> int:
        return sum(len(messages) for records in self._waiting.values() for messages in records)

    def add(self, entry: str, timestamp_us: int, messages: Iterable[Message]) -> None:
        """Take the messages of a record; none is older than what was taken out before."""
        in_order = sorted(messages, key=_RECEIVE_NS)
        if in_order:
            self._waiting.setdefault((entry, timestamp_us), []).append(in_order)

    def take_before(self, horizon_ns: int | None = None) -> list[Message]:
        """Return in order, and forget, all messages older than the horizon, or all."""
        taken: list[Message] = []
        waiting = {}
        for key in sorted(self._waiting):
            messages = _by_place(self._waiting[key])
            end = len(messages)
            if horizon_ns is not None and messages[-1].receive_ns >= horizon_ns:
                end = bisect_left(messages, horizon_ns, key=_RECEIVE_NS)
                waiting[key] = [messages[end:]]
            taken += messages[:end]
        self._waiting = waiting
        # Sorting keeps the order of what is equal, and merges runs that are sorted already.
        taken.sort(key=_RECEIVE_NS)
        return taken


def _by_place(records: list[list[Message]]) -> list[Message]:
    """Return the messages of records in order, those of one time by their places."""
    if len(records) == 1:
        return records[0]
    interleaved = chain.from_iterable(zip_longest(*records))
    return sorted((each for each in interleaved if each is not None), key=_RECEIVE_NS)
