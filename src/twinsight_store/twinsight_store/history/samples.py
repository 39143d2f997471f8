"""Samples of the history in the order of their times, whatever their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from twinsight_store.history.postgres import Connection
from twinsight_store.history.time_slices import Row, TimeSlices
from twinsight_store.history.times import (
    LAST,
    moment,
    moment_us,
    POSTGRES_EPOCH_US,
    unix_ns,
)
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.glob import glob_expression, is_glob
from twinsight_store.metrics.metric import Series
from twinsight_store.selection import check_text

_ROWS = 20_000

# From one robot, or name, to the next one by the index, however many samples lie between them.
_ROBOTS = """
    WITH RECURSIVE found AS (
        (SELECT robot_id FROM metric ORDER BY robot_id LIMIT 1)
        UNION ALL
        SELECT (SELECT robot_id FROM metric WHERE robot_id > found.robot_id
                ORDER BY robot_id LIMIT 1)
        FROM found WHERE found.robot_id IS NOT NULL)
    SELECT robot_id FROM found WHERE robot_id IS NOT NULL
"""
_NAMES = """
    WITH RECURSIVE found AS (
        (SELECT name FROM metric WHERE robot_id = %(robot)s ORDER BY name LIMIT 1)
        UNION ALL
        SELECT (SELECT name FROM metric WHERE robot_id = %(robot)s AND name > found.name
                ORDER BY name LIMIT 1)
        FROM found WHERE found.name IS NOT NULL)
    SELECT name FROM found WHERE name IS NOT NULL
"""

_MISSIONS = """
    SELECT robot_id, min(started) - INTERVAL '1 hour', max(last_seen) + INTERVAL '1 microsecond'
    FROM mission WHERE mission_id = ANY(%(missions)s) GROUP BY robot_id
"""

_THERE = """
    SELECT robot_id, (array_agg(mission_id ORDER BY started))[1],
           greatest(min(started), %(from)s), max(last_seen)
    FROM mission
    WHERE last_seen >= %(from)s AND started < %(to)s
      AND (%(robots)s::text[] IS NULL OR robot_id = ANY(%(robots)s::text[]))
      AND (%(missions)s::text[] IS NULL OR mission_id = ANY(%(missions)s::text[]))
    GROUP BY robot_id ORDER BY robot_id
"""

_WHERE = """
    time >= %(from)s AND time < %(to)s
    AND (%(missions)s::text[] IS NULL OR mission_id = ANY(%(missions)s::text[]))
"""
_SPANS = f"""
    SELECT wanted.robot_id, wanted.name, first.time, last.time
    FROM unnest(%(robots)s::text[], %(names)s::text[]) AS wanted (robot_id, name),
    LATERAL (SELECT time FROM metric
             WHERE robot_id = wanted.robot_id AND name = wanted.name AND {_WHERE}
             ORDER BY time LIMIT 1) AS first,
    LATERAL (SELECT time FROM metric
             WHERE robot_id = wanted.robot_id AND name = wanted.name AND {_WHERE}
             ORDER BY time DESC LIMIT 1) AS last
    ORDER BY 1, 2
"""
_SLICE = f"""
    COPY (SELECT time, robot_id, mission_id, name, value, text FROM metric
          WHERE robot_id = ANY(%(robots)s) AND name = ANY(%(names)s) AND {_WHERE}
          ORDER BY time, robot_id, name, mission_id, value, text LIMIT %(limit)s)
    TO STDOUT (FORMAT binary)
"""
# A time is read as what it is in binary: whole microseconds since 2000.
_TYPES = ('int8', 'text', 'text', 'text', 'float8', 'text')


@dataclass(frozen=True)
class SampleSelection:
    """
    Which samples are meant. What is left empty selects everything.

    robots    robot ids
    missions  mission ids; they are looked for from an hour before a mission's start
    names     names of metrics, in which * stands for any text
    from_ns   first time, Unix ns, included
    to_ns     last time, Unix ns, excluded
    """

    robots: tuple[str, ...] = ()
    missions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    from_ns: int | None = None
    to_ns: int | None = None


class SeriesSpan(NamedTuple):
    """A metric of a robot that has samples in the selection: the times of first and last, ns."""

    robot_id: str
    name: str
    first_ns: int
    last_ns: int


class RobotThere(NamedTuple):
    """When a robot was there, Unix ns, and in which mission first."""

    robot_id: str
    mission_id: str
    since_ns: int
    until_ns: int


def find_series(connection: Connection, selection: SampleSelection) -> list[SeriesSpan]:
    """
    Return the metrics that have samples in a selection.

    Raises ConfigurationError for a text that cannot be, and psycopg.Error.
    """
    given = _given(selection)
    robots = sorted(set(selection.robots)) or [row[0] for row in connection.execute(_ROBOTS)]
    if selection.missions:
        found = {row[0]: row[1:] for row in connection.execute(_MISSIONS, given)}
        robots = [robot for robot in robots if robot in found]
        if robots:
            given['from'] = max(given['from'], min(found[robot][0] for robot in robots))
            given['to'] = min(given['to'], max(found[robot][1] for robot in robots))
    pairs = [
        (robot, name) for robot in robots for name in _names(connection, robot, selection.names)
    ]
    given['robots'] = [robot for robot, _ in pairs]
    given['names'] = [name for _, name in pairs]
    return [
        SeriesSpan(robot, name, unix_ns(first), unix_ns(last))
        for robot, name, first, last in connection.execute(_SPANS, given)
    ]


def find_robots(connection: Connection, selection: SampleSelection) -> list[RobotThere]:
    """
    Return the robots that were there in a selection, whatever its names; raises psycopg.Error.

    A robot was there from the start of its first mission in the selection until it was seen last.
    """
    given = {**_given(selection), 'robots': list(selection.robots) or None}
    return [
        RobotThere(robot, mission, unix_ns(since), unix_ns(until))
        for robot, mission, since, until in connection.execute(_THERE, given)
    ]


class SampleReader:
    """
    Reads the samples of a selection in the order of their times, some thousands at once.

    Those of one time are in the order of robot, name and mission. A batch has no facts, and its
    series may be of several robots. A reading that failed may be done again, on any connection:
    it goes on where it was.

    found    what find_series() returned for the selection
    from_ns  first time, Unix ns, where it is later than the selection's
    """

    def __init__(
        self, selection: SampleSelection, found: Sequence[SeriesSpan],
        from_ns: int | None = None,
    ) -> None:
        self._given = _given(selection)
        self._given['robots'] = sorted({each.robot_id for each in found})
        self._given['names'] = sorted({each.name for each in found})
        begin_ns = min((each.first_ns for each in found), default=0)
        if from_ns is not None:
            begin_ns = max(begin_ns, from_ns)
        end_us = max((each.last_ns // 1000 + 1 for each in found), default=begin_ns // 1000)
        self._slices = TimeSlices(begin_ns // 1000, end_us, _ROWS)

    @property
    def done(self) -> bool:
        """Return whether all samples were read."""
        return self._slices.done

    @property
    def until_ns(self) -> int:
        """Return the time (Unix ns) before which all samples were read."""
        return self._slices.begin_us * 1000

    def read(self, connection: Connection) -> MetricBatch:
        """Return the next samples; none where there are none for a while. Raises psycopg.Error."""
        rows = self._slices.read(partial(_slice, connection, self._given))
        return _batch(rows) if rows else MetricBatch()


def read_samples(
    connection: Connection, selection: SampleSelection, found: Sequence[SeriesSpan]
) -> Iterator[MetricBatch]:
    """
    Give the samples of a selection as SampleReader does, without empty batches.

    found  what find_series() returned for the selection

    Raises psycopg.Error.
    """
    reader = SampleReader(selection, found)
    while not reader.done:
        batch = reader.read(connection)
        if len(batch):
            yield batch


def _slice(
    connection: Connection, given: dict[str, Any], begin_us: int, stop_us: int, limit: int
) -> list[Row]:
    bounds = {'from': moment_us(begin_us), 'to': moment_us(stop_us), 'limit': limit}
    with connection.cursor() as cursor, cursor.copy(_SLICE, {**given, **bounds}) as copy:
        copy.set_types(_TYPES)
        return list(copy.rows())


def _batch(rows: Sequence[Row]) -> MetricBatch:
    times, robots, missions, names, values, texts = zip(*rows, strict=True)
    numbers: dict[tuple[str, str, str], int] = {}
    column = [
        numbers.setdefault(key, len(numbers)) for key in zip(robots, missions, names, strict=True)
    ]
    return MetricBatch(
        [Series(*key) for key in numbers],
        (np.array(times, np.int64) + POSTGRES_EPOCH_US) * 1000,
        np.array(column, np.uint32),
        np.array(values, np.float64),  # None becomes NaN
        {row: text for row, text in enumerate(texts) if text is not None},
    )


def _names(connection: Connection, robot: str, wanted: Sequence[str]) -> list[str]:
    if wanted and not any(is_glob(name) for name in wanted):
        return sorted(set(wanted))
    known = [row[0] for row in connection.execute(_NAMES, {'robot': robot})]
    expressions = [glob_expression(name) for name in wanted]
    return [
        name for name in known
        if not wanted or any(expression.fullmatch(name) for expression in expressions)
    ]


def _given(selection: SampleSelection) -> dict[str, Any]:
    for what in ('robots', 'missions', 'names'):
        for text in getattr(selection, what):
            check_text(what, text)
    # A stored time is the floor of its nanoseconds in microseconds, so both ends are floored too.
    return {
        'from': moment(selection.from_ns or 0),
        'to': LAST if selection.to_ns is None else moment(selection.to_ns),
        'missions': list(selection.missions) or None,
    }


