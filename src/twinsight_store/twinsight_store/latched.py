"""
What was latched at a time: of each topic the latest record before it.

The server has no question for it, so spans are asked for from the time backwards. Most of what
is latched was published when the robot started.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.connection import Connection
from twinsight_store.record_messages import integer_label
from twinsight_store.record_query import fetch, spans_back
from twinsight_store.selection import all_of

LOOK_BACK_US = 86_400_000_000
"""What is older is not taken for latched: the robot was started anew since."""

_REACH_US = layout.MAX_CHUNK_SPAN_NS // 1000

When = Mapping[str, Any] | None


async def latest_records(
    connection: Connection, entries: Sequence[str], before_us: int, when: When
) -> list[FetchedRecord]:
    """Return, whole, the records that may hold the latest message before a time of each entry."""
    shifted_us = before_us + layout.MAX_SHIFT_US
    heads = await fetch(connection, entries, before_us, shifted_us, when, head=True)
    missing = set(entries)
    for start_us, stop_us in spans_back(before_us, before_us - LOOK_BACK_US):
        if not missing:
            break
        found = await fetch(connection, sorted(missing), start_us, stop_us, when, head=True)
        if not found:
            continue
        newest = _newest(found)
        # A chunk that began earlier may still have been open when the newest record was written.
        reaches = all_of({f'&{label.END_US}': {'$gte': min(newest.values())}}, when)
        earlier_us = max(0, min(newest.values()) - _REACH_US)
        found += await fetch(connection, sorted(newest), earlier_us, start_us, reaches, head=True)
        heads += [each for each in found if _end_us(each) >= newest[each.entry]]
        missing -= newest.keys()
    records: list[FetchedRecord] = []
    for head in heads:
        at_us = head.timestamp_us
        records += await fetch(connection, [head.entry], at_us, at_us + 1, when)
    return records


async def records_backwards(
    connection: Connection, entry: str, before_us: int, when: When, most: int
) -> AsyncIterator[FetchedRecord]:
    """Give an entry's records, the newest first; ends with the span in which they are too many."""
    given = 0
    for start_us, stop_us in spans_back(before_us + layout.MAX_SHIFT_US, before_us - LOOK_BACK_US):
        records = await fetch(connection, [entry], start_us, stop_us, when)
        for record in sorted(records, key=lambda each: each.timestamp_us, reverse=True):
            yield record
        given += len(records)
        if given >= most:
            return


def _newest(records: Sequence[FetchedRecord]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for record in records:
        newest[record.entry] = max(newest.get(record.entry, 0), record.timestamp_us)
    return newest


def _end_us(record: FetchedRecord) -> int:
    return max(record.timestamp_us, integer_label(record, label.END_US, record.timestamp_us))
