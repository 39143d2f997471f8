"""Rows of a big table in the order of their times, some thousands at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twinsight_store.history.times import POSTGRES_EPOCH_US

_FIRST_SLICE_US, _FIRST_ROWS = 1_000_000, 1000
_WIDER = 8

Row = tuple[Any, ...]

Fetch = Callable[[int, int, int], list[Row]]
"""
Returns the rows from a time to before another (Unix µs) in their order, so many at most.

A row begins with its time in microseconds since 2000, as it is in binary.
"""


class TimeSlices:
    """
    A span of time as slices, each a question of its own with a limit.

    Memory stays bounded, the first slices are small so that they come at once, and a reader that
    pauses holds nothing open on the server.

    begin_us  where the next slice begins, Unix µs; all before it was given
    """

    def __init__(self, begin_us: int, end_us: int, limit: int) -> None:
        self.begin_us = begin_us
        self._end_us = end_us
        self._most = limit
        self._limit = min(limit, _FIRST_ROWS)
        self._width_us = _FIRST_SLICE_US

    @property
    def done(self) -> bool:
        """Return whether the end is reached."""
        return self.begin_us >= self._end_us

    def read(self, fetch: Fetch) -> list[Row]:
        """Return the rows of the next slice, maybe none; where fetch raises it stays the next."""
        limit = self._limit
        while True:
            stop_us = min(self.begin_us + self._width_us, self._end_us)
            rows = fetch(self.begin_us, stop_us, limit)
            if len(rows) < limit:
                if len(rows) < limit // _WIDER:
                    self._width_us *= _WIDER
                break
            # There may be more of the last time: the next slice begins with it.
            last_us = rows[-1][0]
            while rows and rows[-1][0] == last_us:
                rows.pop()
            if rows:
                stop_us = last_us + POSTGRES_EPOCH_US
                self._width_us = max(1, stop_us - self.begin_us)
                break
            limit *= 2
        self.begin_us = stop_us
        self._limit = min(self._most, self._limit * _WIDER)
        return rows
