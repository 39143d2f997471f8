"""
The numbered batches of a metrics recorder: written once, read by each sink at its own pace.

What is young lies in memory, everything in the spool too, where there is one. A sink that keeps
up reads from memory; one that was away reads from the spool and comes back to memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
import logging
import threading
import time

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.metrics.metric_spool import MetricSpool
from twinsight_recorder.metrics.reader import Reader
from twinsight_store.errors import RecordError, SpoolError
from twinsight_store.metrics.batch import decode, Delivery, encode, MetricBatch, samples_in
from twinsight_store.spool import Position

MOST_AT_ONCE = 50_000
"""A sink gets about so many samples at a time, at most."""

_IN_MEMORY = 2
"""A batch takes so many times the memory that its bytes do on the disk."""

_MOST_FAILURES = 5
_MARK_S = 1.0
_MOST_MARKS = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    """A batch in memory; ``position`` is None where the spool does not have it."""

    delivery: Delivery
    size: int
    position: Position | None
    at_s: float


class MetricLog:
    """
    Batches by number; one thread opens it and appends, one thread a reader takes.

    earlier  samples that an earlier process left in the spool
    """

    def __init__(
        self, source: str, spool: JournalSettings, memory_bytes: int, readers: int
    ) -> None:
        """
        Open the spool; open() has to follow before anything is taken.

        source  names this run's numbering

        Raises SpoolError where the folder cannot be used.
        """
        self.source = source
        self.readers = [Reader() for _ in range(readers)]
        self.earlier = 0
        self.limit_bytes = spool.limit_bytes
        self._memory_bytes = memory_bytes
        self._memory: dict[int, _Entry] = {}
        self._held_bytes = 0
        self._number = 0
        self._marks: deque[tuple[int, float]] = deque([(0, time.monotonic())])
        self._is_open = False
        self._changed = threading.Condition()
        self._spool = MetricSpool(spool, self._leave_segment) if spool.limit_bytes else None

    @property
    def spool_bytes(self) -> int:
        """Return what lies on the disk."""
        return self._spool.size_bytes if self._spool is not None else 0

    @property
    def spool_problem(self) -> str:
        """Return what is wrong with the spool; '' while it works."""
        return self._spool.problem if self._spool is not None else ''

    def open(self) -> None:
        """Find what an earlier process left: it is taken first. May read for some seconds."""
        if self._spool is not None and self._spool.size_bytes:
            try:
                self.earlier = self._spool.count()
            except SpoolError as error:
                self._spool.problem = str(error)
            for reader in self.readers:
                reader.position = reader.released = self._spool.start
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def append(self, batches: Iterable[MetricBatch]) -> None:
        """Keep batches, each with its number; what neither disk nor memory takes is counted."""
        now_s = time.monotonic()
        with self._changed:
            for batch in batches:
                self._number += 1
                delivery = Delivery(self.source, self._number, batch)
                data = encode(delivery)
                position = None
                if self._spool is not None:
                    position = self._spool.write(data, len(batch))
                entry = _Entry(delivery, _IN_MEMORY * len(data), position, now_s)
                self._memory[self._number] = entry
                self._held_bytes += entry.size
            self._mark(now_s)
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
        """
        Return what comes next, about so many samples; the same reader settles it by done().

        Nothing where the spool cannot be read at the moment.
        """
        with self._changed:
            if reader.position is not None:
                found = self._take_from_spool(reader, most)
                if found or reader.position is not None:
                    return found
            return self._take_from_memory(reader, most)

    def done(self, reader: Reader) -> None:
        """Settle what the reader took last; release what all readers have settled."""
        with self._changed:
            reader.settle()
            self._trim()
            released = [each.released for each in self.readers if each.released is not None]
            if self._spool is not None and self._is_open and len(released) == len(self.readers):
                position = min(released)
                self._spool.release(position)
                for each in self.readers:
                    for segment in [old for old in each.taken if old < position.segment]:
                        del each.taken[segment]

    def is_settled(self, reader: Reader) -> bool:
        """Return whether the reader has settled all there is."""
        with self._changed:
            return not self._has_more(reader) and not reader.is_busy

    def lag_s(self, reader: Reader) -> float:
        """Return for how long the oldest batch waits that the reader has not settled (s)."""
        with self._changed:
            if reader.position is None and reader.settled > self._number:
                return 0.0
            entry = self._memory.get(reader.settled)
            since_s = self._marks[0][1] if entry is None else entry.at_s
            if entry is None:
                for number, at_s in self._marks:
                    if number > reader.settled:
                        break
                    since_s = at_s
            return time.monotonic() - since_s

    def close(self) -> int:
        """
        Leave the rest to the next process; nothing where every reader has settled all.

        Return how many samples are lost with the memory: those that no disk has. What a reader
        settles afterwards changes nothing.
        """
        with self._changed:
            first = min((reader.settled for reader in self.readers), default=0)
            unsaved = sum(
                len(entry.delivery.batch) for number, entry in self._memory.items()
                if number >= first and not self._is_on_disk(entry.position)
            )
            if self._spool is not None:
                self._spool.close(
                    self._is_open and not any(
                        self._has_more(reader) or reader.is_busy for reader in self.readers
                    )
                )
            self._is_open = False
            return unsaved

    def _has_more(self, reader: Reader) -> bool:
        return self._is_open and (
            reader.position is not None or reader.number <= self._number
        )

    def _take_from_memory(self, reader: Reader, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        samples = 0
        while samples < most and reader.number <= self._number:
            entry = self._memory[reader.number]
            taken.append(entry.delivery)
            samples += max(1, len(entry.delivery.batch))
            if entry.position is not None:
                reader.taken[entry.position.segment] += len(entry.delivery.batch)
            reader.number += 1
        if taken:
            reader.take(taken, self._position_of(reader))
        return taken

    def _take_from_spool(self, reader: Reader, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        try:
            self._read(reader, most, taken)
        except SpoolError as error:
            if not taken:
                self._failed(reader, error)
                return taken
        else:
            reader.failures = 0
        if taken:
            reader.take(taken, self._position_of(reader))
        return taken

    def _read(self, reader: Reader, most: int, taken: list[Delivery]) -> None:
        """Read on in the spool, until it is enough or memory has the rest."""
        assert self._spool is not None and reader.position is not None
        samples = 0
        first = next(iter(self._memory), self._number + 1)
        for payload, after in self._spool.read(reader.position):
            try:
                delivery = decode(bytes(payload))
            except RecordError as error:
                _log.warning('spool: %s', error)
                reader.dropped += samples_in(payload)
                reader.taken[after.segment] += samples_in(payload)
                reader.position = after
                continue
            is_own = delivery.source == self.source
            if is_own and delivery.number >= first:
                break
            if not is_own or delivery.number >= reader.number:
                taken.append(delivery)
                samples += max(1, len(delivery.batch))
                reader.taken[after.segment] += len(delivery.batch)
            if is_own:
                reader.number = max(reader.number, delivery.number + 1)
            reader.position = after
            if samples >= most:
                return
        reader.position = None
        reader.number = max(reader.number, first)

    def _failed(self, reader: Reader, error: SpoolError) -> None:
        """Try again later where the spool cannot be read; then go on behind the bad segment."""
        assert self._spool is not None and reader.position is not None
        self._spool.problem = str(error)
        reader.failures += 1
        if reader.failures >= _MOST_FAILURES:
            segment = max(reader.position.segment, self._spool.start.segment)
            reader.leave_segment(segment, self._spool.samples[segment])

    def _leave_segment(self, segment: int) -> None:
        """Count what goes with a segment that gives way, for each reader that lacked it."""
        assert self._spool is not None
        for reader in self.readers:
            if reader.position is not None and reader.position.segment <= segment:
                reader.leave_segment(segment, self._spool.samples[segment])
            else:
                reader.taken.pop(segment, None)

    def _position_of(self, reader: Reader) -> Position | None:
        """Return where in the spool lies what the reader takes next."""
        if self._spool is None or reader.position is not None:
            return reader.position
        for number in range(reader.number, self._number + 1):
            position = self._memory[number].position
            if position is not None:
                return position
        return self._spool.end

    def _is_on_disk(self, position: Position | None) -> bool:
        return self._spool is not None and position is not None and position >= self._spool.start

    def _trim(self) -> None:
        """Take out of memory what all have settled; beyond its bound what disk has, or nobody."""
        settled = min((reader.settled for reader in self.readers), default=self._number + 1)
        while self._memory and next(iter(self._memory)) < settled:
            self._forget_first()
        while self._memory and self._held_bytes > self._memory_bytes:
            number, entry = self._forget_first()
            on_disk = self._is_on_disk(entry.position)
            for reader in self.readers:
                if number < reader.number:
                    continue
                if not on_disk:
                    reader.dropped += len(entry.delivery.batch)
                if reader.position is None:
                    reader.position = entry.position if on_disk else None
                    reader.number = number + (not on_disk)

    def _forget_first(self) -> tuple[int, _Entry]:
        number = next(iter(self._memory))
        entry = self._memory.pop(number)
        self._held_bytes -= entry.size
        return number, entry

    def _mark(self, now_s: float) -> None:
        """Remember about once a second which batch came then: what left memory is how old."""
        settled = min((reader.settled for reader in self.readers), default=self._number)
        while len(self._marks) > 1 and self._marks[1][0] <= settled:
            self._marks.popleft()
        if now_s - self._marks[-1][1] >= _MARK_S:
            self._marks.append((self._number, now_s))
        if len(self._marks) > _MOST_MARKS:  # what waits for hours need not be known by the second
            self._marks = deque(list(self._marks)[::2])
