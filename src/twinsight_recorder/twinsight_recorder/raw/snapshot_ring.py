"""The last seconds of all topics in memory, given out when a snapshot is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from twinsight_recorder.raw.intake import Arrival
from twinsight_recorder.raw.recorded_topic import RecordedTopic

_BYTES_OF_AN_ENTRY = 450  # what Python spends on a message besides its data
_MOST_LATCHED_PUBLISHERS = 64  # of one topic: those that came and went must not pile up


class SnapshotRing:
    """
    Keeps the last arrivals, and gives each out at most once.

    Bounded in time and in bytes; the oldest go first, ``covers_ns`` tells what is left. Of
    latched topics the last message of each publisher stays however old it is, and goes last
    when bytes run out: without the map and the static transforms nobody can use a snapshot.

    Times are the arrivals' receive times; see RingClock for a clock that is set. For one
    thread.
    """

    def __init__(
        self,
        keep_ns: int,
        limit_bytes: int,
        is_latched: Callable[[RecordedTopic], bool] = lambda topic: False,
    ) -> None:
        self.keep_ns = keep_ns
        self.limit_bytes = limit_bytes
        self.bytes = 0  # kept now, with what Python spends on them
        self._is_latched = is_latched
        self._clock = RingClock(keep_ns)
        self._ring: deque[_Kept] = deque()  # in the order of arrival
        self._latched: dict[str, dict[Hashable, _Latched]] = {}
        self._count = 0
        self._complete_from_ns: int | None = None
        self._store_until_ns: int | None = None

    @property
    def covers_ns(self) -> int:
        """Return how far back from the newest arrival nothing is missing, at most keep_ns."""
        if self._complete_from_ns is None:
            return 0
        return min(self.keep_ns, max(0, self._clock.newest_ns - self._complete_from_ns))

    def add(self, arrival: Arrival, publisher: Hashable = None) -> list[Arrival]:
        """
        Return what is to be stored: the arrival while a snapshot's window is open, or nothing.

        publisher  tells the publishers of a latched topic apart
        """
        at_ns = self._clock.read(arrival.receive_ns)
        self._count += 1
        if self._complete_from_ns is None:
            self._complete_from_ns = at_ns
        passes = self._store_until_ns is not None and at_ns <= self._store_until_ns
        if not passes:
            self._keep(arrival, at_ns, publisher)
        self._drop_old()
        return [arrival] if passes else []

    def open(self, now_ns: int, before_ns: int, after_ns: int) -> list[Arrival]:
        """
        Return what is kept from ``now_ns - before_ns`` on, in the order of arrival.

        Where they were not given out already, that is every message received at that time or
        later and, of latched topics, the last one of each publisher before it. From here on
        add() passes on what is received until ``now_ns + after_ns``; where a window is open
        already, the later end counts.

        now_ns  by the clock of the receive times
        """
        now_ns = self._clock.read(now_ns)
        start_ns, until_ns = now_ns - before_ns, now_ns + after_ns
        if self._store_until_ns is None or self._store_until_ns < until_ns:
            self._store_until_ns = until_ns
        given = [kept for latched in self._every_latched() for kept in latched.given_at(start_ns)]
        earlier: list[_Kept] = []
        while self._ring and self._ring[-1].newest_ns >= start_ns:
            kept = self._ring.pop()
            if kept.arrival is not None:
                (given if kept.at_ns >= start_ns else earlier).append(kept)
        self._ring.extend(reversed(earlier))
        given.sort(key=lambda kept: kept.number)
        arrivals = []
        for kept in given:
            if kept.latched is not None:
                kept.latched.given = kept.number
            arrivals.append(self._take(kept))
        for latched in {kept.latched for kept in given}:
            if latched is not None:
                latched.forget_empty()
        return arrivals

    def _keep(self, arrival: Arrival, at_ns: int, publisher: Hashable) -> None:
        size = _size(arrival)
        if size > self.limit_bytes:
            self._miss(at_ns)
            return
        latched = self._latched_of(arrival, publisher) if self._is_latched(arrival.topic) else None
        kept = _Kept(self._count, at_ns, self._clock.newest_ns, arrival, latched)
        self._ring.append(kept)
        self.bytes += size
        if latched is not None:
            latched.in_ring.append(kept)

    def _latched_of(self, arrival: Arrival, publisher: Hashable) -> _Latched:
        publishers = self._latched.setdefault(arrival.topic.name, {})
        latched = publishers.pop(publisher, None) or _Latched()
        publishers[publisher] = latched  # so the first is the one that was silent the longest
        if len(publishers) > _MOST_LATCHED_PUBLISHERS:
            silent = publishers.pop(next(iter(publishers)))
            if silent.left is not None:
                self._take(silent.left)
            for kept in silent.in_ring:
                kept.latched = None
        return latched

    def _every_latched(self) -> list[_Latched]:
        return [each for publishers in self._latched.values() for each in publishers.values()]

    def _take(self, kept: _Kept) -> Arrival:
        """Return the arrival and keep it no longer; an entry that stays in the ring is empty."""
        arrival = kept.arrival
        assert arrival is not None
        kept.arrival = None
        self.bytes -= _size(arrival)
        return arrival

    def _drop_old(self) -> None:
        oldest_ns = self._clock.newest_ns - self.keep_ns
        ring = self._ring
        while ring and (ring[0].at_ns < oldest_ns or self.bytes > self.limit_bytes):
            kept = ring.popleft()
            if kept.arrival is None:
                continue
            if kept.at_ns >= oldest_ns:
                self._miss(kept.at_ns)
            if kept.latched is None:
                self._take(kept)
            else:
                self._leave_ring(kept, kept.latched)
        if self.bytes > self.limit_bytes:
            self._drop_latched()

    def _leave_ring(self, kept: _Kept, latched: _Latched) -> None:
        latched.in_ring.popleft()  # it is the first there as well
        if latched.left is not None:
            self._take(latched.left)
        latched.left = kept
        if latched.given > kept.number:  # a later one is stored: nobody needs this one
            self._take(kept)
            latched.left = None

    def _drop_latched(self) -> None:
        left = [each.left for each in self._every_latched() if each.left is not None]
        for kept in sorted(left, key=lambda kept: kept.number):
            if self.bytes <= self.limit_bytes:
                return
            self._take(kept)
            if kept.latched is not None:
                kept.latched.left = None

    def _miss(self, at_ns: int) -> None:
        self._complete_from_ns = max(self._complete_from_ns or 0, at_ns + 1)


class RingClock:
    """
    Receive times as a time that does not fall far back.

    A step back by more than ``keep_ns`` is a clock that was set: time goes on from the newest,
    or what came before would seem to come from the future and never grow old. Messages that
    were under way then still have times of before, and keep their place. After a smaller step
    messages stay up to ``keep_ns`` longer. A step ahead makes everything old.
    """

    def __init__(self, keep_ns: int) -> None:
        self.newest_ns = 0
        self._keep_ns = keep_ns
        self._started = False
        self._shift_ns = 0
        self._shift_before_ns = 0

    def read(self, clock_ns: int) -> int:
        """Return the ring's time for one of the clock."""
        at_ns = clock_ns + self._shift_ns
        if not self._started:
            self._started = True
            self.newest_ns = at_ns
        elif abs(at_ns - self.newest_ns) > self._keep_ns:
            under_way_ns = clock_ns + self._shift_before_ns
            if abs(under_way_ns - self.newest_ns) <= self._keep_ns:
                at_ns = under_way_ns
            elif at_ns < self.newest_ns:
                self._shift_before_ns = self._shift_ns
                self._shift_ns = self.newest_ns - clock_ns
                at_ns = self.newest_ns
        if at_ns > self.newest_ns:
            self.newest_ns = at_ns
        return at_ns


@dataclass(slots=True, eq=False)
class _Kept:
    """
    An arrival in the ring, or an empty place where one was given out.

    number     counts arrivals
    newest_ns  the newest time up to this arrival: no earlier entry is newer
    """

    number: int
    at_ns: int
    newest_ns: int
    arrival: Arrival | None
    latched: _Latched | None


@dataclass(slots=True, eq=False)
class _Latched:
    """
    What is kept of one publisher of a latched topic.

    left   the last that left the ring, by age or for bytes
    given  number of the last that was given out
    """

    left: _Kept | None = None
    in_ring: deque[_Kept] = field(default_factory=deque)
    given: int = 0

    def given_at(self, start_ns: int) -> list[_Kept]:
        """Return what a snapshot needs besides what the ring has from a time on."""
        last = None  # before that time, and nothing later is stored
        for kept in (self.left, *self.in_ring):
            if kept is not None and kept.number > self.given and kept.at_ns < start_ns:
                last = kept
        pushed_out = self.left if self.left is not None and self.left.at_ns >= start_ns else None
        return [kept for kept in (pushed_out, last) if kept is not None]

    def forget_empty(self) -> None:
        """Forget what was given out."""
        self.in_ring = deque(kept for kept in self.in_ring if kept.arrival is not None)
        if self.left is not None and self.left.arrival is None:
            self.left = None


def _size(arrival: Arrival) -> int:
    return len(arrival.data) + _BYTES_OF_AN_ENTRY
