"""The history of metrics as Arrow: samples, or numbers a second or a minute, in long form."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.sql import Identifier, SQL
import pyarrow as pa

from twinsight_store.history.arrow_stream import stream
from twinsight_store.history.catalog import nothing_matched
from twinsight_store.history.postgres import (
    connect,
    Connection,
    postgres_errors,
    PostgresSettings,
)
from twinsight_store.history.resolution import choose, RAW, Resolution, source
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.history.slices import slices
from twinsight_store.selection import Selection

RESOLUTION_KEY = 'twinsight.resolution'
"""What of a table's schema metadata says at which resolution it was read."""

DEFAULT_MAX_POINTS = 100_000

TIME_TYPE = pa.timestamp('us', tz='UTC')
LABEL_TYPE = pa.dictionary(pa.int32(), pa.string())

_OWNER = {'time': TIME_TYPE, 'robot_id': LABEL_TYPE, 'mission_id': LABEL_TYPE, 'name': LABEL_TYPE}
_RAW_COLUMNS = {**_OWNER, 'value': pa.float64(), 'text': pa.string()}
_AGGREGATE_COLUMNS = {
    **_OWNER, 'average': pa.float64(), 'minimum': pa.float64(), 'maximum': pa.float64(),
    'last': pa.float64(), 'count': pa.int64(),
}


def history(
    settings: PostgresSettings, selection: Selection, *names: str, resolution: str = 'auto',
    max_points: int = DEFAULT_MAX_POINTS,
) -> pa.Table:
    """
    Return the selected samples in long form, in time order, ties by robot and name.

    names       metric names or globs (``odom.*``); none select all
    resolution  raw, 1s, 1min, or auto: the finest that has at most ``max_points`` rows; see
                resolution.choose()

    Columns: time (timestamp[us, UTC]); robot_id, mission_id, name (dictionaries of strings);
    then for raw: value (float64, null where the sample is a text) and text (string, null where
    it is a number); for 1s and 1min, where time is the begin of the bucket: average, minimum,
    maximum, last (float64) and count (int64). Texts are in no aggregate. The schema's metadata
    has the resolution as ``twinsight.resolution``.

    Aggregates of TimescaleDB lack what came late until their next refresh; see choose().

    A sample is selected where from <= time < to, in whole microseconds, as it is stored; both
    ends are floored to them. A bucket is selected by its begin. Selected topics mean the metrics
    that come from them, labels those of the missions.

    Raises NothingMatchedError, which says what there is; ConfigurationError where sensors are
    selected; StoreUnavailableError, StoreRefusedError.
    """
    batches = history_batches(
        settings, selection, *names, resolution=resolution, max_points=max_points
    )
    return pa.Table.from_batches(batches).unify_dictionaries()


def history_batches(
    settings: PostgresSettings, selection: Selection, *names: str, resolution: str = 'auto',
    max_points: int = DEFAULT_MAX_POINTS,
) -> Iterator[pa.RecordBatch]:
    """
    Give what history() returns, batch by batch; memory does not grow with the rows.

    Each batch has dictionaries of its own. Nothing is asked, and nothing raised, before the
    first batch is. Much is read in spans of time: what is stored meanwhile may be in a later one.
    """
    level = choose(settings, selection, names, resolution, max_points)
    schema = _schema(level)
    empty = True
    with connect(settings) as connection, postgres_errors(settings):
        parts = slices(connection, selection, names, level)
        queries = [_query(connection, part, names, level, schema) for part in parts]
    for query in queries:
        for batch in stream(settings, query):
            empty = False
            yield _as(schema, batch)
    if empty:
        raise nothing_matched(settings, selection, names=names)


def _schema(level: Resolution) -> pa.Schema:
    columns = _RAW_COLUMNS if level is RAW else _AGGREGATE_COLUMNS
    return pa.schema(list(columns.items()), {RESOLUTION_KEY: level.name})


def _query(
    connection: Connection, selection: Selection, names: tuple[str, ...], level: Resolution,
    schema: pa.Schema,
) -> str:
    # The last keys put samples of the same moment into an order that depends on what is stored.
    rest = schema.names[schema.get_field_index('name') + 1:]
    return SQL(
        'SELECT {time} AS time, robot_id, mission_id, name, {rest} FROM {table} WHERE {condition} '
        'ORDER BY {time}, robot_id COLLATE "C", name COLLATE "C", mission_id COLLATE "C", {rest}'
    ).format(
        time=Identifier(level.time),
        rest=SQL(', ').join(map(Identifier, rest)),
        table=source(connection, level, selection),
        condition=metric_condition(selection, names, level.time),
    ).as_string()


def _as(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [
        column.dictionary_encode() if field.type == LABEL_TYPE else column
        for field, column in zip(schema, batch.columns, strict=True)
    ]
    return pa.record_batch(columns, schema=schema)
