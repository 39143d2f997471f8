"""Records of ReductStore as messages: lazily, in time order, with the exact times and bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
import logging

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Catalog, Entry
from twinsight_store.channel import Channel
from twinsight_store.connection import Connection
from twinsight_store.errors import RecordError
from twinsight_store.latched import latest_records, records_backwards
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.record_messages import integer_label, RecordMessages
from twinsight_store.record_query import fetch, fetch_windows, first_timestamp, spans_back, Window
from twinsight_store.selection import all_of, Selection
from twinsight_store.static_transforms import child_frames, TF_TYPE
from twinsight_store.time_order import TimeOrder

_STATIC_RECORDS = 500
_FIRST_BYTES = 1_000_000
_FIRST_WINDOW_US = 20_000, 500_000

_log = logging.getLogger(__name__)

OnBadRecord = Callable[[RecordError], object]


def log_bad_record(error: RecordError) -> None:
    """Log that a record cannot be read; reading goes on."""
    _log.warning('%s', error)


class RecordSource:
    """
    A selection's records in the connection's buckets, as if all were one; see Source.

    Entries and channels are looked up once, by open(). Of several buckets, one that is not there
    is logged and the others are read. on_bad_record is called for each record that cannot be
    read; reading goes on.
    """

    def __init__(
        self, connection: Connection, selection: Selection, on_bad_record: OnBadRecord
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._on_bad_record = on_bad_record
        self._catalog = Catalog(connection)
        self._messages = RecordMessages(self._catalog)
        self._entries: list[Entry] = []
        self._before: list[Entry] = []  # and those that end before the span

    @classmethod
    async def open(
        cls, connection: Connection, selection: Selection,
        on_bad_record: OnBadRecord = log_bad_record,
    ) -> RecordSource:
        """
        Look up what there is of a selection.

        Raises StoreUnavailableError, StoreRefusedError; NothingMatchedError where none of the
        buckets is there.
        """
        source = cls(connection, selection, on_bad_record)
        await source._look_up()
        for name in await connection.absent():
            _log.warning(
                'ReductStore at %s has no bucket %r: reading the others',
                connection.settings.url, name,
            )
        return source

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and latest channel of each topic that may hold selected messages."""
        return [
            (entry.robot_id, channel)
            for entry in self._entries
            if (channel := self._messages.latest(entry.name))
        ]

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """
        Give the selected messages in time order, those from a time on, some at a time.

        Keeps in memory what the open chunks of the selected topics hold, however much is
        selected; the first batch is small, so it comes soon.
        """
        selection = self._from(from_ns)
        if selection is None or not self._entries:
            yield Batch([], END_OF_TIME_NS)
            return
        order = TimeOrder()
        async for window in self._windows(selection):
            for record in window.records:
                messages = await self._learnt(record, selection)
                order.add(record.entry, record.timestamp_us, messages)
            until_ns = (window.end_us - layout.MAX_SHIFT_US) * 1000
            yield Batch(order.take_before(until_ns), until_ns)
        yield Batch(order.take_before(), END_OF_TIME_NS)

    async def span(self) -> tuple[int, int] | None:
        """Return when the selected messages begin and end (Unix ns); asks for labels only."""
        selection, names = self._selection, self._names
        when = selection.condition()
        start_us, stop_us = self._bounds(selection)
        known = await self._reaching_in(selection, start_us, head=True)
        first_us: int | None = start_us
        if not known:
            first_us = await first_timestamp(self._connection, names, start_us, stop_us, when)
        if first_us is None:
            return None
        for from_us, to_us in spans_back(stop_us, first_us):
            latest = await fetch(self._connection, names, from_us, to_us, when, head=True)
            known += latest
            if latest:
                break
        last_us = max((_end_us(record) for record in known), default=first_us)
        return (
            max(first_us * 1000, selection.from_ns or 0),
            min(last_us * 1000 + 999, selection.to_ns or last_us * 1000 + 999),
        )

    async def latched(self, time_ns: int) -> list[Message]:
        """
        Return the latest messages before a time of each topic that keeps its last for late ones.

        They are looked for in the day before, whatever mission and start are selected: a robot
        publishes its map once, and drives many missions on it. Of /tf_static it is the latest
        message of each child frame.
        """
        selection = replace(self._selection, missions=(), from_ns=None, to_ns=time_ns)
        before_us = -(-time_ns // 1000)
        single: list[str] = []
        found: list[Message] = []
        for entry in self._before:
            channel = self._messages.latest(entry.name)
            if channel is None or not channel.latched:
                continue
            if channel.type_name == TF_TYPE:
                found += await self._latest_frames(entry.name, before_us, selection)
            else:
                single.append(entry.name)
        latest: dict[str, Message] = {}
        when = selection.condition()
        for record in await latest_records(self._connection, single, before_us, when):
            for message in await self._learnt(record, selection):
                known = latest.get(record.entry)
                if known is None or message.receive_ns >= known.receive_ns:
                    latest[record.entry] = message
        found += latest.values()
        return sorted(found, key=lambda message: (message.receive_ns, message.channel.topic))

    async def _latest_frames(
        self, entry: str, before_us: int, selection: Selection
    ) -> list[Message]:
        """Return the newest messages, each with a child frame that none after it has."""
        seen: set[str] = set()
        found: list[Message] = []
        records = records_backwards(
            self._connection, entry, before_us, selection.condition(), _STATIC_RECORDS
        )
        async for record in records:
            for message in reversed(await self._learnt(record, selection)):
                frames = child_frames(message.data)
                if not frames <= seen:
                    seen |= frames
                    found.append(message)
        return found[::-1]

    async def _learnt(self, record: FetchedRecord, selection: Selection) -> list[Message]:
        await self._messages.learn(record)
        return self._selected(record, selection)

    @property
    def _names(self) -> list[str]:
        return [entry.name for entry in self._entries]

    async def _look_up(self) -> None:
        selection = self._selection
        candidates = [
            entry
            for entry in await self._catalog.entries()
            if selection.has_robot(entry.robot_id)
            and (selection.to_ns is None or entry.oldest_us * 1000 <= selection.to_ns)
        ]
        await self._messages.look_up(entry.name for entry in candidates)
        self._before = [entry for entry in candidates if selection.has_topic(self._topic(entry))]
        reach_us = layout.MAX_CHUNK_SPAN_NS // 1000
        from_us = (selection.from_ns or 0) // 1000
        self._entries = [e for e in self._before if from_us <= e.latest_us + reach_us]

    def _topic(self, entry: Entry) -> str:
        latest = self._messages.latest(entry.name)
        return latest.topic if latest else '/' + entry.name.split('/', 1)[1]

    def _from(self, from_ns: int | None) -> Selection | None:
        """Return the selection from a time on, or None where that is behind its end."""
        selection = self._selection
        if from_ns is None or from_ns <= (selection.from_ns or 0):
            return selection
        if selection.to_ns is not None and from_ns >= selection.to_ns:
            return None
        return replace(selection, from_ns=from_ns)

    async def _windows(self, selection: Selection) -> AsyncIterator[Window]:
        """Give the records that may hold selected messages."""
        start_us, stop_us = self._bounds(selection)
        yield Window(await self._reaching_in(selection, start_us), start_us)
        async for window in fetch_windows(
            self._connection, self._names, start_us, stop_us, selection.condition(),
            self._first_window_us(),
        ):
            yield window

    def _first_window_us(self) -> int:
        """Return how long a window of _FIRST_BYTES is, as far as the entries' sizes tell."""
        bytes_per_us = sum(
            entry.bytes / (entry.latest_us - entry.oldest_us + 1) for entry in self._entries
        )
        least_us, most_us = _FIRST_WINDOW_US
        return max(least_us, min(round(_FIRST_BYTES / max(bytes_per_us, 1e-9)), most_us))

    async def _reaching_in(
        self, selection: Selection, start_us: int, head: bool = False
    ) -> list[FetchedRecord]:
        """Return the chunks from before the span whose last messages may lie in it."""
        if selection.from_ns is None:
            return []
        reaches_in = all_of({f'&{label.END_US}': {'$gte': start_us}}, selection.condition())
        reach_us = max(0, start_us - layout.MAX_CHUNK_SPAN_NS // 1000)
        return await fetch(self._connection, self._names, reach_us, start_us, reaches_in, head)

    def _selected(self, record: FetchedRecord, selection: Selection) -> list[Message]:
        """Return the record's messages that are selected; report it where it cannot be read."""
        labels = label.user_labels(record.labels)
        if not selection.has_labels(labels):
            return []
        try:
            messages = self._messages.of(record, labels)
        except RecordError as error:
            self._on_bad_record(error)
            return []
        if selection.from_ns is None and selection.to_ns is None:
            return messages
        return [message for message in messages if selection.has_time(message.receive_ns)]

    def _bounds(self, selection: Selection) -> tuple[int, int]:
        """Return the timestamps (µs) from and before which records of the span may lie."""
        start_us = min((entry.oldest_us for entry in self._entries), default=0)
        stop_us = max((entry.latest_us for entry in self._entries), default=0) + 1
        if selection.from_ns is not None:
            start_us = max(start_us, selection.from_ns // 1000)
        if selection.to_ns is not None:
            stop_us = min(stop_us, -(-selection.to_ns // 1000) + layout.MAX_SHIFT_US)
        return start_us, stop_us


def _end_us(record: FetchedRecord) -> int:
    """Return when a record ends, as far as its labels tell; a wrong one is reported by others."""
    try:
        return integer_label(record, label.END_US, record.timestamp_us)
    except RecordError:
        return record.timestamp_us
