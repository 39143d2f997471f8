"""The plan of a file: where every byte of it comes from, before any of it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import blake2b
import struct

from mcap.opcode import Opcode
from mcap.records import ChunkIndex, Metadata, MetadataIndex, Statistics

from twinsight_bridge.remote_file.ahead import ahead
from twinsight_bridge.remote_file.chunk_table import ChunkTable, digest_of
from twinsight_bridge.remote_file.file_channels import FileChannels
from twinsight_bridge.remote_file.file_sources import FileSources
from twinsight_bridge.remote_file.mcap_bytes import (
    CHUNK_HEAD_SIZE,
    ending,
    index_size,
    message_head,
    packed,
    START,
)
from twinsight_bridge.remote_file.settings import FileSettings
from twinsight_replay.mcap_file import needs_rosbag2_record, ROSBAG2
from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.message import Message

_LAYOUT = b'twinsight file 1'
"""Part of every version: what is laid out in another way is another file."""


@dataclass(frozen=True)
class FilePlan:
    """
    A file that can be read from any place.

    version   the same wherever the file is the same, byte for byte; other data has another one
    size      of the file
    start_ns  receive time of its first message
    end_ns    and of its last
    messages  how many there are
    channels  of the file
    chunks    where they lie
    data_end  where they end in the file
    ending    all that follows them
    sources   where their messages come from
    """

    version: str
    start_ns: int
    end_ns: int
    messages: int
    channels: FileChannels
    chunks: ChunkTable
    data_end: int
    ending: bytes
    sources: FileSources

    @property
    def size(self) -> int:
        """Return the size of the file."""
        return self.data_end + len(self.ending)

    @property
    def size_bytes(self) -> int:
        """Return how much memory the plan takes, about."""
        return self.chunks.size_bytes + len(self.ending)

    @property
    def etag(self) -> str:
        """Return the version as a strong entity tag."""
        return f'"{self.version}"'


async def make_plan(
    sources: FileSources, settings: FileSettings, whole: bool = False
) -> FilePlan:
    """
    Return the plan of a file.

    Of messages that are records of their own only labels and sizes are read, the others whole:
    their number and sizes are nowhere else.

    whole  read all messages: what cannot be read is left out of the file

    Raises NothingMatchedError, StoreUnavailableError, StoreRefusedError; ConfigurationError where
    the file is too large; RecordError where a message cannot be in an MCAP file.
    """
    planner = _Planner(FileChannels(sources.robots), settings)
    async with aclosing(ahead(sources.counting(whole).batches())) as batches:
        async for batch in batches:
            planner.add(batch.messages)
    if planner.is_empty:
        raise await sources.nothing()
    return planner.finished(sources)


class _Planner:
    """Takes the messages of a file in their order."""

    def __init__(self, channels: FileChannels, settings: FileSettings) -> None:
        self._channels = channels
        self._settings = settings
        self._chunks = ChunkTable()
        self._indexes = bytearray()
        self._at = len(START)
        self._totals: Counter[int] = Counter()
        self._version = blake2b(_LAYOUT, digest_size=16)
        self._first_ns = self._skip = self._known = 0
        self._last_ns = 0
        self._same = 0  # so many messages before the last one have its time
        self._open()

    def _open(self) -> None:
        """Begin a chunk."""
        self._size = 0
        self._ids: list[int] = []
        self._heads: list[bytes] = []
        self._read: list[bytes] = []

    @property
    def is_empty(self) -> bool:
        """Return whether no message was taken."""
        return not self._ids and not len(self._chunks)

    def add(self, messages: Sequence[Message]) -> None:
        """Take the next messages."""
        channels, most = self._channels, self._settings.chunk_bytes
        known_id, introduced = channels.known, channels.channels
        for channel, receive_ns, publish_ns, sequence, data, labels in messages:
            known, introduction = len(introduced), 0
            channel_id = known_id(channel, labels)
            if channel_id is None:
                channel_id, introduction = channels.add(channel, labels)
            try:
                head = message_head(channel_id, receive_ns, publish_ns, sequence, len(data))
            except struct.error as error:
                raise RecordError(
                    f'{channel.topic}: a message received at {receive_ns} ns and published at '
                    f'{publish_ns} ns cannot be in an MCAP file, whose times begin with 1970'
                ) from error
            size = introduction + len(head) + len(data)
            if self._ids and self._size + size > most:
                self._close()
            self._same = self._same + 1 if receive_ns == self._last_ns else 0
            self._last_ns = receive_ns
            if not self._ids:
                self._first_ns, self._skip, self._known = receive_ns, self._same, known
            self._size += size
            self._ids.append(channel_id)
            self._heads.append(head)
            if type(data) is bytes:
                self._read.append(data)

    def _close(self) -> None:
        """Put the open chunk into the table, and its record into the index."""
        digest = digest_of(b''.join(self._heads))
        self._version.update(digest.to_bytes(8, 'little'))
        self._version.update(b''.join(self._read))
        self._chunks.add(
            self._at, self._first_ns, self._skip, len(self._ids), digest, self._known
        )
        length = CHUNK_HEAD_SIZE + self._size
        index_at = end = self._at + length
        places = {}
        for channel_id, count in sorted(Counter(self._ids).items()):
            self._totals[channel_id] += count
            places[channel_id] = end
            end += index_size(count)
        self._indexes += packed(ChunkIndex(
            message_start_time=self._first_ns, message_end_time=self._last_ns,
            chunk_start_offset=self._at, chunk_length=length, message_index_offsets=places,
            message_index_length=end - index_at, compression='', compressed_size=self._size,
            uncompressed_size=self._size,
        ))
        self._at = end
        if self._chunks.size_bytes + len(self._indexes) > self._settings.plan_bytes:
            raise ConfigurationError(
                f'--from: the selection is too large for one file, which would have more than '
                f'{self._at / 1e9:.1f} GB: select a shorter time'
            )
        self._open()

    def finished(self, sources: FileSources) -> FilePlan:
        """Return the plan when all messages were taken."""
        self._close()
        totals, channels = self._totals, self._channels
        extra: list[bytes] = [b'', b'']
        if needs_rosbag2_record(channels.sources):
            extra[0] = packed(Metadata(name=ROSBAG2, metadata={}))
            extra[1] = packed(
                MetadataIndex(offset=self._at, length=len(extra[0]), name=ROSBAG2)
            )
        statistics = Statistics(
            message_count=sum(totals.values()), schema_count=len(channels.schemas),
            channel_count=len(channels.channels), attachment_count=0,
            metadata_count=len(extra[0]) > 0, chunk_count=len(self._chunks),
            message_start_time=self._chunks.starts_ns[0], message_end_time=self._last_ns,
            channel_message_counts=totals,
        )
        end = extra[0] + ending(self._at + len(extra[0]), (
            (Opcode.SCHEMA, packed(*channels.schemas)),
            (Opcode.CHANNEL, packed(*channels.channels)),
            (Opcode.STATISTICS, packed(statistics)),
            (Opcode.CHUNK_INDEX, bytes(self._indexes)),
            (Opcode.METADATA_INDEX, extra[1]),
        ))
        self._version.update(end)
        return FilePlan(
            self._version.hexdigest(), self._chunks.starts_ns[0], self._last_ns,
            statistics.message_count, channels, self._chunks, self._at, end, sources,
        )
