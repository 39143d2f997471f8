"""The writing side of the recorder: from the intake into the store, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
import threading
import time
from typing import NamedTuple

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.raw.already_stored import StoredFilter
from twinsight_recorder.raw.delivery import StoreReport, StoreState
from twinsight_recorder.raw.intake import Arrival, Intake
from twinsight_recorder.raw.journal import Journal
from twinsight_recorder.raw.packing import Packing
from twinsight_recorder.raw.parcel import Parcel
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_recorder.raw.replicating import Replicating
from twinsight_recorder.raw.sender import Sender
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import StoreUnavailableError, TwinsightError
from twinsight_store.record_builder import ChunkRules
from twinsight_store.spool import Position

PERIOD_S = 0.04
"""Messages wait in memory for so long, at most, before they are in the spool."""

KILL_LOSS_MS = 500
"""
A SIGKILL costs at most the messages that were published in the last so many milliseconds.

They are on their way through DDS, or wait for PERIOD_S; usually that is less than 70 ms, where
DDS has to repair a message 120 ms. A disk that stalls adds to it.
"""

_MOST_AT_ONCE = 4000
_MOST_READ_BYTES = 8_000_000
_HOUSEKEEPING_S = 0.25


class Recovery(NamedTuple):
    """
    What an earlier recorder left in the spool.

    found           messages that were read from it so far
    stored_already  of these, the ones that the store had
    dropped         of these, the ones that gave way to newer ones
    ended           whether all of them are dealt with
    """

    found: int
    stored_already: int
    dropped: int
    ended: bool


class Pump:
    """
    Moves messages from the intake into the spool and into the store.

    While the store is away or refuses, messages wait in memory, up to half of the intake's
    limit, and then in the spool only, up to the spool's. ``failure`` is set where the thread
    ended by a defect.
    """

    def __init__(
        self,
        intake: Intake,
        settings_of: Callable[[str], StoreSettings],
        rules: ChunkRules,
        spool: JournalSettings,
        replicating: Replicating,
        on_report: Callable[[StoreReport], None],
        on_recovery: Callable[[Recovery], None] = lambda recovery: None,
    ) -> None:
        """
        Make one.

        settings_of  gives the settings of a bucket
        on_report, on_recovery  are called in the writing thread, when something changed
        """
        self.journal = Journal(spool, _count_dropped)
        self.failure: Exception | None = None
        self.oldest_ns: int | None = None
        """Receive time of the oldest message that is not stored yet (Unix ns)."""
        self._intake = intake
        self._packing = Packing(rules)
        self._sender = Sender(settings_of, self._settle, on_report)
        self._on_recovery = on_recovery
        self._on_report = on_report
        self.replicating = replicating
        self._preparing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._behind = False
        self._held: list[Arrival] = []
        self._reading: asyncio.Task[list[Arrival]] | None = None
        self._reading_from: Position | None = None
        self._last_read_ns = 0
        self._stored_filter = StoredFilter(self._sender.connection, self._tell)
        self._recovering = False
        self._housekeeping_at = 0.0
        self._close_now = threading.Event()
        self._stopping = threading.Event()
        self._give_up_at = float('inf')
        self._thread = threading.Thread(target=self._run, name='twinsight-store')

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close_chunks(self) -> None:
        """Store soon what was accepted, without waiting for chunks to fill."""
        self._close_now.set()

    def stop(self, timeout_s: float) -> None:
        """
        Write what was accepted and return; it waits at most so long for an absent store.

        What is not stored by then stays in the spool, or is counted as unsaved.
        """
        self._give_up_at = time.monotonic() + timeout_s
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._pump())
        except Exception as error:
            self.failure = error

    async def _pump(self) -> None:
        async with self._sender as sender:
            await self._open_spool()
            self._preparing = asyncio.create_task(
                self.replicating.prepare(sender.connection, self._tell)
            )
            while True:
                stopping = self._stopping.is_set()
                busy = await self._take_in()
                await self._read_back()
                self._close_chunks(stopping and not busy and not self._behind)
                if self._preparing.done():
                    self._preparing.result()
                    sender.dispatch(everything=stopping)
                await self._housekeep()
                if stopping and not busy and not self._behind and sender.is_idle:
                    return await self._end()
                if time.monotonic() >= self._give_up_at:
                    return await self._give_up()
                await asyncio.sleep(0 if busy else PERIOD_S)

    async def _open_spool(self) -> None:
        if await self.journal.open():
            self._behind = self._recovering = True
            self._on_recovery(Recovery(0, 0, 0, False))

    async def _take_in(self) -> bool:
        """Move arrivals on; return whether there may be more at once."""
        arrivals = self._held or self._intake.take(_MOST_AT_ONCE)
        if not arrivals:
            return False
        busy = len(arrivals) == _MOST_AT_ONCE
        await self._open_spool()
        journal = self.journal
        half_full = self._intake.waiting_bytes > self._intake.limit_bytes // 2
        if half_full and not self._behind:
            self._behind = await journal.begin_behind()
        begin = journal.end
        done = await journal.append(arrivals, self._behind)
        if self._behind:
            self._intake.done(sum(len(arrival.data) for arrival in arrivals[:done]))
            self._held = arrivals[done:]  # the disk does not take them; the intake's limit holds
            return busy and not self._held
        self._held = []
        self._pack(arrivals[:done], begin)
        self._pack(arrivals[done:], None)
        return busy

    def _pack(self, arrivals: Sequence[Arrival], spooled: Position | None) -> None:
        add, put = self._packing.add, self._sender.put
        for arrival in arrivals:
            if parcels := add(*arrival, spooled):
                put(parcels)

    async def _read_back(self) -> None:
        """Go on with what waits on disk only, while memory has room."""
        if not self._behind:
            return
        journal, intake = self.journal, self._intake
        if self._reading is None:
            there_is_room = intake.waiting_bytes < intake.limit_bytes // 4
            if not there_is_room and self._sender.is_idle:
                # Open chunks fill memory. The store gets them as they are, before more is read,
                # or there would be no room for what arrives.
                parcels = self._packing.close_all()
                self._sender.put(parcels)
                there_is_room = not parcels
            if there_is_room:
                self._reading_from = journal.cursor
                self._reading = asyncio.create_task(self._read())
            return
        if not self._reading.done():
            return
        arrivals, self._reading = self._reading.result(), None
        self._pack_again(arrivals, self._reading_from)
        self._reading_from = None
        if self._is_nearly_read():  # or what arrives meanwhile would keep it behind for good
            begin = journal.cursor
            self._pack_again(await self._read(), begin)
        if journal.is_read:  # what is held is next, so it goes on from memory
            self._behind = False
            journal.caught_up()
            if self._recovering:
                self._recovering = False
                tallies = [topic.tally for topic in journal.earlier]
                self._on_recovery(
                    Recovery(
                        sum(tally.received for tally in tallies), self._stored_filter.found,
                        sum(tally.dropped_late for tally in tallies), True,
                    )
                )

    def _pack_again(self, arrivals: list[Arrival], begin: Position | None) -> None:
        """Take messages that were on disk only into memory."""
        if arrivals:
            self._last_read_ns = arrivals[-1].receive_ns
            self._intake.done(-sum(len(arrival.data) for arrival in arrivals))
            self._pack(arrivals, begin)

    def _is_nearly_read(self) -> bool:
        """Return whether one short read brings the cursor to the end."""
        cursor, end = self.journal.cursor, self.journal.end
        is_near = cursor.segment == end.segment and end.offset - cursor.offset < self._most_read
        return is_near and self.journal.first_own <= cursor < end

    @property
    def _most_read(self) -> int:
        return min(_MOST_READ_BYTES, self._intake.limit_bytes // 4)

    async def _read(self) -> list[Arrival]:
        recovering = self.journal.cursor < self.journal.first_own
        arrivals = await self.journal.read(self._most_read)
        return await self._stored_filter.missing(arrivals) if recovering else arrivals

    def _close_chunks(self, everything: bool) -> None:
        if everything or (self._close_now.is_set() and not self._behind):
            self._close_now.clear()
            self._sender.put(self._packing.close_all())
        else:
            now_ns = self._last_read_ns if self._behind else time.time_ns()
            self._sender.put(self._packing.close_old(now_ns))

    async def _housekeep(self) -> None:
        """Release what the store has from the spool; see how old the oldest message is."""
        if time.monotonic() < self._housekeeping_at:
            return
        self._housekeeping_at = time.monotonic() + _HOUSEKEEPING_S
        if not self._behind:
            self.journal.caught_up()
        oldest_ns = None
        needed = self.journal.cursor
        if self._reading_from is not None:
            needed = min(needed, self._reading_from)
        waiting = [
            (parcel.since_ns, parcel.spooled) for parcel in self._sender.unsettled()
        ]
        for since_ns, spooled in (*waiting, *self._packing.open_since()):
            oldest_ns = since_ns if oldest_ns is None else min(since_ns, oldest_ns)
            if spooled is not None:
                needed = min(needed, spooled)
        if oldest_ns is None and self._behind:
            oldest_ns = self._last_read_ns or None
        self.oldest_ns = oldest_ns
        await self.journal.release(needed)
        await self._look_at_replications()

    async def _look_at_replications(self) -> None:
        if self._looking is not None and self._looking.done():
            self._looking.result()
            self._looking = None
        if self._looking is None and self._preparing is not None and self._preparing.done():
            connection = await self._sender.connection('')
            self._looking = asyncio.create_task(self.replicating.look(connection))

    def _tell(self, error: TwinsightError) -> None:
        away = isinstance(error, StoreUnavailableError)
        self._on_report(
            StoreReport(StoreState.WAITING if away else StoreState.REFUSING, str(error))
        )

    def _settle(self, parcel: Parcel, outcome: str) -> None:
        """Count what became of a record: stored, refused or unsaved."""
        tally = parcel.topic.tally
        setattr(tally, outcome, getattr(tally, outcome) + parcel.record.messages)
        self._intake.done(parcel.record.payload_bytes)

    async def _end(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for topic in self.journal.topics:  # damage on the disk is all that can be left
            topic.tally.dropped_late += topic.tally.waiting
        await self.journal.close(everything_stored=True)

    async def _give_up(self) -> None:
        """Leave to the next recorder what is in the spool; count what is not."""
        await self._sender.cancel()
        tasks = [each for each in (self._reading, self._preparing, self._looking) if each]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sender.put(self._packing.close_all())
        for parcel in list(self._sender.unsettled()):
            if parcel.spooled is None or parcel.spooled < self.journal.start:
                self._settle(parcel, 'unsaved')
        for arrival in (*self._held, *self._intake.take(1 << 30)):
            arrival.topic.tally.unsaved += 1
        await self.journal.close(everything_stored=False)


def _count_dropped(topic: RecordedTopic, messages: int) -> None:
    topic.tally.dropped_late += messages
