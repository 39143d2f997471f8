"""The events of robots and missions: alerts raised and cleared, anomalies found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json

from psycopg.sql import SQL
import pyarrow as pa

from twinsight_store.history.arrow_stream import stream
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.selection_sql import event_condition
from twinsight_store.metrics.fact import Event
from twinsight_store.selection import Selection

_SCHEMA = pa.schema([
    ('time', pa.timestamp('us', tz='UTC')),
    *((name, pa.string()) for name in (
        'robot_id', 'mission_id', 'kind', 'severity', 'message', 'data'
    )),
])


def events(
    settings: PostgresSettings, selection: Selection, *, kinds: Sequence[str] = (),
    severities: Sequence[str] = (),
) -> Iterator[Event]:
    """
    Give the selected events in time order, ties by robot, mission and kind.

    kinds       such as alert_raised; none select all
    severities  info, warn, error; none select all

    Memory does not grow with the events. Nothing is asked before the first event is.
    Raises NothingMatchedError, which names the kinds that there are; ConfigurationError where
    sensors or topics are selected; StoreUnavailableError, StoreRefusedError.
    """
    for batch in _batches(settings, selection, kinds, severities):
        times = batch.column('time').cast(pa.int64()).to_pylist()
        others = (column.to_pylist() for column in batch.columns[1:])
        for time_us, robot, mission, kind, severity, message, data in zip(
            times, *others, strict=True
        ):
            yield Event(
                robot, mission, time_us * 1000, kind, severity, message, json.loads(data or '{}')
            )


def events_table(
    settings: PostgresSettings, selection: Selection, *, kinds: Sequence[str] = (),
    severities: Sequence[str] = (),
) -> pa.Table:
    """
    Return what events() gives as a table; raises what it raises.

    Columns: time (timestamp[us, UTC]); robot_id, mission_id, kind, severity, message; and data,
    the JSON text of an object. All but the time are strings.
    """
    return pa.Table.from_batches(_batches(settings, selection, kinds, severities), _SCHEMA)


def _batches(
    settings: PostgresSettings, selection: Selection, kinds: Sequence[str],
    severities: Sequence[str],
) -> Iterator[pa.RecordBatch]:
    query = SQL(
        'SELECT time, robot_id, mission_id, kind, severity, message, data::text FROM event '
        'WHERE {} ORDER BY time, robot_id COLLATE "C", mission_id COLLATE "C", kind COLLATE "C", '
        'severity, message, data'
    ).format(event_condition(selection, kinds, severities))
    empty = True
    for batch in stream(settings, query.as_string()):
        empty = False
        yield pa.record_batch(batch.columns, schema=_SCHEMA)
    if empty:
        asked = ', '.join(
            f'{what} {" or ".join(values)}'
            for what, values in (('kind', kinds), ('severity', severities)) if values
        )
        raise nothing_matched(settings, selection, asked=asked, events=True)
