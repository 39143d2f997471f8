"""
The numbered batches of a metrics recorder: written once, read by each sink at its own pace.

What is young lies in memory, everything in the spool too, where there is one. A sink that keeps
up reads from memory; one that was away reads from the spool and comes back to memory.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
import logging
import threading

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_store.errors import RecordError, SpoolError
from twinsight_store.metrics.batch import decode, Delivery, encode, MetricBatch, samples_in
from twinsight_store.spool import Position, Spool

MOST_AT_ONCE = 20_000
"""A sink gets about so many samples at a time, at most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    """A batch in memory; ``position`` is None where the spool does not have it."""

    delivery: Delivery
    size: int
    position: Position | None


@dataclass
class Reader:
    """
    How far one sink has come.

    number    the next batch that it takes, of this log's own
    position  where it goes on in the spool; None: what it takes next is in memory
    done      everything before this in the spool is settled
    dropped   samples that the full spool, or full memory, took away before it had them
    oldest_ns time of the oldest sample that it took and that is not settled; None for none
    """

    number: int = 1
    position: Position | None = None
    done: Position | None = None
    dropped: int = 0
    oldest_ns: int | None = None
    after: Position | None = None  # becomes ``done`` with what is under way
    taken: Counter[int] = field(default_factory=Counter)  # samples by segment


class MetricLog:
    """
    Batches by number; one thread appends, one thread a reader takes.

    spool_problem  what is wrong with the spool; '' while it works
    """

    def __init__(
        self, source: str, spool: JournalSettings, memory_bytes: int, readers: int
    ) -> None:
        """
        Open the spool; what an earlier process left there is taken first.

        source  names this run's numbering

        Raises SpoolError where another process uses the folder.
        """
        self.source = source
        self.readers = [Reader() for _ in range(readers)]
        self.spool_problem = ''
        self.earlier = 0
        self.limit_bytes = spool.limit_bytes
        self._keep_oldest = spool.keep_oldest
        self._memory_bytes = memory_bytes
        self._memory: deque[_Entry] = deque()
        self._held_bytes = 0
        self._number = 0
        self._samples: Counter[int] = Counter()  # by segment
        self._changed = threading.Condition()
        self._spool = Spool(spool.folder, spool.limit_bytes) if spool.limit_bytes else None
        if self._spool is not None and self._spool.size_bytes:
            self._find_earlier(self._spool)

    @property
    def spool_bytes(self) -> int:
        """Return what lies on the disk."""
        with self._changed:
            return self._spool.size_bytes if self._spool is not None else 0

    def append(self, batches: Iterable[MetricBatch]) -> None:
        """Keep batches, each with its number; what neither disk nor memory takes is counted."""
        with self._changed:
            for batch in batches:
                self._number += 1
                delivery = Delivery(self.source, self._number, batch)
                data = encode(delivery)
                position = self._write(data, len(batch))
                self._memory.append(_Entry(delivery, len(data), position))
                self._held_bytes += len(data)
            self._trim()
            self._changed.notify_all()

    def wait(self, reader: Reader, timeout_s: float) -> bool:
        """Wait until there is something to take; return whether there is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._has_more(reader), timeout_s)

    def wake(self) -> None:
        """End the waiting of all readers."""
        with self._changed:
            self._changed.notify_all()

    def take(self, reader: Reader, most: int = MOST_AT_ONCE) -> list[Delivery]:
        """Return what comes next, about so many samples; the same reader settles it by done()."""
        with self._changed:
            if reader.position is not None:
                try:
                    found = self._take_from_spool(reader, most)
                except SpoolError as error:
                    self.spool_problem = str(error)
                    self._leave_segment(reader, reader.position.segment)
                    return []
                if found or reader.position is not None:
                    return found
            return self._take_from_memory(reader, most)

    def done(self, reader: Reader) -> None:
        """Settle what the reader took last; release what all readers have settled."""
        with self._changed:
            reader.done = reader.after
            reader.oldest_ns = None
            self._trim()
            if self._spool is not None:
                self._release(self._spool)

    def is_settled(self, reader: Reader) -> bool:
        """Return whether the reader has settled all there is."""
        with self._changed:
            return not self._has_more(reader) and reader.oldest_ns is None

    def close(self) -> int:
        """
        Leave the rest to the next process; nothing where every reader has settled all.

        Return how many samples are lost with the memory: those that no disk has.
        """
        with self._changed:
            unsaved = sum(
                len(entry.delivery.batch) for entry in self._memory
                if entry.position is None
                and any(entry.delivery.number >= reader.number for reader in self.readers)
            )
            if self._spool is not None:
                settled = all(
                    not self._has_more(reader) and reader.oldest_ns is None
                    for reader in self.readers
                )
                if settled:
                    self._spool.clear()
                self._spool.close()
            return unsaved

    def _find_earlier(self, spool: Spool) -> None:
        for payload, after in spool.read(spool.start):
            self._samples[after.segment] += samples_in(payload)
        self.earlier = sum(self._samples.values())
        for reader in self.readers:
            reader.position = reader.done = spool.start

    def _has_more(self, reader: Reader) -> bool:
        return reader.position is not None or reader.number <= self._number

    def _write(self, data: bytes, samples: int) -> Position | None:
        spool = self._spool
        if spool is None:
            return None
        try:
            while not spool.room_for(len(data)):
                if self._keep_oldest or not self._drop_oldest(spool):
                    self.spool_problem = f'spool {spool.folder}: full ({spool.limit_bytes} bytes)'
                    return None
            spool.next_segment()
            begin = spool.end
            spool.append([(b'', data)])
        except SpoolError as error:
            self.spool_problem = str(error)
            return None
        if self.spool_problem and not self._is_dropping(spool):
            self.spool_problem = ''
        self._samples[spool.end.segment] += samples
        return begin

    def _is_dropping(self, spool: Spool) -> bool:
        return not spool.room_for(spool.segment_bytes)

    def _drop_oldest(self, spool: Spool) -> bool:
        segment = spool.drop_oldest()
        if segment is None:
            spool.roll()
            segment = spool.drop_oldest()
            if segment is None:
                return False
        self.spool_problem = (
            f'spool {spool.folder}: full ({spool.limit_bytes} bytes), the oldest samples are '
            'dropped'
        )
        for reader in self.readers:
            if reader.position is not None and reader.position.segment <= segment:
                self._leave_segment(reader, segment)
        del self._samples[segment]
        return True

    def _leave_segment(self, reader: Reader, segment: int) -> None:
        """Go on behind a segment that is gone, or cannot be read."""
        reader.dropped += max(0, self._samples[segment] - reader.taken.pop(segment, 0))
        reader.position = Position(segment + 1, 0)

    def _take_from_memory(self, reader: Reader, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        samples = 0
        for entry in self._memory:
            if entry.delivery.number < reader.number:
                continue
            if taken and samples >= most:
                break
            taken.append(entry.delivery)
            samples += max(1, len(entry.delivery.batch))
            reader.number = entry.delivery.number + 1
            if entry.position is not None:
                reader.taken[entry.position.segment] += len(entry.delivery.batch)
        self._note(reader, taken)
        return taken

    def _take_from_spool(self, reader: Reader, most: int) -> list[Delivery]:
        assert self._spool is not None and reader.position is not None
        taken: list[Delivery] = []
        samples = 0
        first = self._memory[0].delivery.number if self._memory else self._number + 1
        for payload, after in self._spool.read(reader.position):
            try:
                delivery = decode(bytes(payload))
            except RecordError as error:
                _log.warning('spool %s: %s', self._spool.folder, error)
                reader.position = after
                continue
            own = delivery.source == self.source
            if own and delivery.number >= first:
                break  # memory has it
            if not own or delivery.number >= reader.number:
                taken.append(delivery)
                samples += max(1, len(delivery.batch))
                reader.taken[after.segment] += len(delivery.batch)
            if own:
                reader.number = max(reader.number, delivery.number + 1)
            reader.position = after
            if samples >= most:
                self._note(reader, taken)
                return taken
        reader.position = None  # the rest is in memory
        reader.number = max(reader.number, first)
        self._note(reader, taken)
        return taken

    def _note(self, reader: Reader, taken: list[Delivery]) -> None:
        """Remember what is under way, and up to where the spool is settled with it."""
        times = [int(each.batch.times[0]) for each in taken if len(each.batch)]
        reader.oldest_ns = min(times, default=0) if taken else None
        reader.after = self._position_of(reader)

    def _position_of(self, reader: Reader) -> Position | None:
        """Return where in the spool lies what the reader takes next."""
        if self._spool is None or reader.position is not None:
            return reader.position
        for entry in self._memory:
            if entry.delivery.number >= reader.number and entry.position is not None:
                return entry.position
        return self._spool.end

    def _trim(self) -> None:
        """Take out of memory what all have; beyond its bound what is on disk, or is lost."""
        next_of_all = min((reader.number for reader in self.readers), default=0)
        while self._memory and self._memory[0].delivery.number < next_of_all:
            self._held_bytes -= self._memory.popleft().size
        while self._memory and self._held_bytes > self._memory_bytes:
            entry = self._memory.popleft()
            self._held_bytes -= entry.size
            on_disk = self._is_on_disk(entry.position)
            for reader in self.readers:
                if entry.delivery.number < reader.number:
                    continue
                if not on_disk:
                    reader.dropped += len(entry.delivery.batch)
                if reader.position is None:
                    reader.position = entry.position if on_disk else None
                    reader.number = entry.delivery.number + (not on_disk)

    def _is_on_disk(self, position: Position | None) -> bool:
        spool = self._spool
        return spool is not None and position is not None and position >= spool.start

    def _release(self, spool: Spool) -> None:
        needed = [reader.done for reader in self.readers]
        settled = [position for position in needed if position is not None]
        if len(settled) == len(needed) and settled:
            position = min(settled)
            spool.release(position)
            for segment in [each for each in self._samples if each < position.segment]:
                del self._samples[segment]
                for reader in self.readers:
                    reader.taken.pop(segment, None)
