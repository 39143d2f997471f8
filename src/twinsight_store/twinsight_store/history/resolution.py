"""How finely a history is read: every sample, or numbers a second or a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg.sql import Identifier, SQL

from twinsight_store.errors import ConfigurationError
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.selection import Selection


class Resolution(NamedTuple):
    """
    A table to read from.

    name  as people write it
    time  its column that holds the time, or the begin of the bucket
    """

    name: str
    table: str
    time: str


RAW = Resolution('raw', 'metric', 'time')
SECOND = Resolution('1s', 'metric_1s', 'bucket')
MINUTE = Resolution('1min', 'metric_1min', 'bucket')

_ALL = (RAW, SECOND, MINUTE)


def choose(
    settings: PostgresSettings, selection: Selection, names: Sequence[str], wanted: str,
    max_points: int,
) -> Resolution:
    """
    Return the wanted resolution or, for ``auto``, the finest of at most ``max_points`` rows.

    The finest is raw; where neither that nor 1 s fits it is 1 min, whatever its size. To find
    out costs no more than to read ``max_points`` rows. Texts have no aggregates: where nothing
    else is selected, ``auto`` is raw.
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
    return SECOND if seconds <= max_points else MINUTE


def _rows(
    settings: PostgresSettings, selection: Selection, names: Sequence[str], of: Resolution,
    limit: int,
) -> int:
    """Return how many rows are selected, the limit at most."""
    query = SQL('SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {}) AS found').format(
        Identifier(of.table), metric_condition(selection, names, of.time), limit
    )
    with connect(settings) as connection, postgres_errors(settings):
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
