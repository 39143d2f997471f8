"""Private servers to measure, and what has to be known of them beside a number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
import time

import psycopg

from twinsight_tools import postgres, timescaledb
from twinsight_tools import redis_server as redis
from twinsight_tools.launch import Kind, Program
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer

TIMESCALE, PLAIN = 'TimescaleDB', 'PostgreSQL'

_RELOAD_S = 5.0
_BINARY = 'usr/lib/postgresql/*/bin/postgres'


@contextmanager
def database_server(folder: Path, durable: bool) -> Iterator[PrivateServer]:
    """
    Run PostgreSQL with TimescaleDB; where there is none that has it, PostgreSQL alone.

    durable  whether it waits for the disk (fsync)

    Raises ToolError where neither is installed.
    """
    program, root = postgres.find(), timescaledb.find()
    kind: Kind = postgres.Postgres(durable=durable)
    with ExitStack() as stack:
        if root is not None and (program is None or not postgres.with_timescale(program)):
            inside = stack.enter_context(TemporaryDirectory(prefix='twinsight-', dir=root / 'tmp'))
            folder = Path(inside) / folder.name
            folder.parent.chmod(0o711)
            kind = _Debian(root, durable)
            program = Program(root.name, binary=next(root.glob(_BINARY)))
        if program is None:
            raise ToolError('PostgreSQL is not installed: run `make setup`, or put it on PATH')
        log = folder.with_name(f'{folder.name}.log')
        server = stack.enter_context(PrivateServer(kind, program, folder, log=log))
        _set_fsync(server.url, durable)
        yield server


class _Debian(timescaledb.Chrooted):
    """The TimescaleDB of the tests, with fsync as it is wanted."""

    def __init__(self, root: Path, durable: bool) -> None:
        super().__init__(root)
        self._durable = durable


@contextmanager
def redis_server(folder: Path) -> Iterator[PrivateServer]:
    """Run a Redis; raises ToolError where none is installed."""
    program = redis.find()
    if program is None:
        raise ToolError('Redis is not installed: run `make setup`, or put it on PATH')
    with redis.running(program, folder / 'redis') as server:
        yield server


class Database:
    """
    What a database server is and how it is set.

    name      TimescaleDB or PostgreSQL
    versions  of both, for people
    """

    def __init__(self, url: str) -> None:
        """Ask a server; where the extension is at hand it is made."""
        with psycopg.connect(url, autocommit=True) as connection:
            self.extension = _extension(connection)
            self.name = TIMESCALE if self.extension else PLAIN
            server = f'PostgreSQL {shown(connection, "server_version")}'
            self.versions = (
                f'TimescaleDB {self.extension} on {server}' if self.extension
                else f'{server} without TimescaleDB'
            )


def _extension(connection: psycopg.Connection) -> str:
    """Return the version of the TimescaleDB that this server has loaded; '' for none."""
    loaded = connection.execute(
        "SELECT current_setting('timescaledb.max_background_workers', true)"
    ).fetchone()
    if loaded is None or loaded[0] is None:
        return ''
    connection.execute('CREATE EXTENSION IF NOT EXISTS timescaledb')
    found = connection.execute(
        "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    return str(found[0]) if found else ''


def shown(connection: psycopg.Connection, setting: str) -> str:
    """Return a setting of the server."""
    row = connection.execute('SELECT current_setting(%s)', [setting]).fetchone()
    return str(row[0]) if row else ''


def _set_fsync(url: str, on: bool) -> None:
    """Switch a server's fsync where its start did not; raises ToolError where it stays."""
    wanted = 'on' if on else 'off'
    with psycopg.connect(url, autocommit=True) as connection:
        if shown(connection, 'fsync') == wanted:
            return
        connection.execute(f'ALTER SYSTEM SET fsync = {wanted}'.encode())
        connection.execute('SELECT pg_reload_conf()')
        give_up_at = time.monotonic() + _RELOAD_S
        while shown(connection, 'fsync') != wanted:
            if time.monotonic() > give_up_at:
                raise ToolError(f'PostgreSQL does not set fsync = {wanted}')
            time.sleep(0.02)
