"""Sending parcels: several requests under way, never two for one place in the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from functools import partial
import time

from twinsight_recorder.raw.delivery import Delivery, StoreReport, StoreState
from twinsight_recorder.raw.parcel import Parcel
from twinsight_store.connection import connect, Connection, StoreSettings
from twinsight_store.layout import Record
from twinsight_store.writer import MAX_BATCH_BYTES, MAX_BATCH_RECORDS

Settle = Callable[[Parcel, str], None]

_AT_ONCE = 4
_WORTH_A_REQUEST_BYTES = MAX_BATCH_BYTES // 2
_LONGEST_WAIT_S = 0.2


class Sender:
    """
    Brings parcels to their buckets, each place's in the order they come.

    settle(parcel, outcome) is called once for each: ``stored`` or ``refused``. on_report is
    called when the state of the store changes; with several buckets it tells the worst.
    """

    def __init__(
        self,
        settings_of: Callable[[str], StoreSettings],
        settle: Settle,
        on_report: Callable[[StoreReport], None],
    ) -> None:
        """Make one; settings_of gives the settings of a bucket."""
        self._settings_of = settings_of
        self._settle = settle
        self._on_report = on_report
        self._report = StoreReport(StoreState.WAITING, '')
        self._reports: dict[str, StoreReport] = {}
        self._waiting: dict[tuple[str, str], deque[Parcel]] = {}
        self._waiting_since: dict[tuple[str, str], float] = {}
        self._sending: dict[int, Parcel] = {}
        self._busy: set[tuple[str, str]] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._running = 0
        self._everything = False
        self._connecting = asyncio.Lock()
        self._connections: dict[str, Connection] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Sender:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def is_idle(self) -> bool:
        """Return whether nothing waits and nothing is under way."""
        return not self._waiting and not self._under_way

    async def connection(self, bucket: str) -> Connection:
        """Return the connection to a bucket ('': the usual one), closed with this sender."""
        async with self._connecting:
            if bucket not in self._connections:
                self._connections[bucket] = await self._stack.enter_async_context(
                    connect(self._settings_of(bucket))
                )
        return self._connections[bucket]

    def put(self, parcels: Iterable[Parcel]) -> None:
        """Take parcels; they go when they are worth a request, or have waited enough."""
        for parcel in parcels:
            place = parcel.place
            if place not in self._waiting:
                self._waiting[place] = deque()
                self._waiting_since[place] = time.monotonic()
            self._waiting[place].append(parcel)

    def dispatch(self, everything: bool = False) -> None:
        """
        Start what is due; raises what a request that ended raised, which is a defect.

        From then on the end of a request starts the next one, where there is enough for it.
        """
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()
        self._everything = everything
        self._start_due()

    def unsettled(self) -> Iterator[Parcel]:
        """Give the parcels that are neither stored nor refused yet."""
        yield from self._sending.values()
        for parcels in self._waiting.values():
            yield from parcels

    async def cancel(self) -> None:
        """Give up what is under way; some of it may be stored all the same."""
        self._running += _AT_ONCE  # nothing is started any more
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()

    def _start_due(self) -> None:
        while self._running < _AT_ONCE and (batch := self._next_batch()):
            self._running += 1
            self._under_way.add(asyncio.create_task(self._send(batch)))

    async def _send(self, batch: list[Parcel]) -> None:
        delivery = await self._delivery(batch[0].bucket)
        await delivery.deliver([parcel.record for parcel in batch])
        self._busy.difference_update(parcel.place for parcel in batch)
        self._running -= 1
        self._start_due()

    async def _delivery(self, bucket: str) -> Delivery:
        connection = await self.connection(bucket)
        if bucket not in self._deliveries:
            self._deliveries[bucket] = Delivery(
                connection, self._settled, partial(self._reported, bucket)
            )
        return self._deliveries[bucket]

    def _next_batch(self) -> list[Parcel]:
        """Return what fits into a request, those that wait longest first; empty if not due."""
        places = [place for place in self._waiting if place not in self._busy]
        if not places:
            return []
        places.sort(key=self._waiting_since.__getitem__)
        bucket = places[0][0]
        batch: list[Parcel] = []
        size = 0
        for parcel in self._first(place for place in places if place[0] == bucket):
            size += len(parcel.record.data)
            if batch and (size > MAX_BATCH_BYTES or len(batch) == MAX_BATCH_RECORDS):
                break
            batch.append(parcel)
        waited_s = time.monotonic() - self._waiting_since[places[0]]
        if not (
            self._everything or size >= _WORTH_A_REQUEST_BYTES or len(batch) == MAX_BATCH_RECORDS
            or waited_s >= _LONGEST_WAIT_S
        ):
            return []
        for parcel in batch:
            self._leave(parcel)
        return batch

    def _first(self, places: Iterator[tuple[str, str]]) -> Iterator[Parcel]:
        for place in places:
            yield from self._waiting[place]

    def _leave(self, parcel: Parcel) -> None:
        place = parcel.place
        self._waiting[place].popleft()
        if self._waiting[place]:
            self._waiting_since[place] = time.monotonic()
        else:
            del self._waiting[place], self._waiting_since[place]
        self._busy.add(place)
        self._sending[id(parcel.record)] = parcel

    def _settled(self, record: Record, outcome: str) -> None:
        self._settle(self._sending.pop(id(record)), outcome)

    def _reported(self, bucket: str, report: StoreReport) -> None:
        self._reports[bucket] = report
        worst = next(
            (each for each in self._reports.values() if each.state != StoreState.OK), report
        )
        if worst != self._report:
            self._report = worst
            self._on_report(worst)
