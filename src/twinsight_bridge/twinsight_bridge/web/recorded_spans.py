"""
When something was recorded, as spans of time, found by sampling labels.

The server walks a million records in about a second, and sends one a resolution.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

from twinsight_bridge.web.selected_topics import bounds, SelectedTopic
from twinsight_store import labels as label
from twinsight_store.batch_response import FetchedRecord
from twinsight_store.connection import Connection
from twinsight_store.errors import RecordError
from twinsight_store.record_messages import integer_label
from twinsight_store.record_query import fetch
from twinsight_store.selection import all_of, Selection

_SAMPLES_A_QUERY = 20_000


class Span(NamedTuple):
    """A time in which something was recorded, in one mission; Unix ns."""

    from_ns: int
    to_ns: int
    mission_id: str


class _Sample(NamedTuple):
    """A record: when its first and its last message came (Unix µs)."""

    first_us: int
    last_us: int
    mission_id: str


async def spans_of(
    connection: Connection, topics: Sequence[SelectedTopic], selection: Selection,
    resolution_s: int,
) -> AsyncGenerator[tuple[SelectedTopic, list[Span]], None]:
    """
    Give each topic with its spans, in time order.

    A span ends where nothing follows for twice the resolution, or another mission does. Its
    begin is late, and its end is late, by less than the resolution.
    """
    length_s = sum(
        (stop - start) / 1e6 for start, stop in (bounds(t.entry, selection) for t in topics)
    )
    expected = length_s / resolution_s / max(len(topics), 1)
    size = max(1, int(_SAMPLES_A_QUERY / max(expected, 1)))
    for first in range(0, len(topics), size):
        some = topics[first:first + size]
        samples = await _samples(connection, some, selection, resolution_s)
        for topic in some:
            yield topic, _merged(samples.get(topic.entry.name, ()), topic, selection, resolution_s)


def united(spans: Iterable[Span]) -> list[Span]:
    """Return the spans of several topics as those in which any of them was recorded."""
    found: list[Span] = []
    for span in sorted(spans):
        last = found[-1] if found else None
        if last and span.from_ns <= last.to_ns and span.mission_id == last.mission_id:
            found[-1] = last._replace(to_ns=max(last.to_ns, span.to_ns))
        else:
            found.append(span)
    return found


async def _samples(
    connection: Connection, topics: Sequence[SelectedTopic], selection: Selection,
    resolution_s: int,
) -> dict[str, list[_Sample]]:
    """Return, by entry, the first record and one a resolution."""
    names = [topic.entry.name for topic in topics]
    start_us = min(bounds(topic.entry, selection)[0] for topic in topics)
    stop_us = max(bounds(topic.entry, selection)[1] for topic in topics)
    found: dict[str, list[_Sample]] = {}
    for thinned in ({'$limit': 1}, {'$each_t': f'{resolution_s}s'}):
        when = all_of(selection.condition(), thinned)
        for record in await fetch(connection, names, start_us, stop_us, when, head=True):
            labels = label.user_labels(record.labels)
            if selection.has_labels(labels):
                mission_id = labels.get(label.MISSION, '')
                sample = _Sample(record.timestamp_us, _last_us(record), mission_id)
                found.setdefault(record.entry, []).append(sample)
    return found


def _last_us(record: FetchedRecord) -> int:
    """Return when the last message of a record came."""
    first_us = record.timestamp_us
    try:
        return max(first_us, integer_label(record, label.END_US, first_us))
    except RecordError:  # said to whoever reads its messages
        return first_us


def _merged(
    samples: Iterable[_Sample], topic: SelectedTopic, selection: Selection, resolution_s: int
) -> list[Span]:
    resolution_us = resolution_s * 1_000_000
    _, stop_us = bounds(topic.entry, selection)
    found: list[Span] = []
    known_us = 0
    for first_us, last_us, mission_id in sorted(set(samples)):
        # Until the next sample something may have come that was not sent.
        end_us = max(min(first_us + resolution_us, stop_us), last_us)
        if selection.to_ns is not None:
            end_us = min(end_us, -(-selection.to_ns // 1000))
        if found and first_us - known_us <= 2 * resolution_us:
            if found[-1].mission_id == mission_id:
                # A record that begins later may end before another does.
                found[-1] = found[-1]._replace(to_ns=max(found[-1].to_ns, end_us * 1000))
                known_us = max(known_us, last_us)
                continue
            found[-1] = found[-1]._replace(to_ns=min(found[-1].to_ns, first_us * 1000))
        found.append(Span(first_us * 1000, end_us * 1000, mission_id))
        known_us = last_us
    return found
