"""Finding out which messages of an earlier recorder the store has already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from twinsight_recorder.intake import Arrival
from twinsight_store import chunk, layout
from twinsight_store import labels as label
from twinsight_store.connection import Connection
from twinsight_store.errors import RecordError, StoreRefusedError
from twinsight_store.record_query import fetch

Identity = tuple[int, int, int]
"""What tells the messages of one topic apart: receive time, publish time, sequence."""

_NOT_FOUND = 404
_32_BITS = 0xFFFF_FFFF


async def without_stored(
    connection: Connection, entry: str, arrivals: list[Arrival]
) -> list[Arrival]:
    """
    Return those messages of one topic that its entry does not hold, in their order.

    A recorder that was killed has stored some of what is in its spool; in what pieces is not
    known, so message is compared with message. Raises StoreUnavailableError and
    StoreRefusedError.
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
