"""
The history of the metrics in PostgreSQL, with TimescaleDB or without.

All deliveries of one write are one transaction, and so is the note how far each source has been
written: whatever is sent again, after a lost answer or a kill, is in the tables once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
import math
import time

import psycopg

from twinsight_store.history.copy import COPY_BEGIN, COPY_END, COPY_METRICS, copy_rows
from twinsight_store.history.facts import FactWriter
from twinsight_store.history.maintenance import EVERY_S, maintain
from twinsight_store.history.migrate import migrate
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.postgres import (
    connect,
    Connection,
    postgres_errors,
    PostgresSettings,
    reason,
)
from twinsight_store.history.times import moment
from twinsight_store.history.timescale import arrange, Layout
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.sink import Written

# Whoever comes second waits here until the first is done, and then sees how far that came. In
# one order everywhere, so that no two writers deadlock.
_LOCK_SOURCES = """
    INSERT INTO delivered AS d (source, number)
    SELECT source, -1 FROM unnest(%s::text[]) AS source ORDER BY source
    ON CONFLICT (source) DO UPDATE SET updated = now()
    RETURNING source, number
"""

_DELIVERED = """
    UPDATE delivered SET number = new.number
    FROM unnest(%s::text[], %s::bigint[]) AS new (source, number)
    WHERE delivered.source = new.source
"""

# Of so few rows each is tried; of more, halves.
_ROW_BY_ROW = 500
_INSERT = """
    SELECT refused, problem FROM metric_insert(
        %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::text[])
"""

# A key too long for an index, the check option of a view, RAISE in a trigger.
_REFUSED_CODES = frozenset({'54000', '44000', 'P0001'})


class HistorySink:
    """
    A MetricSink that writes into PostgreSQL.

    layout  what one line says of how the tables lie there; '' before the first connection
    """

    name = 'timescaledb'

    def __init__(
        self, settings: PostgresSettings, policies: HistoryPolicies | None = None
    ) -> None:
        self._settings = settings
        self._policies = policies or HistoryPolicies()
        self._connection: Connection | None = None
        self._layout = Layout('')
        self._maintenance_due = 0.0

    @property
    def layout(self) -> str:
        """Return the line that says how the tables lie; '' before the first connection."""
        return self._layout.line

    def write(self, deliveries: Sequence[Delivery]) -> Written:
        """Write deliveries in one transaction; see MetricSink."""
        try:
            with postgres_errors(self._settings):
                connection = self._connected()
                written = write_deliveries(connection, deliveries)
                self._maintain(connection)
                return written
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; fine where there is none."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._connection = connect(self._settings, 'twinsight metrics')
            # What is acknowledged has to outlive a crash of the server. And where we vanish in
            # the middle of a write, our locks hold nobody up for longer than that.
            connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, false), "
                "CASE current_setting('synchronous_commit') WHEN 'off' "
                "THEN set_config('synchronous_commit', 'on', false) END",
                [f'{max(1, round(self._settings.timeout_s * 1000))}ms'],
            )
            migrate(connection)
            self._layout = arrange(connection, self._policies)
        return self._connection

    def _maintain(self, connection: Connection) -> None:
        if time.monotonic() < self._maintenance_due:
            return
        # Where it fails it is not tried again with each write.
        self._maintenance_due = time.monotonic() + EVERY_S
        if not maintain(connection, self._layout):
            self._maintenance_due = 0.0


def write_deliveries(connection: Connection, deliveries: Sequence[Delivery]) -> Written:
    """Write what is new of deliveries, in one transaction; raises psycopg.Error."""
    refusals = _Refusals(connection)
    with connection.transaction():
        numbers = _lock_sources(connection, deliveries)
        new = []
        for delivery in deliveries:
            if delivery.number > numbers[delivery.source]:
                numbers[delivery.source] = delivery.number
                new.append(delivery.batch)
        try:
            with connection.transaction():
                _copy(connection, new)
                _write_facts(FactWriter(connection), new)
        except Exception as error:
            if not for_good(error):
                raise
            for batch in new:
                _copy_accepted(connection, batch, 0, len(batch), refusals)
            _write_facts(FactWriter(connection, refusals.guard), new)
        connection.execute(_DELIVERED, [list(numbers), list(numbers.values())])
    samples = sum(len(delivery.batch) for delivery in deliveries)
    return Written(
        samples - refusals.samples, refusals.samples + refusals.facts, refusals.problem
    )


def for_good(error: Exception) -> bool:
    """Return whether an error is about the content, so that it will be refused for ever."""
    if isinstance(error, psycopg.Error):
        # Without a code it is psycopg itself that cannot send a value.
        return isinstance(error, (psycopg.DataError, psycopg.IntegrityError)) or (
            error.sqlstate in _REFUSED_CODES
        ) or (error.sqlstate is None and isinstance(error, psycopg.ProgrammingError))
    return isinstance(error, (TypeError, ValueError))


class _Refusals:
    """What of one write the server does not take, and why the first of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.samples = 0
        self.facts = 0
        self.problem = ''

    def guard(self, what: str, work: Callable[[], None]) -> None:
        """Do work on a fact; where it is refused, count it."""
        try:
            with self._connection.transaction():
                work()
        except Exception as error:
            if not for_good(error):
                raise
            self.facts += 1
            self._note(what, reason(error))

    def sample(self, batch: MetricBatch, row: int, why: str) -> None:
        """Count a sample that is refused."""
        series = batch.series[batch.numbers[row]]
        self.samples += 1
        self._note(f'a sample of {series.name[:80]!r} of {series.robot_id}', why)

    def _note(self, what: str, why: str) -> None:
        """Keep the first reason."""
        self.problem = self.problem or f'PostgreSQL refuses {what}: {why}'


def _lock_sources(
    connection: Connection, deliveries: Sequence[Delivery]
) -> dict[str, int]:
    sources = sorted({delivery.source for delivery in deliveries})
    return dict(connection.execute(_LOCK_SOURCES, [sources]).fetchall())


def _write_facts(writer: FactWriter, batches: Sequence[MetricBatch]) -> None:
    for batch in batches:
        writer.write(batch)
    writer.flush()


def _copy(
    connection: Connection, batches: Sequence[MetricBatch], start: int = 0, stop: int | None = None
) -> None:
    """Write the samples of batches; of each the rows ``start`` to ``stop``."""
    if not any(len(batch) for batch in batches):
        return
    with connection.cursor() as cursor, cursor.copy(COPY_METRICS) as copy:
        copy.write(COPY_BEGIN)
        for batch in batches:
            copy.write(copy_rows(batch, start, stop))
        copy.write(COPY_END)


def _copy_accepted(
    connection: Connection, batch: MetricBatch, start: int, stop: int, refusals: _Refusals
) -> None:
    """Write what is taken of the samples; halves find what is not, and in the end each row."""
    try:
        with connection.transaction():
            if stop - start > _ROW_BY_ROW:
                _copy(connection, [batch], start, stop)
            else:
                _insert(connection, batch, start, stop, refusals)
    except Exception as error:
        if not for_good(error):
            raise
        if stop - start == 1:
            refusals.sample(batch, start, reason(error))
            return
        middle = (start + stop) // 2
        _copy_accepted(connection, batch, start, middle, refusals)
        _copy_accepted(connection, batch, middle, stop, refusals)


def _insert(
    connection: Connection, batch: MetricBatch, start: int, stop: int, refusals: _Refusals
) -> None:
    """Write samples one by one, in one statement: many that are refused hold nobody up."""
    sendable = [_is_text(*series) for series in batch.series]
    rows = [
        row for row in range(start, stop)
        if sendable[batch.numbers[row]] and _is_text(batch.texts.get(row, ''))
    ]
    series = [batch.series[batch.numbers[row]] for row in rows]
    values = [None if math.isnan(value) else value for value in batch.values[rows].tolist()]
    found = connection.execute(_INSERT, [
        [moment(time_ns) for time_ns in batch.times[rows].tolist()],
        [each.robot_id for each in series], [each.mission_id for each in series],
        [each.name for each in series], values, [batch.texts.get(row) for row in rows],
    ])
    refused = {rows[number - 1]: problem for number, problem in found.fetchall()}
    refused |= dict.fromkeys(
        sorted(set(range(start, stop)).difference(rows)), 'NUL, or no Unicode, in a name or text'
    )
    for row, problem in refused.items():
        refusals.sample(batch, row, problem)


def _is_text(*texts: str) -> bool:
    """Return whether any server could hold these."""
    try:
        return b'\0' not in ''.join(texts).encode()
    except UnicodeEncodeError:
        return False
