"""The messages of fetched records, each with the channel that it was recorded with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twinsight_store import chunk, compression, layout
from twinsight_store import labels as label
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Catalog
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.message import Message

_UNKNOWN = Channel('', '')


class RecordMessages:
    """Takes records apart; knows the channels of their entries, and learns new ones."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._channels: dict[str, dict[str, Channel]] = {}

    async def look_up(self, entries: Iterable[str]) -> None:
        """Look up the channels of entries."""
        self._channels.update(await self._catalog.channels(entries))

    def latest(self, entry: str) -> Channel | None:
        """Return the entry's latest channel, or None where nothing describes it."""
        return self._of(entry).get('')

    async def learn(self, record: FetchedRecord) -> None:
        """Look the entry's channels up again where the record names one that is new."""
        known = self._of(record.entry)
        if record.labels.get(label.CHANNEL, '') not in known:
            await self.look_up([record.entry])
            known = self._of(record.entry)
            known.setdefault(record.labels.get(label.CHANNEL, ''), _UNKNOWN)

    def of(self, record: FetchedRecord, labels: Mapping[str, str]) -> list[Message]:
        """
        Return a record's messages; learn() has seen it.

        labels  the record's, decoded, without the layout's own

        Raises RecordError, naming entry and time, where it cannot be read.
        """
        channel = self._channel(record)
        if record.content_type == layout.MCAP:
            return chunk.messages_of(
                record.data, channel, labels, record.entry, record.timestamp_us
            )
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
        receive_ns = integer_label(record, label.RECEIVE_NS, record.timestamp_us * 1000)
        return [
            Message(
                channel,
                receive_ns,
                integer_label(record, label.PUBLISH_NS, receive_ns),
                integer_label(record, label.SEQUENCE, 0),
                data,
                labels,
            )
        ]

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


def integer_label(record: FetchedRecord, name: str, default: int) -> int:
    """Return a label's number; raise RecordError where it is none."""
    text = record.labels.get(name)
    try:
        return default if text is None else int(text)
    except ValueError as error:
        raise RecordError(
            f'{record.entry}: label {name}={text!r} of the record at '
            f'{record.timestamp_us} µs is not a number'
        ) from error
