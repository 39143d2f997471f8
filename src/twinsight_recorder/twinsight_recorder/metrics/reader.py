"""How far one sink has come in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from twinsight_store.metrics.batch import Delivery
from twinsight_store.spool import Position


@dataclass
class Reader:
    """
    A place in the log, and what lies between it and what is settled.

    number    the next batch that it takes, of this log's own
    settled   the first of these that is not settled: its sink may not have it
    position  where it goes on in the spool; None: what it takes next is in memory
    released  what lies before this in the spool is settled; None: nothing is
    samples   that are settled, those of earlier logs too
    dropped   samples that the full spool, or full memory, took away before it had them
    taken     samples by segment of the spool, those of memory too
    failures  how often in a row the spool could not be read
    """

    number: int = 1
    settled: int = 1
    position: Position | None = None
    released: Position | None = None
    samples: int = 0
    dropped: int = 0
    taken: Counter[int] = field(default_factory=Counter)
    failures: int = 0
    _under_way: int | None = None
    _then: Position | None = None

    @property
    def is_busy(self) -> bool:
        """Return whether it took something that is not settled yet."""
        return self._under_way is not None

    def take(self, deliveries: Iterable[Delivery], then: Position | None) -> None:
        """Note what is under way, and what of the spool is settled with it."""
        self._under_way = sum(len(each.batch) for each in deliveries)
        self._then = then

    def settle(self) -> None:
        """Settle what is under way."""
        self.samples += self._under_way or 0
        self._under_way = None
        self.settled = self.number
        self.released = self._then

    def leave_segment(self, segment: int, samples: int) -> None:
        """Go on behind a segment of so many samples, that is gone or cannot be read."""
        self.dropped += max(0, samples - self.taken.pop(segment, 0))
        self.position = Position(segment + 1, 0)
        self.failures = 0
