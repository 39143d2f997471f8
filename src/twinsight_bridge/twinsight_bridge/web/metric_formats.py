"""
Tables of metrics as bytes: JSON, CSV or Arrow, one batch after the other.

In JSON and CSV a time is ISO 8601 in UTC; NaN and the infinities, which JSON does not have, are
texts there: "NaN", "Infinity", "-Infinity".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import io
import json
import math
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import CSVWriter

Batches = Iterator[pa.RecordBatch]


class Form(NamedTuple):
    """How a table is sent; ``encoded`` gives nothing for no batches, and at most a block each."""

    media_type: str
    encoded: Callable[[Batches], Iterator[bytes]]


def _json(batches: Batches) -> Iterator[bytes]:
    """Give an array of objects, one for each row."""
    opening = '['
    for batch in batches:
        names = batch.schema.names
        columns = [_json_values(column) for column in _plain(batch).columns]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        # All at once: a call for each row takes three times as long.
        yield (opening + json.dumps(rows, separators=(',', ':'))[1:-1]).encode()
        opening = ',\n'
    if opening != '[':
        yield b']\n'


def _csv(batches: Batches) -> Iterator[bytes]:
    """Give a line for each row, after one with the names of the columns."""
    written = io.BytesIO()
    writer = None
    for batch in batches:
        plain = pa.record_batch(
            [_text_of_time(column) for column in _plain(batch).columns], batch.schema.names
        )
        if writer is None:
            writer = CSVWriter(written, plain.schema)
        writer.write_batch(plain)
        yield _taken(written)
    if writer is not None:
        writer.close()


def _arrow(batches: Batches) -> Iterator[bytes]:
    """Give a stream of Arrow IPC; its columns hold plain texts, which every reader can join."""
    written = io.BytesIO()
    writer = None
    for batch in batches:
        plain = _plain(batch)
        if writer is None:
            writer = pa.ipc.new_stream(written, plain.schema)
        writer.write_batch(plain)
        yield _taken(written)
    if writer is not None:
        writer.close()
        yield _taken(written)


FORMS: Mapping[str, Form] = {
    'json': Form('application/json', _json),
    'csv': Form('text/csv; charset=utf-8', _csv),
    'arrow': Form('application/vnd.apache.arrow.stream', _arrow),
}


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    fields = [
        field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields, batch.schema.metadata))


def _text_of_time(column: pa.Array) -> pa.Array:
    if not pa.types.is_timestamp(column.type):
        return column
    return pc.strftime(column, format='%Y-%m-%dT%H:%M:%SZ')


def _json_values(column: pa.Array) -> list[Any]:
    values = _text_of_time(column).to_pylist()
    if not pa.types.is_floating(column.type):
        return values
    return [
        value if value is None or math.isfinite(value) else _not_finite(value) for value in values
    ]


def _not_finite(value: float) -> str:
    return 'NaN' if math.isnan(value) else f'{"-" * (value < 0)}Infinity'


def _taken(written: io.BytesIO) -> bytes:
    """Return what was written, and forget it."""
    data = written.getvalue()
    written.seek(0)
    written.truncate()
    return data
