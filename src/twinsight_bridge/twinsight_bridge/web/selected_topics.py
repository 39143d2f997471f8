"""The topics of a selection, by labels alone: no message is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from twinsight_store import labels as label
from twinsight_store import layout
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.catalog import Catalog, Entry
from twinsight_store.channel import Channel
from twinsight_store.connection import Connection
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.record_messages import integer_label
from twinsight_store.record_query import fetch
from twinsight_store.selection import all_of, Selection

_REACH_US = layout.MAX_CHUNK_SPAN_NS // 1000
_RECORDS_A_QUERY = 20_000


class SelectedTopic(NamedTuple):
    """
    A topic of a robot that has records in the selection.

    entry    in the store: all of the topic, not what is selected of it
    channel  its latest
    labels   those of a selected record, decoded
    """

    entry: Entry
    channel: Channel
    labels: Mapping[str, str]

    @property
    def sensor_type(self) -> str:
        """Return its sensor type; empty where the recorder gave it none."""
        return self.labels.get(label.SENSOR, '')


class Count(NamedTuple):
    """
    How much of a topic is selected; a chunk that reaches over an end counts as a whole.

    first_ns  when the first record begins
    last_ns   when the last one ends
    """

    records: int
    messages: int
    first_ns: int
    last_ns: int


async def selected_topics(connection: Connection, selection: Selection) -> list[SelectedTopic]:
    """Return the topics of a selection, by robot and topic; none where there is nothing."""
    catalog = Catalog(connection)
    try:
        entries = [
            entry for entry in await catalog.entries()
            if selection.has_robot(entry.robot_id) and _reaches_in(entry, selection)
        ]
    except NothingMatchedError:  # no bucket
        return []
    channels = await catalog.channels(entry.name for entry in entries)
    wanted = {}
    for entry in entries:
        channel = channels.get(entry.name, {}).get('') or _unknown(entry)
        if selection.has_topic(channel.topic):
            wanted[entry.name] = (entry, channel)
    if not wanted:
        return []
    first = await _first_records(connection, list(wanted), selection)
    return [
        SelectedTopic(*wanted[name], label.user_labels(first[name].labels))
        for name in wanted if name in first
    ]


async def count(connection: Connection, entry: Entry, selection: Selection) -> Count | None:
    """Return how much of a topic is selected; it takes 30 µs a record. None where nothing is."""
    start_us, stop_us = bounds(entry, selection)
    parts = 1 + entry.records // _RECORDS_A_QUERY
    found = []
    records = await _reaching(connection, [entry.name], selection)
    for part in range(parts):
        begin_us, end_us = (
            start_us + (stop_us - start_us) * each // parts for each in (part, part + 1)
        )
        records += await fetch(
            connection, [entry.name], begin_us, end_us, selection.condition(), head=True
        )
        found += [_counted(each) for each in records if _is_selected(each, selection)]
        records = []
    if not found:
        return None
    numbers, firsts, lasts = zip(*found, strict=True)
    return Count(len(found), sum(numbers), min(firsts), max(lasts))


def bounds(entry: Entry, selection: Selection) -> tuple[int, int]:
    """Return the timestamps (µs) from and before which a topic's records of the span begin."""
    start_us, stop_us = entry.oldest_us, entry.latest_us + 1
    if selection.from_ns is not None:
        start_us = max(start_us, selection.from_ns // 1000)
    if selection.to_ns is not None:
        stop_us = min(stop_us, -(-selection.to_ns // 1000))
    return start_us, max(start_us, stop_us)


def _reaches_in(entry: Entry, selection: Selection) -> bool:
    return (selection.to_ns is None or entry.oldest_us * 1000 < selection.to_ns) and (
        selection.from_ns is None or entry.latest_us + _REACH_US >= selection.from_ns // 1000
    )


def _unknown(entry: Entry) -> Channel:
    return Channel('/' + entry.name.split('/', 1)[1], '')


async def _first_records(
    connection: Connection, names: Sequence[str], selection: Selection
) -> dict[str, FetchedRecord]:
    """Return a selected record of each entry that has any; entries of a robot share a query."""
    start_us = None if selection.from_ns is None else selection.from_ns // 1000
    stop_us = None if selection.to_ns is None else -(-selection.to_ns // 1000)
    first_of_each = all_of(selection.condition(), {'$limit': 1})
    records = await fetch(connection, names, start_us, stop_us, first_of_each, head=True)
    found = _by_entry(records, selection)
    missing = [name for name in names if name not in found]
    return _by_entry(await _reaching(connection, missing, selection), selection) | found


async def _reaching(
    connection: Connection, names: Sequence[str], selection: Selection
) -> list[FetchedRecord]:
    """Return the chunks from before the span whose last messages may lie in it."""
    if selection.from_ns is None or not names:
        return []
    start_us = selection.from_ns // 1000
    reaches_in = all_of({f'&{label.END_US}': {'$gte': start_us}}, selection.condition())
    return await fetch(
        connection, names, max(0, start_us - _REACH_US), start_us, reaches_in, head=True
    )


def _by_entry(
    records: Iterable[FetchedRecord], selection: Selection
) -> dict[str, FetchedRecord]:
    return {record.entry: record for record in records if _is_selected(record, selection)}


def _is_selected(record: FetchedRecord, selection: Selection) -> bool:
    return selection.has_labels(label.user_labels(record.labels))


def _counted(record: FetchedRecord) -> tuple[int, int, int]:
    """Return a record's messages, and when it begins and ends (Unix ns)."""
    messages, end_us = 1, record.timestamp_us
    with suppress(RecordError):  # whoever reads the record reports it
        messages = integer_label(record, label.COUNT, 1)
        end_us = max(end_us, integer_label(record, label.END_US, end_us))
    return messages, record.timestamp_us * 1000, end_us * 1000
