"""
Samples on their way: gathered in columns, and as the bytes that lie in a spool or in Kafka.

The bytes: a version, the length of a JSON header, the number of samples, the header (source and
number, series, texts, facts), then the columns as they are in memory: times (int64, Unix ns),
numbers of series (uint32), values (float64), all little endian. Nothing of it is decoded row by
row.

The bytes may come from anywhere, as all that can write into a topic of Kafka: what decode() lets
through, every sink can write or refuse by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from twinsight_store.errors import RecordError
from twinsight_store.metrics import fact as metric_fact
from twinsight_store.metrics.fact import Fact
from twinsight_store.metrics.foreign import LONG_TEXT, plain_text, whole_number
from twinsight_store.metrics.metric import Series

_HEAD = struct.Struct('<BII')
_VERSION = 1
_TIMES, _NUMBERS, _VALUES = np.dtype('<i8'), np.dtype('<u4'), np.dtype('<f8')
_ROW_BYTES = _TIMES.itemsize + _NUMBERS.itemsize + _VALUES.itemsize
_BATCH_BYTES, _NAME_BYTES, _LETTER_BYTES = 500, 100, 4  # what Python takes, at most


@dataclass(frozen=True)
class MetricBatch:
    """
    Samples in the order in which they were taken, n of them, and facts; of one robot.

    series   what the numbers stand for
    times    shape (n,), int64: Unix ns
    numbers  shape (n,), uint32: indices into ``series``
    values   shape (n,), float64; NaN where the sample is a text only
    texts    by row, of the samples that have a text
    facts    hold after the samples
    """

    series: Sequence[Series] = ()
    times: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, _TIMES))
    numbers: npt.NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, _NUMBERS))
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0, _VALUES))
    texts: Mapping[int, str] = field(default_factory=dict)
    facts: Sequence[Fact] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.times)

    def memory_bytes(self) -> int:
        """Return about how many bytes of memory it takes, facts and texts included."""
        texts = sum(map(len, self.texts.values())) if self.texts else 0
        own = _BATCH_BYTES + (len(self.series) + len(self.facts)) * _NAME_BYTES
        return own + len(self) * _ROW_BYTES + texts * _LETTER_BYTES


class Delivery(NamedTuple):
    """
    A batch as it goes to a sink.

    source  names one unbroken sequence of batches: robot, node, and when the sequence began
    number  grows within a source; a sink that has seen it takes no delivery up to it again
    """

    source: str
    number: int
    batch: MetricBatch


def encode(delivery: Delivery) -> bytes:
    """Return the bytes of a delivery."""
    batch = delivery.batch
    header = json.dumps(
        {
            'source': delivery.source,
            'number': delivery.number,
            'series': batch.series,
            'texts': {str(row): text for row, text in batch.texts.items()},
            'facts': [metric_fact.to_json(fact) for fact in batch.facts],
        },
        separators=(',', ':'),
    ).encode()
    return b''.join(
        (
            _HEAD.pack(_VERSION, len(header), len(batch)),
            header,
            batch.times.astype(_TIMES, copy=False).tobytes(),
            batch.numbers.astype(_NUMBERS, copy=False).tobytes(),
            batch.values.astype(_VALUES, copy=False).tobytes(),
        )
    )


def samples_in(data: bytes | memoryview) -> int:
    """Return how many samples a delivery's bytes hold, without decoding them."""
    return int(_HEAD.unpack_from(data)[2]) if len(data) >= _HEAD.size else 0


def decode(data: bytes | memoryview) -> Delivery:
    """Return the delivery that bytes hold; raises RecordError where they hold none."""
    try:
        version, length, rows = _HEAD.unpack_from(data)
        if version != _VERSION:
            raise ValueError(f'version {version}, known is {_VERSION}')
        start = _HEAD.size + length
        header = json.loads(bytes(data[_HEAD.size:start]))
        if len(data) != start + rows * _ROW_BYTES:
            raise ValueError('it is cut off')
        times = np.frombuffer(data, _TIMES, rows, start)
        numbers = np.frombuffer(data, _NUMBERS, rows, start + times.nbytes)
        values = np.frombuffer(data, _VALUES, rows, start + times.nbytes + numbers.nbytes)
        series = [Series(*map(plain_text, each)) for each in header['series']]
        if rows and int(numbers.max()) >= len(series):
            raise ValueError('a sample has no series')
        return Delivery(
            plain_text(header['source']),
            whole_number(header['number'], least=0),
            MetricBatch(
                series, times, numbers, values, _texts(header['texts'], rows),
                [metric_fact.from_json(each) for each in header['facts']],
            ),
        )
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f'metrics: {len(data)} bytes hold no batch ({error})') from error


def _texts(found: object, rows: int) -> dict[int, str]:
    if not isinstance(found, dict):
        raise TypeError('the texts are no object')
    texts = {int(row): plain_text(text, LONG_TEXT) for row, text in found.items()}
    if texts and not 0 <= min(texts) <= max(texts) < rows:
        raise ValueError('a text has no sample')
    return texts
