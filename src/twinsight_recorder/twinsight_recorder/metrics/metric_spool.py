"""The spool of a metrics recorder: a frame a batch, and how many samples each segment has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_store.errors import SpoolError
from twinsight_store.metrics.batch import samples_in
from twinsight_store.spool import Found, METRICS, Position, Spool


class MetricSpool:
    """
    Keeps batches on disk up to a limit; used under the lock of its log.

    samples  by segment
    problem  what is wrong; '' while it works
    """

    def __init__(
        self, settings: JournalSettings, on_dropped: Callable[[int], None]
    ) -> None:
        """
        Open it; raises SpoolError where the folder cannot be used.

        on_dropped  is called with the number of a segment that gives way to newer ones; its
                    samples still stand in ``samples``
        """
        self.samples: Counter[int] = Counter()
        self.problem = ''
        self._on_dropped = on_dropped
        self._keep_oldest = settings.keep_oldest
        self._spool = Spool(settings.folder, settings.limit_bytes, METRICS)

    @property
    def size_bytes(self) -> int:
        """Return what lies on the disk; may be asked without the lock."""
        return self._spool.size_bytes

    @property
    def start(self) -> Position:
        """Return the first position that may still be read."""
        return self._spool.start

    @property
    def end(self) -> Position:
        """Return the position that the next batch gets."""
        return self._spool.end

    def count(self) -> int:
        """Count the samples that an earlier process left, before anything is written."""
        for payload, after in self._spool.read(self._spool.start):
            self.samples[after.segment] += samples_in(payload)
        return sum(self.samples.values())

    def write(self, data: bytes, samples: int) -> Position | None:
        """Return where a batch lies now; None where the disk does not take it."""
        spool = self._spool
        try:
            while not spool.room_for(len(data)):
                if self._keep_oldest or not self._drop_oldest():
                    self._say(f'full ({spool.limit_bytes} bytes), what comes is dropped')
                    return None
            spool.next_segment()
            begin = spool.end
            spool.append([(b'', data)])
        except SpoolError as error:
            self.problem = str(error)
            return None
        if self.problem and spool.room_for(spool.segment_bytes):
            self.problem = ''
        self.samples[begin.segment] += samples
        return begin

    def read(self, position: Position) -> Iterator[Found]:
        """Give the batches' bytes from a position on; raises SpoolError."""
        return self._spool.read(position)

    def release(self, position: Position) -> None:
        """Remove what lies before a position, a segment at a time."""
        self._spool.release(position)
        for segment in [each for each in self.samples if each < position.segment]:
            del self.samples[segment]

    def close(self, is_settled: bool) -> None:
        """Leave everything to the next process; nothing where all is settled."""
        if is_settled:
            self._spool.clear()
        self._spool.close()

    def _drop_oldest(self) -> bool:
        segment = self._spool.drop_oldest()
        if segment is None:
            self._spool.roll()
            segment = self._spool.drop_oldest()
            if segment is None:
                return False
        self._say(f'full ({self._spool.limit_bytes} bytes), the oldest samples are dropped')
        self._on_dropped(segment)
        self.samples.pop(segment, None)
        return True

    def _say(self, what: str) -> None:
        self.problem = f'spool {self._spool.folder}: {what}'
