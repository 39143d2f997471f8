"""Messages of an MCAP file, in the order in which they lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import io
import struct

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel as McapChannel
from mcap.records import Schema as McapSchema
from mcap.records import Statistics
import zstandard

from twinsight_recorder.bags.bag_message import BagMessage
from twinsight_recorder.bags.mcap_records import chunk_records, chunk_span, file_records, RawRecord
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.times import format_span, format_time

_MESSAGE = struct.Struct('<HIQQ')


@dataclass
class _Losses:
    """What of a file could not be read; times in Unix ns."""

    cut_at: int | None = None
    ended: bool = False
    announced: int | None = None
    chunks: int = 0
    chunk_reason: str = ''
    first_ns: int = 0
    last_ns: int = 0
    unknown_channel: int = 0
    unpackable: int = 0
    malformed: int = 0

    def chunk(self, first_ns: int, last_ns: int, reason: str) -> None:
        self.first_ns = min(first_ns, self.first_ns) if self.chunks else first_ns
        self.last_ns = max(last_ns, self.last_ns)
        self.chunk_reason = self.chunk_reason or reason
        self.chunks += 1

    def clauses(self, read: int, last_ns: int) -> Iterator[str]:
        last = f', the last of {format_time(last_ns)}' if read else ''
        if not self.ended:
            where = 'lacks its end' if self.cut_at is None else f'is cut off at byte {self.cut_at}'
            yield f'{where}: what followed is missing; {read} messages were read{last}'
        elif self.announced is not None and self.announced != read:
            yield f'{read} of its {self.announced} messages can be read'
        if self.chunks:
            span = format_span(self.first_ns, self.last_ns)
            yield f'{self.chunks} damaged chunks are missing, {span} ({self.chunk_reason})'
        if self.unknown_channel:
            yield f'{self.unknown_channel} messages belong to channels that it does not describe'
        if self.unpackable:
            yield f'{self.unpackable} messages cannot be decompressed'
        if self.malformed:
            yield f'{self.malformed} records are damaged'


class McapBag:
    """Reads an MCAP file from its beginning to its end; an index is not needed."""

    def __init__(
        self,
        stream: io.BufferedReader,
        raw: io.BufferedReader,
        size: int | None,
        message_zstd: bool = False,
    ) -> None:
        """
        Take an open file.

        stream  the MCAP file; the same as raw unless raw is compressed
        size    of the stream, None where it is compressed
        """
        self.problems: list[str] = []
        self._stream = stream
        self._raw = raw
        self._size = size
        self._unzstd = zstandard.ZstdDecompressor() if message_zstd else None
        self._schemas: dict[int, McapSchema] = {}
        self._channels: dict[int, Channel] = {}
        self._read_summary = False
        self._losses = _Losses()

    @property
    def position(self) -> int:
        """Return how many bytes of the file, compressed as it is, were read."""
        return self._raw.tell()

    def messages(self) -> Iterator[BagMessage]:
        """Give every readable message once, in the order of the file."""
        read, last_ns = 0, 0
        for message in self._messages():
            read += 1
            last_ns = max(last_ns, message.receive_ns)
            yield message
        self.problems += self._losses.clauses(read, last_ns)

    def _messages(self) -> Iterator[BagMessage]:
        records = file_records(self._stream, self._size)
        while True:
            try:
                record = next(records, None)
            except (OSError, zstandard.ZstdError) as error:
                self.problems.append(f'cannot be read further: {error}')
                return
            if record is None:
                return
            if not record.whole:
                self._losses.cut_at = record.offset
            if record.opcode == Opcode.CHUNK:
                yield from self._in_chunk(record)
            elif record.whole and (message := self._take(record)):
                yield message

    def _in_chunk(self, chunk: RawRecord) -> Iterator[BagMessage]:
        try:
            for record in chunk_records(chunk):
                if message := self._take(record):
                    yield message
        except RecordError as error:
            self._losses.chunk(*chunk_span(chunk), str(error))

    def _take(self, record: RawRecord) -> BagMessage | None:
        """Return the message that a record is, or learn from it."""
        try:
            if record.opcode == Opcode.MESSAGE:
                return self._message(record.content)
            self._learn(record)
        except (McapError, ValueError, struct.error):
            self._losses.malformed += 1
        return None

    def _learn(self, record: RawRecord) -> None:
        if record.opcode == Opcode.SCHEMA:
            self._add_schema(McapSchema.read(ReadDataStream(io.BytesIO(record.content))))
        elif record.opcode == Opcode.CHANNEL:
            self._add_channel(McapChannel.read(ReadDataStream(io.BytesIO(record.content))))
        elif record.opcode == Opcode.STATISTICS:
            stream = ReadDataStream(io.BytesIO(record.content))
            self._losses.announced = Statistics.read(stream).message_count
        elif record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
            self._losses.ended = True

    def _message(self, content: memoryview) -> BagMessage | None:
        channel_id, sequence, log_ns, publish_ns = _MESSAGE.unpack_from(content)
        channel = self._channels.get(channel_id) or self._channel_of_summary(channel_id)
        if channel is None:
            self._losses.unknown_channel += 1
            return None
        data = bytes(content[_MESSAGE.size:])
        if self._unzstd:
            try:
                data = self._unzstd.decompress(data)
            except zstandard.ZstdError:
                self._losses.unpackable += 1
                return None
        return BagMessage(channel, log_ns, publish_ns, sequence, data)

    def _add_schema(self, schema: McapSchema) -> None:
        self._schemas.setdefault(schema.id, schema)

    def _add_channel(self, record: McapChannel) -> None:
        if record.id in self._channels:
            return
        if record.schema_id and record.schema_id not in self._schemas:
            self._learn_from_summary()
        schema = self._schemas.get(record.schema_id)
        self._channels[record.id] = Channel(
            record.topic,
            schema.name if schema else '',
            schema.encoding if schema else '',
            schema.data if schema else b'',
            record.message_encoding,
            record.metadata,
        )

    def _channel_of_summary(self, channel_id: int) -> Channel | None:
        self._learn_from_summary()
        return self._channels.get(channel_id)

    def _learn_from_summary(self) -> None:
        """Look channels and schemas up at the file's end: damage may have taken their place."""
        if self._read_summary or self._size is None:
            return
        self._read_summary = True
        here = self._stream.tell()
        try:
            self._stream.seek(0)
            summary = SeekingReader(self._stream).get_summary()
        except (McapError, ValueError, KeyError, EOFError, OSError, struct.error):
            summary = None  # the file has no whole end
        self._stream.seek(here)
        if summary:
            for schema in summary.schemas.values():
                self._add_schema(schema)
            for channel in summary.channels.values():
                self._add_channel(channel)
