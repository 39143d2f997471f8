"""From messages to parcels: one open chunk a topic."""

from __future__ import annotations

from collections.abc import Iterator

from twinsight_recorder.raw.parcel import Parcel
from twinsight_recorder.raw.recorded_topic import RecordedTopic, Source
from twinsight_store.layout import entry_name, Record
from twinsight_store.record_builder import ChunkRules, RecordBuilder, TimestampAllocator
from twinsight_store.spool import Position


class _Open:
    """What is being packed of a topic; since_ns and spooled are of the open chunk."""

    def __init__(self, source: Source, builder: RecordBuilder) -> None:
        self.source = source
        self.builder = builder
        self.since_ns = 0
        self.spooled: Position | None = None


class Packing:
    """
    Gathers messages in records.

    A message of another source (mission, labels, channel) closes its topic's chunk, so labels
    change at that message.
    """

    def __init__(self, rules: ChunkRules) -> None:
        self._rules = rules
        self._topics: dict[RecordedTopic, _Open] = {}
        self._timestamps: dict[tuple[str, str], TimestampAllocator] = {}

    def add(
        self, source: Source, receive_ns: int, publish_ns: int, sequence: int, data: bytes,
        spooled: Position | None,
    ) -> list[Parcel]:
        """Take a message; return the parcels that are complete now."""
        opened = self._topics.get(source.topic)
        parcels: list[Parcel] = []
        if opened is None or opened.source is not source:
            if opened is not None:
                parcels = self._parcels(opened, opened.builder.flush())
            opened = self._topics[source.topic] = _Open(source, self._builder(source))
        builder = opened.builder
        was_open = builder.open_bytes > 0
        records = builder.add(receive_ns, publish_ns, sequence, data)
        if len(data) >= self._rules.single_record_bytes:
            parcels += self._parcels(opened, records[:-1])
            parcels.append(
                Parcel(records[-1], source.topic, source.bucket, receive_ns, spooled)
            )
        elif records or not was_open:
            parcels += self._parcels(opened, records)
            opened.since_ns, opened.spooled = receive_ns, spooled
        elif spooled is None:
            opened.spooled = None
        return parcels

    def close_old(self, now_ns: int) -> list[Parcel]:
        """Close the chunks that are older than the rules allow."""
        return [
            parcel for opened in self._topics.values()
            for parcel in self._parcels(opened, opened.builder.flush_older(now_ns))
        ]

    def close_all(self) -> list[Parcel]:
        """Close every chunk."""
        return [
            parcel for opened in self._topics.values()
            for parcel in self._parcels(opened, opened.builder.flush())
        ]

    def open_since(self) -> Iterator[tuple[int, Position | None]]:
        """Give receive time and place in the spool of each open chunk's beginning."""
        for opened in self._topics.values():
            if opened.builder.open_bytes:
                yield opened.since_ns, opened.spooled

    def _parcels(self, opened: _Open, records: list[Record]) -> list[Parcel]:
        source = opened.source
        return [
            Parcel(record, source.topic, source.bucket, opened.since_ns, opened.spooled)
            for record in records
        ]

    def _builder(self, source: Source) -> RecordBuilder:
        place = (source.bucket, entry_name(source.robot_id, source.channel.topic))
        timestamps = self._timestamps.setdefault(place, TimestampAllocator())
        return RecordBuilder(
            source.robot_id, source.channel, source.labels, self._rules, timestamps,
            compression=source.compression,
        )
