"""
A big selection as spans of time, so that the server never sorts all of it.

It would sort on its disk, and not give the first row before the last is in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg.sql import Identifier, SQL

from twinsight_store.history.postgres import Connection
from twinsight_store.history.resolution import RAW, Resolution, source
from twinsight_store.history.selection_sql import metric_condition, mission_condition
from twinsight_store.history.times import unix_ns
from twinsight_store.selection import Selection

_MOST = 200_000
_SHORTEST_NS = 1_000_000_000


def slices(
    connection: Connection, selection: Selection, names: Sequence[str], level: Resolution
) -> list[Selection]:
    """
    Return the selection as spans that follow each other, of some 100,000 rows each at most.

    How many there are is what the server's planner thinks: to count would take as long as to
    read. Open ends stay open; where they lie the missions tell. Raises psycopg.Error.
    """
    missions = mission_condition(replace(selection, topics=(), sensors=()))
    row = connection.execute(
        SQL('SELECT min(started), max(last_seen) FROM mission WHERE {}').format(missions)
    ).fetchone()
    first, last = row or (None, None)
    begin_ns, end_ns = selection.from_ns, selection.to_ns
    if begin_ns is None and first is not None:
        begin_ns = unix_ns(first)
    if end_ns is None and last is not None:
        end_ns = unix_ns(last)
    if begin_ns is None or end_ns is None:
        return [selection]
    if not isinstance(source(connection, level, selection), Identifier):
        level = RAW  # it is made of samples while we read, and these are what there is much of
    return _halves(connection, selection, names, level, begin_ns, end_ns)


def _halves(
    connection: Connection, selection: Selection, names: Sequence[str], level: Resolution,
    begin_ns: int, end_ns: int,
) -> list[Selection]:
    if end_ns - begin_ns < 2 * _SHORTEST_NS or (
        _expected(connection, selection, names, level) <= _MOST
    ):
        return [selection]
    # In whole microseconds, as samples are stored.
    middle_ns = (begin_ns + end_ns) // 2000 * 1000
    before, after = replace(selection, to_ns=middle_ns), replace(selection, from_ns=middle_ns)
    return [
        *_halves(connection, before, names, level, begin_ns, middle_ns),
        *_halves(connection, after, names, level, middle_ns, end_ns),
    ]


def _expected(
    connection: Connection, selection: Selection, names: Sequence[str], level: Resolution
) -> int:
    """Return how many rows the planner expects."""
    row = connection.execute(
        SQL('EXPLAIN (FORMAT JSON) SELECT 1 FROM {} WHERE {}').format(
            Identifier(level.table), metric_condition(selection, names, level.time)
        )
    ).fetchone()
    return int(row[0][0]['Plan']['Plan Rows']) if row else 0
