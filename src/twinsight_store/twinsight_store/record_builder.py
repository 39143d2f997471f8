"""From messages to records: small ones gather in chunks, big ones stay alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from twinsight_store import chunk, layout
from twinsight_store.channel import Channel
from twinsight_store.chunk import Timed
from twinsight_store.compression import check_compression
from twinsight_store.errors import ConfigurationError
from twinsight_store.layout import Record


@dataclass(frozen=True)
class ChunkRules:
    """
    When a chunk is closed, and which messages are records of their own.

    max_age_ns           longest time from its first to its last message, at most 60 s
    max_bytes            payload at which it is closed
    single_record_bytes  messages of this size and larger are not put into chunks
    """

    max_age_ns: int = 1_000_000_000
    max_bytes: int = 1_000_000
    single_record_bytes: int = layout.DEFAULT_SINGLE_RECORD_BYTES

    def __post_init__(self) -> None:
        if not 0 < self.max_age_ns <= layout.MAX_CHUNK_SPAN_NS:
            raise ConfigurationError(
                f'max_age_ns {self.max_age_ns}: accepted are 1 to {layout.MAX_CHUNK_SPAN_NS}'
            )
        if self.max_bytes <= 0 or self.single_record_bytes <= 0:
            raise ConfigurationError('max_bytes and single_record_bytes: accepted are 1 and more')


class TimestampAllocator:
    """
    Gives every record of an entry a microsecond of its own.

    Where one is taken the later record moves up by 1 µs. Remembers the last ``memory``
    timestamps; older collisions are found by the store itself.
    """

    def __init__(self, memory: int = layout.MAX_ALLOCATED_SHIFT_US) -> None:
        self._order: deque[int] = deque(maxlen=memory)
        self._taken: set[int] = set()

    def allocate(self, timestamp_us: int) -> int:
        """Return the first free microsecond from the given one on."""
        while timestamp_us in self._taken:
            timestamp_us += 1
        if len(self._order) == self._order.maxlen:
            self._taken.discard(self._order[0])
        self._order.append(timestamp_us)
        self._taken.add(timestamp_us)
        return timestamp_us


class RecordBuilder:
    """
    Turns the messages of one channel of one robot into records, in the order they come.

    Not thread-safe. Messages may come out of order; one too far back closes the open chunk.
    """

    def __init__(
        self,
        robot_id: str,
        channel: Channel,
        labels: Mapping[str, str],
        rules: ChunkRules,
        timestamps: TimestampAllocator | None = None,
        *,
        compression: str = '',
    ) -> None:
        """
        Make one.

        labels       encoded
        timestamps   shared by the builders of one entry
        compression  of messages that are records of their own: '' or 'zstd'
        """
        self.entry = layout.entry_name(robot_id, channel.topic)
        self.channel = channel
        self._labels = dict(labels)
        self._rules = rules
        self._compression = check_compression(compression)
        self._timestamps = timestamps or TimestampAllocator()
        self._open: list[Timed] = []
        self._open_bytes = 0
        self._first_ns = 0
        self._last_ns = 0

    @property
    def open_bytes(self) -> int:
        """Return the payload that waits in the open chunk."""
        return self._open_bytes

    def add(self, receive_ns: int, publish_ns: int, sequence: int, data: bytes) -> list[Record]:
        """Take a message; return the records that are complete now (0, 1 or 2)."""
        records = []
        if self._open and self._closes(receive_ns, len(data)):
            records += self.flush()
        if len(data) >= self._rules.single_record_bytes:
            single = layout.cdr_record(
                self.entry, self.channel, receive_ns, publish_ns, sequence, data, self._labels,
                self._compression,
            )
            records.append(self._timed(single))
            return records
        if self._open:
            self._first_ns = min(self._first_ns, receive_ns)
            self._last_ns = max(self._last_ns, receive_ns)
        else:
            self._first_ns = self._last_ns = receive_ns
        self._open.append(Timed(receive_ns, publish_ns, sequence, data))
        self._open_bytes += len(data)
        return records

    def flush(self) -> list[Record]:
        """Close the open chunk; return it, or nothing where none is open."""
        if not self._open:
            return []
        record = chunk.pack(self.entry, self.channel, self._open, self._labels)
        self._open, self._open_bytes = [], 0
        return [self._timed(record)]

    def flush_older(self, now_ns: int) -> list[Record]:
        """Close the open chunk where its first message is older than the rules allow."""
        aged = self._open and now_ns - self._first_ns >= self._rules.max_age_ns
        return self.flush() if aged else []

    def relabel(self, labels: Mapping[str, str]) -> list[Record]:
        """Use other labels from the next message on; return the chunk that this closes."""
        records = self.flush()
        self._labels = dict(labels)
        return records

    def _closes(self, receive_ns: int, size: int) -> bool:
        span = max(self._last_ns, receive_ns) - min(self._first_ns, receive_ns)
        return (
            span >= self._rules.max_age_ns
            or self._open_bytes + size > self._rules.max_bytes
        )

    def _timed(self, record: Record) -> Record:
        return record._replace(timestamp_us=self._timestamps.allocate(record.timestamp_us))
