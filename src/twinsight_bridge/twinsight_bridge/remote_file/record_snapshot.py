"""The records of a selection as they were at one moment: counted once, then read many times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from copy import copy
from typing import cast

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Entry
from twinsight_store.connection import Connection
from twinsight_store.record_query import fetch, first_timestamp, Window
from twinsight_store.record_source import log_bad_record, OnBadRecord, RecordSource
from twinsight_store.selection import all_of, Selection

_HEADS = 2_000
"""A window is meant to hold so many records, four times as many make it smaller, ..."""

_CHUNK_BYTES = 2_000_000
"""... and so much in chunks, which are read whole: little, as other requests wait meanwhile."""

_FIRST_US = 1_000_000
_SMALLEST_US = 1_000
_LARGEST_US = 600_000_000
_LATE_US = layout.MAX_CHUNK_SPAN_NS // 1000


class Unread:
    """Stands for the bytes of a message that were not fetched: their number is known."""

    __slots__ = ('_size',)

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


class RecordSnapshot(RecordSource):
    """
    A selection's records, without those that come later.

    What counting() gives is read once, and then this as often as one likes. Only the records of
    the last minute are known by name: where one comes later to what is older it is read too, and
    whoever counted notices.
    """

    def __init__(
        self, connection: Connection, selection: Selection, on_bad_record: OnBadRecord
    ) -> None:
        super().__init__(connection, selection, on_bad_record)
        self._counts = False
        self._heads_only = False
        self._late_from_us = 0
        self._late: set[tuple[str, int]] = set()

    @classmethod
    async def open(
        cls, connection: Connection, selection: Selection,
        on_bad_record: OnBadRecord = log_bad_record,
    ) -> RecordSnapshot:
        """Look up what there is of a selection, and raise, as RecordSource does."""
        source = await super().open(connection, selection, on_bad_record)
        assert isinstance(source, cls)
        return source

    @property
    def state(self) -> Sequence[Entry]:
        """Return what changes with whatever is written to, or removed from, a selected topic."""
        return tuple(self._entries)

    def counting(self, whole: bool) -> RecordSource:
        """
        Return the source that reads what there is; it is read once, from the beginning.

        whole  fetch every message; else the data of a message that is a record of its own is an
               Unread, which knows its size only
        """
        self._late_from_us = self._bounds(self._selection)[1] - _LATE_US
        self._late = set()
        counting = copy(self)
        counting._counts, counting._heads_only = True, not whole
        return counting

    async def _windows(self, selection: Selection) -> AsyncIterator[Window]:
        windows = self._counted(selection) if self._heads_only else super()._windows(selection)
        async for window in windows:
            yield Window([each for each in window.records if self._is_in(each)], window.end_us)

    def _is_in(self, record: FetchedRecord) -> bool:
        if record.timestamp_us < self._late_from_us:
            return True
        name = (record.entry, record.timestamp_us)
        if self._counts:
            self._late.add(name)
        return name in self._late

    async def _counted(self, selection: Selection) -> AsyncIterator[Window]:
        """Give what RecordSource does, but of messages that are records of their own the size."""
        start_us, stop_us = self._bounds(selection)
        when = selection.condition()
        yield Window(await self._reaching_in(selection, start_us), start_us)
        length_us = _FIRST_US
        while start_us < stop_us:
            end_us = min(start_us + length_us, stop_us)
            heads = await fetch(
                self._connection, self._names, start_us, end_us, when, head=True
            )
            fill = max(len(heads) / _HEADS, _chunk_bytes(heads) / _CHUNK_BYTES)
            if fill > 4 and length_us > _SMALLEST_US:
                length_us = max(length_us // 8, _SMALLEST_US)
                continue
            if not heads:
                next_us = await first_timestamp(
                    self._connection, self._names, end_us, stop_us, when
                )
                if next_us is None:
                    return
                yield Window([], next_us)
                start_us = next_us
                continue
            records = await self._with_chunks(heads, start_us, end_us, selection)
            records.sort(key=lambda record: (record.timestamp_us, record.entry))
            yield Window(records, end_us)
            start_us = end_us
            wanted_us = round(length_us / max(fill, 0.5))
            length_us = min(max(wanted_us, length_us // 4, _SMALLEST_US), _LARGEST_US)

    async def _with_chunks(
        self, heads: Sequence[FetchedRecord], start_us: int, end_us: int, selection: Selection
    ) -> list[FetchedRecord]:
        """Return the records of a window, its chunks whole."""
        when = selection.condition()
        wanted = {(each.entry, each.timestamp_us): each for each in heads if _is_chunk(each)}
        entries = sorted({entry for entry, _ in wanted})
        found: list[FetchedRecord] = []
        if entries:
            ours = all_of({'$exists': [label.END_US]}, when)
            found = await fetch(self._connection, entries, start_us, end_us, ours)
        found = [each for each in found if (each.entry, each.timestamp_us) in wanted]
        for entry, at_us in wanted.keys() - {(each.entry, each.timestamp_us) for each in found}:
            # Another writer's, without our labels; or it is gone by now.
            found += await fetch(self._connection, [entry], at_us, at_us + 1, when)
        return [*(_sized(each) for each in heads if not _is_chunk(each)), *found]


def _is_chunk(record: FetchedRecord) -> bool:
    return record.content_type == layout.MCAP


def _chunk_bytes(heads: Sequence[FetchedRecord]) -> int:
    return sum(each.payload_bytes for each in heads if _is_chunk(each))


def _sized(head: FetchedRecord) -> FetchedRecord:
    """Return a record whose message is its size only, as if it had not been compressed."""
    if head.content_type == layout.CDR_ZSTD:
        unread, kind = Unread(head.payload_bytes), layout.CDR
    else:
        unread, kind = Unread(head.stored_bytes), head.content_type
    return head._replace(content_type=kind, data=cast(bytes, unread))
