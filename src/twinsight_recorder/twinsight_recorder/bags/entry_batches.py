"""Batches of one entry each, so that several requests can be under way at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from twinsight_store.layout import Record
from twinsight_store.writer import batches, MAX_BATCH_BYTES, MAX_BATCH_RECORDS

MAX_WAITING_BYTES = 32_000_000
"""Records that wait for their batch to be full; beyond this the largest batch goes as it is."""


def entry_batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """
    Cut records into pieces that each fit into one request; an entry's records keep their order.

    A store takes requests for different entries at the same time, not those for one entry.
    """
    waiting: dict[str, list[Record]] = {}
    sizes: dict[str, int] = {}
    for record in records:
        entry, size = record.entry, len(record.data)
        if entry in waiting and (
            len(waiting[entry]) == MAX_BATCH_RECORDS or sizes[entry] + size > MAX_BATCH_BYTES
        ):
            del sizes[entry]
            yield waiting.pop(entry)
        waiting.setdefault(entry, []).append(record)
        sizes[entry] = sizes.get(entry, 0) + size
        if sum(sizes.values()) > MAX_WAITING_BYTES:
            largest = max(sizes, key=lambda name: sizes[name])
            del sizes[largest]
            yield waiting.pop(largest)
    yield from batches(chain.from_iterable(waiting.values()))
