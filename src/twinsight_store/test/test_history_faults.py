"""The history over faults of server and network: every sample once, in its order."""

from __future__ import annotations

from contextlib import suppress
import os
import random
import signal
import socket
import threading
import time

import numpy as np
import psycopg
import pytest

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.history import sink as history_sink
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series

ROWS = 20
SPEED = Series('robot_01', 'dawn', 'odom/speed')


def delivery(number):
    """Make a delivery of ROWS samples; over all deliveries their values count up from 0."""
    rows = np.arange(number * ROWS, (number + 1) * ROWS)
    return Delivery('robot_01/metrics/1', number, MetricBatch(
        [SPEED], 1_790_000_000_000_000_000 + rows * 1_000_000,
        np.zeros(ROWS, np.uint32), rows.astype(np.float64),
    ))


def stored(url):
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute('SELECT value FROM metric ORDER BY time')]


class Writer(threading.Thread):
    """Writes delivery after delivery; each again and again until it is acknowledged."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self.sink = HistorySink(settings)
        self.written = 0
        self.failures = 0
        self.unexpected = None
        self.enough = threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            try:
                assert self.sink.write([delivery(self.written)]).samples == ROWS
                self.written += 1
            except StoreUnavailableError:
                self.failures += 1
                time.sleep(0.02)
            except Exception as error:
                self.unexpected = error
                break
        self.sink.close()

    def wait_for(self, more):
        """Wait until so many more deliveries are acknowledged."""
        goal, end = self.written + more, time.monotonic() + 30
        while self.written < goal:
            assert self.unexpected is None
            assert time.monotonic() < end, 'nothing is written any more'
            time.sleep(0.005)

    def finish(self):
        self.enough.set()
        self.join(30)
        assert self.unexpected is None and not self.is_alive()


def test_over_kills_of_the_server_every_sample_is_there_once(postgres_server):
    writer = Writer(PostgresSettings(postgres_server.url))
    chance = random.Random(1)
    writer.wait_for(10)
    for _ in range(5):
        time.sleep(chance.uniform(0.0, 0.2))
        postgres_server.kill()
        postgres_server.restart()
        writer.wait_for(10)
    writer.finish()
    assert writer.failures >= 5
    assert stored(postgres_server.url) == list(range(writer.written * ROWS))


def test_over_stop_and_start_every_sample_is_there_once(postgres_server):
    writer = Writer(PostgresSettings(postgres_server.url))
    writer.wait_for(5)
    postgres_server.stop()
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        HistorySink(PostgresSettings(postgres_server.url)).write([delivery(0)])
    postgres_server.restart()
    writer.wait_for(5)
    writer.finish()
    assert stored(postgres_server.url) == list(range(writer.written * ROWS))


def test_over_lost_connections_every_sample_is_there_once(postgres_url):
    writer = Writer(PostgresSettings(postgres_url))
    chance = random.Random(1)
    writer.wait_for(5)
    cut, end = 0, time.monotonic() + 60
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        while cut < 60 or writer.failures <= 10:
            assert time.monotonic() < end, f'only {writer.failures} deliveries were cut off'
            time.sleep(chance.uniform(0.0, 0.03))
            terminate(admin)
            cut += 1
    writer.wait_for(5)
    writer.finish()
    assert stored(postgres_url) == list(range(writer.written * ROWS))


def terminate(admin):
    admin.execute(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
        'WHERE datname = current_database() AND pid <> pg_backend_pid()'
    )


class Wire:
    """A network between client and server that may lose the server's answer to a COMMIT."""

    def __init__(self, url):
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self._server = (parts['host'], int(parts['port']))
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.url = url.replace(
            f'{self._server[0]}:{self._server[1]}',
            f'127.0.0.1:{self._listener.getsockname()[1]}',
        )
        self.lose = False
        self.lost = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._server)
            losing = threading.Event()
            for way in ((client, server, losing, True), (server, client, losing, False)):
                threading.Thread(target=self._carry, args=way, daemon=True).start()

    def _carry(self, source, target, losing, to_server):
        with suppress(OSError):
            while data := source.recv(65536):
                if to_server and self.lose and b'COMMIT' in data:
                    self.lose = False
                    losing.set()
                if not to_server and losing.is_set():
                    self.lost += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_what_was_committed_without_an_answer_is_not_written_again(postgres_url):
    HistorySink(PostgresSettings(postgres_url)).write([delivery(0)])
    wire = Wire(postgres_url)
    sink = HistorySink(PostgresSettings(wire.url))
    sink.write([delivery(1)])
    wire.lose = True
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        sink.write([delivery(2)])
    assert wire.lost == 1
    assert stored(postgres_url) == list(range(3 * ROWS))
    assert sink.write([delivery(2), delivery(3)]).samples == 2 * ROWS
    sink.close()
    assert stored(postgres_url) == list(range(4 * ROWS))


def backend(connection):
    """Return the process of the server that serves the sink."""
    return connection.execute(
        'SELECT pid FROM pg_stat_activity WHERE datname = current_database() '
        "AND application_name = 'twinsight metrics'"
    ).fetchone()[0]


def connected(sink):
    """
    Return a sink's connection, which has all the time that its settings give.

    A test that shortens a wait does so here, and for one write: whatever else it asks of the
    server may take long on a busy machine.
    """
    connection = sink._connected()
    assert connection.execute('SHOW statement_timeout').fetchone() == ('30s',)
    assert connection.silence_s == 36.0
    return connection


def test_a_server_that_hangs_is_noticed(postgres_url, caplog):
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    connected(sink).silence_s = 0.6
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        hung = backend(admin)
        os.kill(hung, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailableError, match='silent for 0.6 s'):
                sink.write([delivery(1)])
            assert [record.getMessage() for record in caplog.records] == []
            assert sink.write([delivery(1)]).samples == ROWS
        finally:
            os.kill(hung, signal.SIGCONT)
    sink.close()
    assert stored(postgres_url) == list(range(2 * ROWS))


def test_a_server_that_hangs_in_the_middle_of_a_write_holds_its_locks_only_so_long(
    postgres_url, monkeypatch
):
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    failures = []
    copy = history_sink._copy

    def copy_in_a_hurry(connection, *given):
        connection.silence_s = 0.6
        copy(connection, *given)

    def write():
        try:
            sink.write([delivery(1)])
        except StoreUnavailableError as error:
            failures.append(str(error))

    with psycopg.connect(postgres_url, autocommit=True) as admin:
        hung = backend(admin)
        monkeypatch.setattr(history_sink, '_copy', copy_in_a_hurry)
        with admin.transaction():
            admin.execute('LOCK TABLE metric IN SHARE MODE')
            writing = threading.Thread(target=write)
            writing.start()
            while not admin.execute(
                'SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted', [hung]
            ).fetchone():
                time.sleep(0.01)
            os.kill(hung, signal.SIGSTOP)
        writing.join(20)
        monkeypatch.undo()
        connected(sink).execute("SET statement_timeout = '500ms'")
        write()
        os.kill(hung, signal.SIGCONT)
        assert len(failures) == 2
        assert 'silent' in failures[0] and 'statement timeout' in failures[1]
        while failures:
            failures.clear()
            write()
    sink.close()
    assert stored(postgres_url) == list(range(2 * ROWS))


def test_a_table_that_somebody_locks_is_a_server_that_does_not_answer(postgres_url):
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    connected(sink).execute("SET statement_timeout = '300ms'")
    with psycopg.connect(postgres_url) as other:
        other.execute('LOCK TABLE metric')
        with pytest.raises(StoreUnavailableError, match='statement timeout'):
            sink.write([delivery(1)])
    assert sink.write([delivery(1)]).samples == ROWS
    sink.close()
    assert stored(postgres_url) == list(range(2 * ROWS))


def test_a_database_that_becomes_read_only_refuses_until_it_is_not(postgres_url):
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)['dbname']
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        terminate(admin)
        with pytest.raises(StoreUnavailableError):
            sink.write([delivery(1)])
        for _ in range(2):
            with pytest.raises(StoreRefusedError, match='it is read-only'):
                sink.write([delivery(1)])
        admin.execute('SET default_transaction_read_only = off')
        admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    assert sink.write([delivery(1)]).samples == ROWS
    sink.close()
    assert stored(postgres_url) == list(range(2 * ROWS))


def test_where_the_table_is_gone_it_is_refused_until_it_is_back(postgres_url):
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    with connect(PostgresSettings(postgres_url)) as admin:
        admin.execute('ALTER TABLE metric RENAME TO aside')
        with pytest.raises(StoreRefusedError, match='relation "metric" does not exist'):
            sink.write([delivery(1)])
        admin.execute('ALTER TABLE aside RENAME TO metric')
    assert sink.write([delivery(1)]).samples == ROWS
    sink.close()
    assert stored(postgres_url) == list(range(2 * ROWS))


def test_what_is_acknowledged_outlives_a_crash_also_where_the_server_would_not_care(postgres_url):
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)['dbname']
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    sink = HistorySink(PostgresSettings(postgres_url))
    sink.write([delivery(0)])
    assert sink._connection.execute('SHOW synchronous_commit').fetchone() == ('on',)
    sink.close()
