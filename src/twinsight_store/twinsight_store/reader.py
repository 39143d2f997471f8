"""Reading a selection: lazily, in time order, with the exact times and bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
import logging

from twinsight_store import chunk, layout
from twinsight_store import labels as label
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Catalog
from twinsight_store.channel import Channel
from twinsight_store.connection import Connection
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.message import Message
from twinsight_store.record_query import fetch_records
from twinsight_store.selection import all_of, Selection
from twinsight_store.time_order import TimeOrder

_BATCH_MESSAGES = 200

_log = logging.getLogger(__name__)


class StoreReader:
    """
    Reads selections from one bucket.

    on_bad_record is called for each record that cannot be read; reading goes on.
    """

    def __init__(
        self,
        connection: Connection,
        on_bad_record: Callable[[RecordError], None] = lambda error: _log.warning('%s', error),
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
        order = TimeOrder()
        found = False
        async for record in self._records(entries, selection):
            order.add(record.entry, record.timestamp_us, self._selected(record, selection))
            if len(order) >= _BATCH_MESSAGES:
                horizon_ns = (record.timestamp_us - layout.MAX_SHIFT_US) * 1000
                if ready := order.take_before(horizon_ns):
                    found = True
                    yield ready
        if rest := order.take_before():
            found = True
            yield rest
        if not found:
            there = await self._catalog.describe(selection)
            raise NothingMatchedError(f'nothing matches {selection.describe()}; there is {there}')

    async def channels(self, selection: Selection) -> list[Channel]:
        """Return the channels of the entries that may hold selected messages."""
        entries = await self._entries(selection)
        return list(
            {channel.id: channel for entry in entries for channel in self._of(entry).values()}
            .values()
        )

    async def span(self, selection: Selection) -> tuple[int, int]:
        """Return bounds (Unix ns) in which all selected messages lie, without reading them."""
        names = set(await self._entries(selection))
        entries = [entry for entry in await self._catalog.entries() if entry.name in names]
        if not entries:
            return (selection.from_ns or 0, selection.to_ns or 0)
        start_ns = min(entry.oldest_us for entry in entries) * 1000
        end_ns = max(entry.latest_us for entry in entries) * 1000 + 1_000_000_000
        return (
            max(start_ns, selection.from_ns or start_ns),
            min(end_ns, selection.to_ns or end_ns),
        )

    async def _entries(self, selection: Selection) -> list[str]:
        """Return the entries to ask, after looking up their channels."""
        reach_us = layout.MAX_CHUNK_SPAN_NS // 1000
        from_us = (selection.from_ns or 0) // 1000 - reach_us
        to_us = None if selection.to_ns is None else selection.to_ns // 1000 + layout.MAX_SHIFT_US
        candidates = [
            entry.name
            for entry in await self._catalog.entries()
            if selection.has_robot(entry.robot_id)
            and entry.latest_us >= from_us
            and (to_us is None or entry.oldest_us <= to_us)
        ]
        self._channels.update(await self._catalog.channels(candidates))
        return [entry for entry in candidates if selection.has_topic(self._topic(entry))]

    async def _records(
        self, entries: list[str], selection: Selection
    ) -> AsyncIterator[FetchedRecord]:
        if not entries:
            return
        condition = selection.condition()
        start_us = None if selection.from_ns is None else selection.from_ns // 1000
        stop_us = None
        if selection.to_ns is not None:
            stop_us = -(-selection.to_ns // 1000) + layout.MAX_SHIFT_US
        if start_us is not None:
            reaching_in = all_of(condition, {f'&{label.END_US}': {'$gte': start_us}})
            async for record in fetch_records(
                self._connection, entries,
                max(0, start_us - layout.MAX_CHUNK_SPAN_NS // 1000), start_us, reaching_in,
            ):
                yield record
        async for record in fetch_records(
            self._connection, entries, start_us, stop_us, condition
        ):
            await self._learn(record)
            yield record

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
        if record.content_type != layout.CDR:
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
                record.data,
                labels,
            )
        ]

    async def _learn(self, record: FetchedRecord) -> None:
        """Look the entry's channels up again where the record names one that is new."""
        known = self._of(record.entry)
        if record.labels.get(label.CHANNEL, '') not in known:
            self._channels.update(await self._catalog.channels([record.entry]))
            known = self._of(record.entry)
            known.setdefault(record.labels.get(label.CHANNEL, ''), known.get('', _UNKNOWN))

    def _channel(self, record: FetchedRecord) -> Channel:
        channel = self._of(record.entry).get(record.labels.get(label.CHANNEL, ''), _UNKNOWN)
        if channel is not _UNKNOWN:
            return channel
        if record.content_type == layout.MCAP:
            return chunk.channel_of(record.data, record.entry, record.timestamp_us)
        raise RecordError(
            f'{record.entry}: the type of its messages is not known: '
            f'the entry has no {layout.ATTACHMENT} attachment'
        )

    def _of(self, entry: str) -> dict[str, Channel]:
        return self._channels.setdefault(entry, {})

    def _topic(self, entry: str) -> str:
        latest = self._of(entry).get('')
        return latest.topic if latest else '/' + entry.split('/', 1)[1]


_UNKNOWN = Channel('', '')


def _integer(record: FetchedRecord, name: str, default: int) -> int:
    text = record.labels.get(name)
    try:
        return default if text is None else int(text)
    except ValueError as error:
        raise RecordError(
            f'{record.entry}: label {name}={text!r} of the record at '
            f'{record.timestamp_us} µs is not a number'
        ) from error


