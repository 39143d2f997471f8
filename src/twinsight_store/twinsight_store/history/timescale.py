"""
What TimescaleDB makes of the tables, where the server has it.

The migrations make plain tables and views, which work everywhere. From those, and as far as the
server can and lets us: a hypertable, compression, continuous aggregates in place of the views,
policies. All of it may be asked for again at any time; what is so already stays untouched.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import psycopg

from twinsight_store.history.migrate import lock_schema
from twinsight_store.history.policies import agree, HistoryPolicies
from twinsight_store.history.postgres import Connection, reason

CONVERT = (
    "SELECT create_hypertable('metric', 'time', chunk_time_interval => INTERVAL '1 day', "
    'create_default_indexes => false, migrate_data => true)'
)
"""Makes a hypertable of a table that has rows already; it locks the table for long."""

SHORTEN = "UPDATE history_policy SET retention = INTERVAL '{}'"
"""Shortens for everybody how long samples are kept; the next recorder that starts applies it."""


class _Aggregate(NamedTuple):
    """A continuous aggregate; ``batch`` buckets are computed in one transaction."""

    name: str
    width: str
    every: str
    batch: int


_AGGREGATES = (
    _Aggregate('metric_1s', '1 second', '1 minute', 3600),
    _Aggregate('metric_1min', '1 minute', '5 minutes', 1440),
)

_AGGREGATE = """
    CREATE MATERIALIZED VIEW {name}
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT time_bucket(INTERVAL '{width}', time) AS bucket, robot_id, mission_id, name,
           avg(value) AS average, min(value) AS minimum, max(value) AS maximum,
           last(value, time) AS last, count(*) AS count
    FROM metric
    WHERE value IS NOT NULL
    GROUP BY 1, 2, 3, 4
    WITH NO DATA
"""


class Layout(NamedTuple):
    """
    How the history lies in the database.

    line        says so to people
    hypertable  samples lie in chunks that are dropped whole
    policies    TimescaleDB itself drops and compresses them
    """

    line: str
    hypertable: bool = False
    policies: bool = False


def arrange(connection: Connection, policies: HistoryPolicies) -> Layout:
    """
    Make the most of the tables that this server offers, and apply the policies.

    The policies are the database's: the longest retention that anybody wanted. Call it after
    migrate(). Where the server does not let us (no permission, views that others built on ours),
    things stay as they are, and the line says why: samples can be written all the same.
    Raises psycopg.OperationalError where the server is away.
    """
    try:
        held = agree(connection, policies)
        with connection.transaction():
            lock_schema(connection)
            return _arranged(connection, held, _kept(held, policies))
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        present = bool(_value(connection, "SELECT to_regclass('_timescaledb_catalog.hypertable')"))
        hypertable = present and _is_hypertable(connection)
        kind = 'hypertable' if hypertable else 'plain tables'
        hint = ''
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            hint = ': start TwinSight once as the owner of the tables'
        return Layout(
            f'{_server(connection)}: {kind}, left as found ({reason(error)}){hint}',
            hypertable, hypertable and _licensed(connection),
        )


def _kept(held: HistoryPolicies, wanted: HistoryPolicies) -> str:
    """Return how long samples are kept; where that is longer than we want, why."""
    kept = 'for ever' if held.retention_s is None else _days(held.retention_s)
    if wanted.retention_s is None or held.retention_s == wanted.retention_s:
        return kept
    here = _days(wanted.retention_s)
    command = SHORTEN.format(f'{wanted.retention_s / 86400:g} days')
    return (
        f'{kept} (not {here} as configured here, since one that writes into it wanted longer; '
        f'where none does any more: {command})'
    )


def _arranged(connection: Connection, policies: HistoryPolicies, kept: str) -> Layout:
    lacking = _extension(connection)
    if lacking:
        return Layout(f'{_server(connection)} {lacking}: plain tables, samples kept {kept}')
    version = _value(connection, "SELECT extversion FROM pg_extension WHERE extname='timescaledb'")
    name = f'TimescaleDB {version}'
    if not _is_hypertable(connection):
        if not _locked_empty(connection):
            return Layout(
                f'{name} is there, but the table metric was filled before: plain tables, samples '
                f'kept {kept}; to change that, stop what writes and run: {CONVERT}'
            )
        connection.execute(CONVERT.replace(', migrate_data => true', ''))
    if not _licensed(connection):
        return Layout(
            f'{name}, Apache edition: hypertable (chunks of a day), no compression, plain views '
            f'as aggregates, samples kept {kept}',
            hypertable=True,
        )
    _compress(connection)
    for aggregate in _AGGREGATES:
        _aggregate(connection, aggregate)
    _apply(connection, policies)
    return Layout(
        f'{name}: hypertable (chunks of a day), compressed after '
        f'{_days(policies.compress_after_s)}, continuous aggregates of 1 s and 1 min, samples '
        f'kept {kept}',
        hypertable=True, policies=True,
    )


def _extension(connection: Connection) -> str:
    """Make sure that the extension is there; return why it is not, '' where it is."""
    if _value(connection, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname='timescaledb')"):
        return ''
    if not _value(
        connection,
        "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')",
    ):
        return 'without TimescaleDB'
    # Its loader defines this. To create the extension without it ends the connection.
    if _value(connection, "SELECT current_setting('timescaledb.max_background_workers', true)") \
            is None:
        return 'with TimescaleDB installed but not in shared_preload_libraries'
    try:
        with connection.transaction():
            connection.execute('CREATE EXTENSION IF NOT EXISTS timescaledb')
    except psycopg.errors.InsufficientPrivilege:
        return 'with TimescaleDB installed, but we may not CREATE EXTENSION timescaledb'
    return ''


def _locked_empty(connection: Connection) -> bool:
    """Return whether there is no sample; where there is none, nobody can write one now."""
    filled = 'SELECT EXISTS (SELECT FROM metric)'
    if _value(connection, filled):
        return False
    connection.execute('LOCK TABLE metric IN ACCESS EXCLUSIVE MODE')
    return not _value(connection, filled)


def _compress(connection: Connection) -> None:
    if not _value(
        connection,
        'SELECT compression_enabled FROM timescaledb_information.hypertables '
        "WHERE hypertable_schema = current_schema() AND hypertable_name = 'metric'",
    ):
        connection.execute(
            'ALTER TABLE metric SET (timescaledb.compress, '
            "timescaledb.compress_segmentby = 'robot_id, name', "
            "timescaledb.compress_orderby = 'time')"
        )


def _compress_aggregate(connection: Connection, name: str) -> None:
    if not _value(
        connection,
        'SELECT compression_enabled FROM timescaledb_information.continuous_aggregates '
        'WHERE view_schema = current_schema() AND view_name = %s', name,
    ):
        connection.execute(
            f'ALTER MATERIALIZED VIEW {name} SET (timescaledb.compress, '
            "timescaledb.compress_segmentby = 'robot_id, name', "
            "timescaledb.compress_orderby = 'bucket')".encode()
        )


def _aggregate(connection: Connection, aggregate: _Aggregate) -> None:
    """Put a continuous aggregate in the place of the plain view."""
    name, width, every, batch = aggregate
    if not _value(
        connection,
        'SELECT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates '
        'WHERE view_schema = current_schema() AND view_name = %s)', name,
    ):
        connection.execute(f'DROP VIEW IF EXISTS {name}'.encode())
        connection.execute(_AGGREGATE.format(name=name, width=width).encode())
    # Some versions compute ten buckets a transaction if not told otherwise; older ones all. And
    # the newest first: until it is through, what is older than these would be in no answer.
    wanted = {'buckets_per_batch': str(batch), 'refresh_newest_first': 'false'}
    known = _value(
        connection,
        "SELECT proargnames FROM pg_proc WHERE proname = 'add_continuous_aggregate_policy'",
    )
    options = ''.join(f', {each} => {to}' for each, to in wanted.items() if each in known)
    # From the beginning: what a robot delivers days later is in it too. Only what changed is
    # computed again.
    connection.execute(
        (
            'SELECT add_continuous_aggregate_policy(%s, start_offset => NULL, '
            'end_offset => %s::interval, schedule_interval => %s::interval, '
            f'if_not_exists => true{options})'
        ).encode(),
        [name, every, every],
    )


def _apply(connection: Connection, policies: HistoryPolicies) -> None:
    # Without the aggregates', these would outlive what they were made of.
    for relation in ('metric', *(each.name for each in _AGGREGATES)):
        _policy(connection, relation, 'retention', 'drop_after', policies.retention_s)
    compress = 'compression', 'compress_after', policies.compress_after_s
    _policy(connection, 'metric', *compress)
    for aggregate in _AGGREGATES:
        # Older versions do not compress what they may compute again: it stays as it is there.
        with suppress(psycopg.errors.InvalidParameterValue), connection.transaction():
            _compress_aggregate(connection, aggregate.name)
            _policy(connection, aggregate.name, *compress)


def _policy(
    connection: Connection, relation: str, kind: str, setting: str, age_s: float | None
) -> None:
    """Have a policy of a relation say this age; None for no policy."""
    wanted = None if age_s is None else timedelta(seconds=age_s)
    now = _value(
        connection,
        'SELECT (config->>%s)::interval FROM timescaledb_information.jobs '
        'WHERE proc_name = %s AND (hypertable_schema, hypertable_name) IN ('
        '  SELECT current_schema()::name, %s::name UNION ALL'
        '  SELECT materialization_hypertable_schema, materialization_hypertable_name '
        '  FROM timescaledb_information.continuous_aggregates '
        '  WHERE view_schema = current_schema() AND view_name = %s)',
        setting, f'policy_{kind}', relation, relation,
    )
    if now == wanted:
        return
    connection.execute(
        f'SELECT remove_{kind}_policy(%s, if_exists => true)'.encode(), [relation]
    )
    if wanted is not None:
        connection.execute(
            f'SELECT add_{kind}_policy(%s, {setting} => %s)'.encode(), [relation, wanted]
        )


def _is_hypertable(connection: Connection) -> bool:
    return bool(_value(
        connection,
        'SELECT EXISTS (SELECT FROM timescaledb_information.hypertables '
        "WHERE hypertable_schema = current_schema() AND hypertable_name = 'metric')",
    ))


def _licensed(connection: Connection) -> bool:
    """Return whether it is the edition with compression, aggregates and policies."""
    return bool(
        _value(connection, "SELECT current_setting('timescaledb.license', true)") == 'timescale'
    )


def _server(connection: Connection) -> str:
    version = connection.info.server_version
    return f'PostgreSQL {version // 10000}'


def _days(seconds: float) -> str:
    for length, unit in ((86400.0, 'd'), (3600.0, 'h'), (60.0, 'min')):
        if seconds >= length and seconds % length == 0:
            return f'{seconds / length:g} {unit}'
    return f'{seconds:g} s'


def _value(connection: Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    return None if row is None else row[0]
