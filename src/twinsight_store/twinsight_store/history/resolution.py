"""How finely a history is read: every sample, or numbers a second or a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg.sql import Composable, Identifier, SQL

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.postgres import (
    connect,
    Connection,
    postgres_errors,
    PostgresSettings,
)
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.history.times import moment
from twinsight_store.selection import Selection

_IS_PLAIN = "SELECT pg_get_viewdef(to_regclass(%s)) LIKE '%%metric_every%%'"


class Resolution(NamedTuple):
    """
    A table to read from.

    name   as people write it
    time   its column that holds the time, or the begin of the bucket
    width  of a bucket
    """

    name: str
    table: str
    time: str
    width: str = ''


RAW = Resolution('raw', 'metric', 'time')
SECOND = Resolution('1s', 'metric_1s', 'bucket', '1 second')
MINUTE = Resolution('1min', 'metric_1min', 'bucket', '1 minute')

_ALL = (RAW, SECOND, MINUTE)


def source(connection: Connection, level: Resolution, selection: Selection) -> Composable:
    """
    Return what to read from: a table, or its plain view's function for the selected span.

    A plain view computes the whole series, whatever the span. Raises psycopg.Error.
    """
    if level.width:
        row = connection.execute(_IS_PLAIN, [level.table]).fetchone()
        if row and row[0]:
            begin, end = selection.from_ns, selection.to_ns
            return SQL('metric_every({}::interval, {}::timestamptz, {}::timestamptz)').format(
                level.width,
                '-infinity' if begin is None else moment(begin),
                'infinity' if end is None else moment(end),
            )
    return Identifier(level.table)


def choose(
    settings: PostgresSettings, selection: Selection, names: Sequence[str], wanted: str,
    max_points: int,
) -> Resolution:
    """
    Return the wanted resolution or, for ``auto``, the finest of at most ``max_points`` rows.

    The finest is raw; where neither that nor 1 s fits it is 1 min, whatever its size. To find
    out costs no more than to read ``max_points`` rows. Texts have no aggregates: where nothing
    else is selected, ``auto`` is raw. So it is where TimescaleDB has no aggregate of what is
    selected yet: it adds by itself what is newer than all that it computed, but not what came
    late, which is in the aggregates from their next refresh on (1 s: 1 min, 1 min: 5 min).
    """
    if wanted != 'auto':
        for each in _ALL:
            if each.name == wanted:
                return each
        accepted = ', '.join(each.name for each in _ALL)
        raise ConfigurationError(f'resolution {wanted!r}: accepted are auto, {accepted}')
    if max_points < 1:
        raise ConfigurationError(f'max_points {max_points}: accepted is 1 or more')
    if _rows(settings, selection, names, RAW, max_points + 1) <= max_points:
        return RAW
    seconds = _rows(settings, selection, names, SECOND, max_points + 1)
    if seconds == 0:
        return RAW
    if seconds <= max_points or _rows(settings, selection, names, MINUTE, 1) == 0:
        return SECOND
    return MINUTE


def _rows(
    settings: PostgresSettings, selection: Selection, names: Sequence[str], of: Resolution,
    limit: int,
) -> int:
    """Return how many rows are selected, the limit at most."""
    condition = metric_condition(selection, names, of.time)
    with connect(settings) as connection, postgres_errors(settings):
        query = SQL('SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {}) AS found').format(
            source(connection, of, selection), condition, limit
        )
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
