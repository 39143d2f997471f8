"""From bag files into the store: reading, cutting into records, writing, counting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from twinsight_recorder.bags.bag_files import BagFile
from twinsight_recorder.bags.bag_message import BagMessage
from twinsight_recorder.bags.bag_reader import open_bag
from twinsight_recorder.bags.bag_upload import BagUpload
from twinsight_recorder.bags.entry_batches import entry_batches
from twinsight_recorder.bags.import_report import ImportReport
from twinsight_store import layout
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.labels import record_labels
from twinsight_store.layout import Record
from twinsight_store.record_builder import ChunkRules, RecordBuilder, TimestampAllocator
from twinsight_store.selection import Selection
from twinsight_store.sensor_types import sensor_type_of
from twinsight_store.writer import StoreWriter


@dataclass(frozen=True)
class ImportRules:
    """
    What the bags' messages become in the store.

    topics      names or globs; empty takes every topic
    labels      further labels of every record
    patience_s  how long a store that goes away is asked again
    """

    robot_id: str
    mission_id: str
    topics: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.mission_id:
            raise ConfigurationError("mission '': accepted is any text but an empty one")
        if self.patience_s < 0:
            raise ConfigurationError(f'wait {self.patience_s:g}: accepted are 0 s and more')
        self.labels_of(Channel('/', ''))

    def labels_of(self, channel: Channel) -> dict[str, str]:
        """Return the encoded labels of a channel's records."""
        sensor = sensor_type_of(channel.type_name)
        return record_labels(self.robot_id, self.mission_id, sensor, self.labels)


class FileRecords:
    """
    Cuts the messages of one file into records.

    What it gives depends on the file and the rules only, never on other files or on what is
    stored: so an import that is repeated, or meets another one's records, finds its own again.
    """

    def __init__(self, rules: ImportRules) -> None:
        self._rules = rules
        self._selection = Selection(topics=rules.topics)
        self._builders: dict[Channel, RecordBuilder | None] = {}
        self._timestamps: dict[str, TimestampAllocator] = {}

    @property
    def channels(self) -> list[Channel]:
        """Return the channels that had messages so far and were selected."""
        return [channel for channel, builder in self._builders.items() if builder]

    def records(self, messages: Iterable[BagMessage]) -> Iterator[Record]:
        """Give the records in the order in which they are complete."""
        for channel, receive_ns, publish_ns, sequence, data in messages:
            try:
                builder = self._builders[channel]
            except KeyError:
                builder = self._builders[channel] = self._builder(channel)
            if builder:
                yield from builder.add(receive_ns, publish_ns, sequence, data)
        for builder in self._builders.values():
            if builder:
                yield from builder.flush()

    def _builder(self, channel: Channel) -> RecordBuilder | None:
        if not self._selection.has_topic(channel.topic):
            return None
        entry = layout.entry_name(self._rules.robot_id, channel.topic)
        return RecordBuilder(
            self._rules.robot_id,
            channel,
            self._rules.labels_of(channel),
            ChunkRules(),
            self._timestamps.setdefault(entry, TimestampAllocator()),
        )


async def import_files(
    files: Iterable[BagFile],
    rules: ImportRules,
    settings: StoreSettings,
    report: ImportReport,
    say: Callable[[str], None],
    advance: Callable[[BagFile, int], None],
) -> None:
    """
    Import files one after the other; what came of it goes into the report.

    advance is called with a file and how many bytes of it were read. A file that cannot be
    read is reported, the others are imported all the same.
    Raises StoreUnavailableError or StoreRefusedError where the store fails for good.
    """
    async with connect(settings) as connection:
        writer = StoreWriter(await connection.bucket(create=True), settings)
        upload = BagUpload(writer, rules.patience_s, report.count, say)
        try:
            for file in files:
                await _import_file(file, rules, upload, report, advance)
            await upload.finish()
        finally:
            await upload.cancel()


async def _import_file(
    file: BagFile,
    rules: ImportRules,
    upload: BagUpload,
    report: ImportReport,
    advance: Callable[[BagFile, int], None],
) -> None:
    cut = FileRecords(rules)
    try:
        with open_bag(file) as bag:
            async for batch in _in_thread(entry_batches(cut.records(bag.messages()))):
                await upload.put(batch)
                advance(file, bag.position)
            report.add_problems(file.path, bag.problems)
    except RecordError as error:
        report.add_problems(file.path, [str(error)])
    report.add_file(file.path, cut.channels)


async def _in_thread(items: Iterator[list[Record]]) -> AsyncIterator[list[Record]]:
    """Give what an iterator gives; it works in another thread while requests are under way."""
    while (item := await asyncio.to_thread(next, items, None)) is not None:
        yield item
