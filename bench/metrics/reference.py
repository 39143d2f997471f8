"""What the database takes at best: rows made beforehand, binary COPY, one process, one table."""

from __future__ import annotations

from collections.abc import Sequence
import time

import numpy as np
import psycopg

from twinsight_store.history.copy import COPY_BEGIN, COPY_END, COPY_METRICS, copy_rows
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_tools.private import PrivateServer

from .database import fresh_database
from .load import SAMPLES_A_ROUND, STREAMS

ROWS_A_COMMIT = 10_000
"""As the recorder gathers them at 50,000 samples/s in 0.2 s."""

_PERIOD_NS = 6_800_000


def rows_per_s(server: PrivateServer, pieces: Sequence[bytes]) -> float:
    """Return the rows a second of COPY into an empty table of the recorder's own schema."""
    with fresh_database(server.url) as url:
        sink = HistorySink(PostgresSettings(url))
        sink.write([])  # makes the tables
        sink.close()
        with psycopg.connect(url, autocommit=True) as connection:
            start_s = time.perf_counter()
            for piece in pieces:
                with connection.cursor() as cursor, cursor.copy(COPY_METRICS) as copy:
                    copy.write(piece)
            return len(pieces) * ROWS_A_COMMIT / (time.perf_counter() - start_s)


def made_beforehand(rows: int) -> list[bytes]:
    """Return the bytes of COPY, cut to transactions: the load's series, in its order."""
    names = [name for stream in STREAMS for name in stream.names]
    series = [Series('bench', '2026-01-01T00-00-00', name) for name in names]
    start_ns = time.time_ns()
    pieces = []
    for first in range(0, rows, ROWS_A_COMMIT):
        positions = np.arange(first, first + ROWS_A_COMMIT)
        batch = MetricBatch(
            series, start_ns + positions // SAMPLES_A_ROUND * _PERIOD_NS,
            (positions % SAMPLES_A_ROUND).astype(np.uint32), positions.astype(np.float64),
        )
        pieces.append(b''.join((COPY_BEGIN, copy_rows(batch), COPY_END)))
    return pieces
