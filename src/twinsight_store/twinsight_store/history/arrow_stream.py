"""
The answer of PostgreSQL as Arrow batches, one after the other, whatever its size.

The driver (ADBC) asks for COPY ... TO STDOUT (FORMAT binary) and decodes it outside of Python. It
works in a thread of its own, a few batches ahead; so the waiting has a limit and can be
interrupted, and who reads slowly holds up nothing but the server's sending.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
import queue
import threading

import adbc_driver_manager
from adbc_driver_postgresql import dbapi, StatementOptions
import psycopg
import pyarrow as pa

from twinsight_store.errors import StoreUnavailableError, TwinsightError
from twinsight_store.history.postgres import conninfo, PostgresSettings, translated

_BATCH_BYTES = 1 << 20
_READ_AHEAD = 2
_GOODBYE_S = 2.0


def stream(
    settings: PostgresSettings, query: str, application: str = 'twinsight read'
) -> Iterator[pa.RecordBatch]:
    """
    Give the rows of a query in batches of about 1 MB; none of them is empty.

    A few batches are in memory at any time. The connection is this query's own; it is closed
    with the iterator, also where that is dropped half way. The whole query may take any time,
    each batch ``settings.timeout_s``.

    Raises StoreUnavailableError and StoreRefusedError, with the first batch or later.
    """
    reader = _Reader(settings, query, application)
    try:
        while (item := reader.take()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        reader.close()


class _Reader:
    """Runs the query in a thread; what it gives is None at the end, or an error."""

    def __init__(self, settings: PostgresSettings, query: str, application: str) -> None:
        self._settings = settings
        self._query = query
        self._application = application
        self._items: queue.Queue[pa.RecordBatch | Exception | None] = queue.Queue(_READ_AHEAD)
        self._stopped = threading.Event()
        self._cursor: dbapi.Cursor | None = None
        self._thread = threading.Thread(target=self._run, name=application, daemon=True)
        self._thread.start()

    def take(self) -> pa.RecordBatch | Exception | None:
        """Return the next batch, None at the end, or what went wrong."""
        try:
            return self._items.get(timeout=self._settings.timeout_s)
        except queue.Empty:
            return StoreUnavailableError(
                f'PostgreSQL at {self._settings.where} took longer than '
                f'{self._settings.timeout_s:g} s for an answer: ask for less (a shorter time, '
                'fewer metrics, 1s or 1min), or see whether it is overloaded or hangs'
            )

    def close(self) -> None:
        """End the thread, and with it the connection."""
        self._stopped.set()
        # The thread waits for room, which one item less gives, or for the server. To cancel is
        # a connection of its own, so a server that hangs must not keep us here.
        with suppress(queue.Empty):
            while True:
                self._items.get_nowait()
        if self._thread.is_alive():
            threading.Thread(target=self._cancel, daemon=True).start()
            self._thread.join(_GOODBYE_S)

    def _cancel(self) -> None:
        cursor = self._cursor
        if cursor is not None:
            with suppress(adbc_driver_manager.Error):
                cursor.adbc_cancel()

    def _run(self) -> None:
        end: Exception | None = None
        try:
            self._read()
        except Exception as error:
            end = _meaning(self._settings, error)
        if not self._stopped.is_set():
            self._items.put(end)

    def _read(self) -> None:
        size = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
        with closing(
            dbapi.connect(conninfo(self._settings, self._application), autocommit=True)
        ) as connection, closing(connection.cursor(adbc_stmt_kwargs=size)) as cursor:
            # A slow reader is no slow server: the limit is on each batch, not on the whole.
            cursor.execute('SET statement_timeout = 0')
            self._cursor = cursor
            cursor.execute(self._query)
            for batch in cursor.fetch_record_batch():
                if self._stopped.is_set():
                    return
                if batch.num_rows:
                    self._items.put(batch)


def _meaning(settings: PostgresSettings, error: Exception) -> Exception:
    """Return what a failure of the driver means, as every other part says it."""
    if isinstance(error, adbc_driver_manager.Error):
        return _chained(translated(settings, _as_psycopg(error)), error)
    if isinstance(error, OSError):
        # An error amid the rows comes as text only. FATAL and a lost connection pass.
        text = str(error)
        kind = psycopg.DatabaseError if ' ERROR: ' in text else psycopg.OperationalError
        return _chained(translated(settings, kind(text)), error)
    return error


def _as_psycopg(error: adbc_driver_manager.Error) -> psycopg.Error:
    # The keys are bytes, other than the driver's documentation has it.
    details = {_text(key): value for key, value in error.details or ()}
    text = _text(details.get('PG_DIAG_MESSAGE_PRIMARY') or str(error))
    try:
        return psycopg.errors.lookup(error.sqlstate or '')(text)
    except KeyError:
        return psycopg.OperationalError(text)


def _text(found: str | bytes) -> str:
    return found.decode('utf-8', 'replace') if isinstance(found, bytes) else found


def _chained(meaning: TwinsightError, cause: Exception) -> TwinsightError:
    meaning.__cause__ = cause
    return meaning
