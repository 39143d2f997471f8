"""Reading a selection: lazily, in time order, with the exact times and bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
import logging

from twinsight_store import chunk, compression, layout
from twinsight_store import labels as label
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Catalog, Entry
from twinsight_store.channel import Channel
from twinsight_store.connection import Connection
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.message import Message
from twinsight_store.record_query import fetch, fetch_windows, first_timestamp, Window
from twinsight_store.selection import all_of, Selection
from twinsight_store.time_order import TimeOrder

_SPAN_SAMPLES = 1000

_log = logging.getLogger(__name__)


class StoreReader:
    """
    Reads selections from the connection's buckets, as if all were one.

    Of several, one that is not there is logged and the others are read.

    on_bad_record is called for each record that cannot be read; reading goes on.
    """

    def __init__(
        self,
        connection: Connection,
        on_bad_record: Callable[[RecordError], object] = lambda error: _log.warning('%s', error),
    ) -> None:
        self._connection = connection
        self._catalog = Catalog(connection)
        self.on_bad_record = on_bad_record
        self._channels: dict[str, dict[str, Channel]] = {}

    async def batches(self, selection: Selection) -> AsyncIterator[list[Message]]:
        """
        Give the selected messages in time order, some at a time.

        Keeps in memory what the open chunks of the selected topics hold, however much is
        selected. Raises NothingMatchedError, which says what there is, where nothing matches.
        """
        entries = await self._entries(selection)
        for name in await self._connection.absent():
            _log.warning(
                'ReductStore at %s has no bucket %r: reading the others',
                self._connection.settings.url, name,
            )
        order = TimeOrder()
        found = False
        async for window in self._windows(entries, selection):
            for record in window.records:
                await self._learn(record)
                order.add(record.entry, record.timestamp_us, self._selected(record, selection))
            if ready := order.take_before((window.end_us - layout.MAX_SHIFT_US) * 1000):
                found = True
                yield ready
        if rest := order.take_before():
            found = True
            yield rest
        if not found:
            raise await self._nothing(selection)

    async def channels(self, selection: Selection) -> list[tuple[str, Channel]]:
        """Return robot and latest channel of each topic that may hold selected messages."""
        return [
            (entry.robot_id, channels[''])
            for entry in await self._entries(selection)
            if '' in (channels := self._of(entry.name))
        ]

    async def span(self, selection: Selection) -> tuple[int, int]:
        """
        Return when the selected messages begin and end (Unix ns), to within a chunk.

        Asks for labels only. Raises NothingMatchedError as batches() does.
        """
        entries = await self._entries(selection)
        names = [entry.name for entry in entries]
        when = selection.condition()
        start_us, stop_us = _bounds(entries, selection)
        known = await self._reaching_in(names, selection, start_us, head=True)
        first_us: int | None = start_us
        if not known:
            first_us = await first_timestamp(self._connection, names, start_us, stop_us, when)
        if first_us is None:
            raise await self._nothing(selection)
        step_s = max(1, (stop_us - first_us) // 1_000_000 // _SPAN_SAMPLES)
        samples = await fetch(
            self._connection, names, first_us, stop_us, all_of(when, {'$each_t': step_s}),
            head=True,
        )
        near_us = max((record.timestamp_us for record in samples), default=first_us)
        known += await fetch(self._connection, names, near_us, stop_us, when, head=True)
        last_us = max(
            (_integer(record, label.END_US, record.timestamp_us) for record in known),
            default=near_us,
        )
        return (
            max(first_us * 1000, selection.from_ns or 0),
            min(last_us * 1000 + 999, selection.to_ns or last_us * 1000 + 999),
        )

    async def _nothing(self, selection: Selection) -> NothingMatchedError:
        there = await self._catalog.describe(selection)
        return NothingMatchedError(f'nothing matches {selection.describe()}; there is {there}')

    async def _entries(self, selection: Selection) -> list[Entry]:
        """Return the entries to ask, after looking up their channels."""
        reach_us = layout.MAX_CHUNK_SPAN_NS // 1000
        candidates = [
            entry
            for entry in await self._catalog.entries()
            if selection.has_robot(entry.robot_id)
            and (selection.from_ns or 0) // 1000 <= entry.latest_us + reach_us
            and (selection.to_ns is None or entry.oldest_us * 1000 <= selection.to_ns)
        ]
        self._channels.update(
            await self._catalog.channels(entry.name for entry in candidates)
        )
        return [entry for entry in candidates if selection.has_topic(self._topic(entry.name))]

    async def _windows(
        self, entries: list[Entry], selection: Selection
    ) -> AsyncIterator[Window]:
        """Give the records that may hold selected messages."""
        if not entries:
            return
        names = [entry.name for entry in entries]
        when = selection.condition()
        start_us, stop_us = _bounds(entries, selection)
        yield Window(await self._reaching_in(names, selection, start_us), start_us)
        async for window in fetch_windows(self._connection, names, start_us, stop_us, when):
            yield window

    async def _reaching_in(
        self, names: list[str], selection: Selection, start_us: int, head: bool = False
    ) -> list[FetchedRecord]:
        """Return the chunks from before the span whose last messages may lie in it."""
        if selection.from_ns is None:
            return []
        reaches_in = all_of({f'&{label.END_US}': {'$gte': start_us}}, selection.condition())
        reach_us = max(0, start_us - layout.MAX_CHUNK_SPAN_NS // 1000)
        return await fetch(self._connection, names, reach_us, start_us, reaches_in, head)

    def _selected(self, record: FetchedRecord, selection: Selection) -> list[Message]:
        """Return the record's messages that are selected; report it where it cannot be read."""
        labels = label.user_labels(record.labels)
        if not selection.has_labels(labels):
            return []
        try:
            messages = self._messages(record, labels)
        except RecordError as error:
            self.on_bad_record(error)
            return []
        if selection.from_ns is None and selection.to_ns is None:
            return messages
        return [message for message in messages if selection.has_time(message.receive_ns)]

    def _messages(self, record: FetchedRecord, labels: Mapping[str, str]) -> list[Message]:
        channel = self._channel(record)
        if record.content_type == layout.MCAP:
            return [
                Message(channel, *timed, labels)
                for timed in chunk.unpack(record.data, record.entry, record.timestamp_us)
            ]
        data = record.data
        if record.content_type == layout.CDR_ZSTD:
            data = compression.unpack(
                data, record.payload_bytes, record.entry, record.timestamp_us
            )
        elif record.content_type != layout.CDR:
            raise RecordError(
                f'{record.entry}: the record at {record.timestamp_us} µs is of the unknown kind '
                f'{record.content_type!r}'
            )
        receive_ns = _integer(record, label.RECEIVE_NS, record.timestamp_us * 1000)
        return [
            Message(
                channel,
                receive_ns,
                _integer(record, label.PUBLISH_NS, receive_ns),
                _integer(record, label.SEQUENCE, 0),
                data,
                labels,
            )
        ]

    async def _learn(self, record: FetchedRecord) -> None:
        """Look the entry's channels up again where the record names one that is new."""
        known = self._of(record.entry)
        if record.labels.get(label.CHANNEL, '') not in known:
            self._channels.update(await self._catalog.channels([record.entry]))
            known = self._of(record.entry)
            known.setdefault(record.labels.get(label.CHANNEL, ''), _UNKNOWN)

    def _channel(self, record: FetchedRecord) -> Channel:
        channel = self._of(record.entry).get(record.labels.get(label.CHANNEL, ''), _UNKNOWN)
        if channel is not _UNKNOWN:
            return channel
        if record.content_type == layout.MCAP:
            return chunk.channel_of(record.data, record.entry, record.timestamp_us)
        raise RecordError(
            f'{record.entry}: the type of its messages is not known: '
            f'no {layout.ATTACHMENT} attachment of the entry describes it'
        )

    def _of(self, entry: str) -> dict[str, Channel]:
        return self._channels.setdefault(entry, {})

    def _topic(self, entry: str) -> str:
        latest = self._of(entry).get('')
        return latest.topic if latest else '/' + entry.split('/', 1)[1]


_UNKNOWN = Channel('', '')


def _bounds(entries: list[Entry], selection: Selection) -> tuple[int, int]:
    """Return the timestamps (µs) from and before which records of the span may lie."""
    start_us = min((entry.oldest_us for entry in entries), default=0)
    stop_us = max((entry.latest_us for entry in entries), default=0) + 1
    if selection.from_ns is not None:
        start_us = max(start_us, selection.from_ns // 1000)
    if selection.to_ns is not None:
        stop_us = min(stop_us, -(-selection.to_ns // 1000) + layout.MAX_SHIFT_US)
    return start_us, stop_us


def _integer(record: FetchedRecord, name: str, default: int) -> int:
    text = record.labels.get(name)
    try:
        return default if text is None else int(text)
    except ValueError as error:
        raise RecordError(
            f'{record.entry}: label {name}={text!r} of the record at '
            f'{record.timestamp_us} µs is not a number'
        ) from error


