"""
Samples as the bytes of COPY ... (FORMAT binary) into the table metric.

A row is a count of fields and, for each, its length and its bytes; everything big endian. The
rows of one series differ in time and value only, so they are copies of one template, put
together by one join, and numpy writes the times and values of all rows into it.
"""

from __future__ import annotations

from functools import lru_cache
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from twinsight_store.history.times import POSTGRES_EPOCH_US
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series

COPY_METRICS = (
    'COPY metric (time, robot_id, mission_id, name, value, text) FROM STDIN (FORMAT binary)'
)
COPY_BEGIN = b'PGCOPY\n\xff\r\n\0' + bytes(8)
COPY_END = b'\xff\xff'

_LENGTH = struct.Struct('>i')
_NULL = _LENGTH.pack(-1)
_EMPTY_8 = _LENGTH.pack(8) + bytes(8)
_VALUE_FROM_END = 8 + len(_NULL)
_FIELDS = struct.pack('>h', 6)
_TIME_AT = len(_FIELDS) + _LENGTH.size


def copy_rows(batch: MetricBatch, start: int = 0, stop: int | None = None) -> bytearray:
    """
    Return the rows ``start`` to ``stop`` of a batch, in their order; no COPY_BEGIN or COPY_END.

    A time is the floor of its nanoseconds in microseconds; NaN becomes NULL.
    """
    times, numbers, values = (
        column[start:stop] for column in (batch.times, batch.numbers, batch.values)
    )
    templates: list[bytes] = []
    for series in batch.series:
        templates += _templates(series)
    empty = np.isnan(values)
    kinds = numbers.astype(np.int64) * 2 + empty
    rows = [templates[kind] for kind in kinds.tolist()]
    lengths = np.array(list(map(len, templates)), np.int64)[kinds]
    value_at = lengths - _VALUE_FROM_END
    for row, text in batch.texts.items():
        at = row - start
        if 0 <= at < len(rows):
            encoded = _text(text)
            rows[at] = rows[at][:-_LENGTH.size] + encoded
            lengths[at] += len(encoded) - _LENGTH.size
    filled = bytearray().join(rows)
    begins = np.cumsum(lengths) - lengths
    buffer = np.frombuffer(filled, np.uint8)
    _put(buffer, begins + _TIME_AT, (times // 1000 - POSTGRES_EPOCH_US).astype('>i8'))
    there = ~empty
    _put(buffer, (begins + value_at)[there], values[there].astype('>f8'))
    return filled


@lru_cache(maxsize=5_000)
def _templates(series: Series) -> tuple[bytes, bytes]:
    """Return a row of a series with a number, and one without; each batch has the same series."""
    names = (_text(each) for each in (series.robot_id, series.mission_id, series.name))
    head = b''.join((_FIELDS, _EMPTY_8, *names))
    return head + _EMPTY_8 + _NULL, head + _NULL + _NULL


def _text(text: str) -> bytes:
    # What is no Unicode goes as it is: the server refuses that row, and says so.
    encoded = text.encode('utf-8', 'surrogatepass')
    return _LENGTH.pack(len(encoded)) + encoded


def _put(
    buffer: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64], numbers: npt.NDArray[Any]
) -> None:
    """Write numbers of 8 bytes at the positions; they need no alignment."""
    for each, column in enumerate(numbers.view(np.uint8).reshape(-1, 8).T):
        buffer[positions + each] = column
