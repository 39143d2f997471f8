"""
When something was recorded, as spans of time, found by sampling labels.

The server walks a million records in about a second, and sends one a resolution.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import NamedTuple

from twinsight_bridge.web.selected_topics import bounds, SelectedTopic
from twinsight_store import labels as label
from twinsight_store.connection import Connection
from twinsight_store.record_query import fetch
from twinsight_store.selection import all_of, Selection

_SAMPLES_A_QUERY = 20_000


class Span(NamedTuple):
    """A time in which something was recorded, in one mission; Unix ns."""

    from_ns: int
    to_ns: int
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
) -> dict[str, list[tuple[int, str]]]:
    """Return, by entry, times (µs) and missions of the first record and of one a resolution."""
    names = [topic.entry.name for topic in topics]
    start_us = min(bounds(topic.entry, selection)[0] for topic in topics)
    stop_us = max(bounds(topic.entry, selection)[1] for topic in topics)
    found: dict[str, list[tuple[int, str]]] = {}
    for thinned in ({'$limit': 1}, {'$each_t': f'{resolution_s}s'}):
        when = all_of(selection.condition(), thinned)
        for record in await fetch(connection, names, start_us, stop_us, when, head=True):
            labels = label.user_labels(record.labels)
            if selection.has_labels(labels):
                sample = (record.timestamp_us, labels.get(label.MISSION, ''))
                found.setdefault(record.entry, []).append(sample)
    return found


def _merged(
    samples: Iterable[tuple[int, str]], topic: SelectedTopic, selection: Selection,
    resolution_s: int,
) -> list[Span]:
    resolution_us = resolution_s * 1_000_000
    _, stop_us = bounds(topic.entry, selection)
    found: list[Span] = []
    last_us = 0
    for time_us, mission_id in sorted(set(samples)):
        # Until the next sample something may have come that was not sent.
        end_ns = min(time_us + resolution_us, stop_us) * 1000
        if found and time_us - last_us <= 2 * resolution_us:
            if found[-1].mission_id == mission_id:
                found[-1] = found[-1]._replace(to_ns=end_ns)
                last_us = time_us
                continue
            found[-1] = found[-1]._replace(to_ns=min(found[-1].to_ns, time_us * 1000))
        found.append(Span(time_us * 1000, end_ns, mission_id))
        last_us = time_us
    return found
