"""
How live values lie in Redis: the names of the keys, and the JSON in them.

A channel has the name of the stream whose entries it carries. Channels know no database number:
two installations on one Redis hear each other.

What is kept of a robot goes when nothing was written of it for 30 days, a source's progress after
400 days; apply.lua sees to it.

A source's progress is kept as text: ``41`` says that its deliveries up to 41 are there,
``42:5000`` that those before 42 are, and the first 5000 stream entries of 42.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from twinsight_store.errors import RecordError
from twinsight_store.metrics.fact import Event, MetricInfo

DELIVERED = b'twinsight:delivered'
DELIVERED_TIMES = b'twinsight:delivered:times'
"""When each source was written last, in Unix seconds of the server: a sorted set."""
ROBOTS = b'twinsight:robots'
TIDIED = b'twinsight:tidied'
"""Is there for an hour after robots and sources of long ago were dropped."""
ALL_METRICS = b'twinsight:metrics:*'
DATA = b'data'
"""The one field of a stream's entry."""

STREAM_LENGTH = 100_000
EVENTS_LENGTH = 10_000

_METRICS = b'twinsight:metrics:'

quoted = json.encoder.encode_basestring_ascii
"""A text as JSON has it, in ASCII."""


def live_key(robot_id: str) -> bytes:
    """Return the hash of a robot's latest values."""
    return b'twinsight:live:' + to_bytes(robot_id)


def metrics_key(robot_id: str) -> bytes:
    """Return the stream, and the channel, of a robot's values."""
    return _METRICS + to_bytes(robot_id)


def events_key(robot_id: str) -> bytes:
    """Return the stream, and the channel, of a robot's events."""
    return b'twinsight:events:' + to_bytes(robot_id)


def info_key(robot_id: str) -> bytes:
    """Return the hash of what a robot's metrics are."""
    return b'twinsight:info:' + to_bytes(robot_id)


def robot_of(metrics_key: bytes) -> str:
    """Return the robot whose stream of values has a name."""
    return to_text(metrics_key[len(_METRICS):])


def to_bytes(text: str) -> bytes:
    """Return a text's UTF-8, also where it is no proper Unicode."""
    return text.encode('utf-8', 'surrogatepass')


def to_text(data: bytes) -> str:
    """Return the text of bytes that to_bytes() made, or something like it."""
    try:
        return data.decode('utf-8', 'surrogatepass')
    except UnicodeDecodeError:
        return data.decode('utf-8', 'replace')


class Latest(NamedTuple):
    """The latest sample of a metric; ``value`` None where it has a text only."""

    time_ns: int
    value: float | None
    text: str | None
    mission_id: str


class Progress(NamedTuple):
    """
    How far a source has been written.

    number   deliveries before it are there
    entries  how many stream entries of it are there; None for all of it
    """

    number: int
    entries: int | None = None

    def __str__(self) -> str:
        return str(self.number) if self.entries is None else f'{self.number}:{self.entries}'


def progress_of(data: bytes | None) -> Progress | None:
    """Return the progress that is kept; None for none; raises RecordError for something else."""
    if data is None:
        return None
    number, colon, entries = data.partition(b':')
    try:
        return Progress(int(number), int(entries) if colon else None)
    except ValueError as error:
        raise RecordError(
            f'Redis: {DELIVERED.decode()} holds {data[:80]!r}: accepted is a number; delete it'
        ) from error


# The scripts in Redis read the time off the begin of these texts.


def latest_json(sample: Latest) -> str:
    """Return the JSON of a latest value."""
    value = 'null' if sample.value is None else repr(sample.value)
    text = 'null' if sample.text is None else quoted(sample.text)
    return (
        f'{{"time_ns":{sample.time_ns},"value":{value},"text":{text},'
        f'"mission_id":{quoted(sample.mission_id)}}}'
    )


def seen_json(time_ns: int, mission_id: str) -> str:
    """Return the JSON of when a robot was seen last, and in which mission."""
    return f'{{"last_seen_ns":{time_ns},"mission_id":{quoted(mission_id)}}}'


def event_json(event: Event) -> str:
    """Return the JSON of an event; raises TypeError or ValueError where its data has none."""
    return json.dumps(
        {
            'time_ns': int(event.time_ns), 'mission_id': event.mission_id, 'kind': event.kind,
            'severity': event.severity, 'message': event.message, 'data': dict(event.data),
        },
        separators=(',', ':'), allow_nan=False,
    )


def info_json(info: MetricInfo) -> str:
    """Return the JSON of what a metric is."""
    return json.dumps(
        {'unit': info.unit, 'topic': info.topic, 'field': info.field}, separators=(',', ':')
    )


def parsed(key: bytes, data: bytes, *names: str) -> list[Any]:
    """Return the named fields of the object that JSON holds; raises RecordError without them."""
    try:
        found = json.loads(data)
        return [found[name] for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f'Redis: {to_text(key)} holds {data[:80]!r}, which is not of TwinSight: delete it'
        ) from error
