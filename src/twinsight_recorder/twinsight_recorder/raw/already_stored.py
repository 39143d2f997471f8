"""Finding out which messages of an earlier recorder the store has already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from twinsight_recorder.raw.intake import Arrival
from twinsight_store import chunk, layout
from twinsight_store import labels as label
from twinsight_store.connection import Connection
from twinsight_store.errors import (
    NothingMatchedError,
    RecordError,
    StoreRefusedError,
    StoreUnavailableError,
    TwinsightError,
)
from twinsight_store.record_query import fetch

Identity = tuple[int, int, int]
"""What tells the messages of one topic apart: receive time, publish time, sequence."""

_ASK_AGAIN_S = 1.0
_NOT_FOUND = 404
_32_BITS = 0xFFFF_FFFF


class StoredFilter:
    """
    Leaves out the messages that are stored, and counts them.

    A recorder that was killed has stored some of what is in its spool; in what pieces is not
    known, so message is compared with message.
    """

    def __init__(
        self,
        connection: Callable[[str], Awaitable[Connection]],
        on_problem: Callable[[TwinsightError], None],
    ) -> None:
        """Make one; connection gives the one to a bucket."""
        self.found = 0
        self._connection = connection
        self._on_problem = on_problem

    async def missing(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Return what is not stored, in its order; waits for a store that is away."""
        groups: dict[tuple[str, str], list[Arrival]] = {}
        for arrival in arrivals:
            source = arrival.source
            place = (source.bucket, layout.entry_name(source.robot_id, source.channel.topic))
            groups.setdefault(place, []).append(arrival)
        kept: set[int] = set()
        for (bucket, entry), group in groups.items():
            kept.update(id(arrival) for arrival in await self._of_entry(bucket, entry, group))
        for arrival in arrivals:
            if id(arrival) not in kept:
                arrival.topic.tally.stored += 1
                self.found += 1
        return [arrival for arrival in arrivals if id(arrival) in kept]

    async def _of_entry(
        self, bucket: str, entry: str, arrivals: list[Arrival]
    ) -> list[Arrival]:
        while True:
            try:
                connection = await self._connection(bucket)
                await connection.bucket()  # fails at once where the store is away
                return await _without_stored(connection, entry, arrivals)
            except NothingMatchedError:
                return arrivals
            except (StoreUnavailableError, StoreRefusedError) as error:
                self._on_problem(error)
                await asyncio.sleep(_ASK_AGAIN_S)


async def _without_stored(
    connection: Connection, entry: str, arrivals: list[Arrival]
) -> list[Arrival]:
    """
    Return those messages of one topic that its entry does not hold, in their order.

    Raises StoreUnavailableError and StoreRefusedError.
    """
    times_us = [arrival.receive_ns // 1000 for arrival in arrivals]
    first_us, stop_us = min(times_us), max(times_us) + layout.MAX_SHIFT_US + 1
    there: set[Identity] = set()
    try:
        async for identity in _stored(connection, entry, first_us, stop_us):
            there.add(identity)
    except StoreRefusedError as error:
        if error.status != _NOT_FOUND:  # no such bucket, or entry: nothing is stored
            raise
    return [
        arrival for arrival in arrivals
        if (arrival.receive_ns, arrival.publish_ns, arrival.sequence & _32_BITS) not in there
    ]


async def _stored(
    connection: Connection, entry: str, first_us: int, stop_us: int
) -> AsyncIterator[Identity]:
    for head in await fetch(connection, [entry], first_us, stop_us, head=True):
        if label.RECEIVE_NS in head.labels:
            yield (
                int(head.labels[label.RECEIVE_NS]),
                int(head.labels[label.PUBLISH_NS]),
                int(head.labels[label.SEQUENCE]) & _32_BITS,
            )
    start_us = max(0, first_us - layout.MAX_CHUNK_SPAN_NS // 1000)
    reaches_in = {f'&{label.END_US}': {'$gte': first_us}}
    for record in await fetch(connection, [entry], start_us, stop_us, reaches_in):
        for identity in _in_chunk(record.data, entry, record.timestamp_us):
            yield identity


def _in_chunk(data: bytes, entry: str, timestamp_us: int) -> Iterator[Identity]:
    try:
        for timed in chunk.unpack(data, entry, timestamp_us):
            yield timed.receive_ns, timed.publish_ns, timed.sequence & _32_BITS
    except RecordError:
        return  # what cannot be read is not stored
