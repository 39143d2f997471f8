"""Fixtures of the servers that the metrics need; the root conftest.py loads them for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import subprocess
import tempfile
import time
from types import SimpleNamespace
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit
import uuid

import psycopg
import pytest

from twinsight_tools import kafka, postgres, postgres_data, timescaledb
from twinsight_tools import redis_server as redis_programs
from twinsight_tools.launch import Program
from twinsight_tools.private import PrivateServer

_LEFT_S = 30.0


class Server(Protocol):
    """A server that a test uses, and does not end: a private one, or one that was given."""

    @property
    def url(self) -> str: ...


@pytest.fixture(scope='session')
def postgres_program() -> Program:
    """Return the PostgreSQL of this machine; what needs it fails where there is none."""
    program = postgres.find()
    if program is None:
        pytest.fail('PostgreSQL is not installed: run `make setup`, or put it on PATH')
    return program


@pytest.fixture(scope='session')
def open_folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL enters also where root runs the tests; pytest's are closed."""
    folder = Path(tempfile.mkdtemp(prefix='twinsight-test-'))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope='session')
def empty_postgres(postgres_program: Program, open_folder: Path) -> Path | None:
    """Return a data folder to copy, made once; a container makes its own."""
    if postgres_program.binary is None:
        return None
    data = open_folder / 'empty'
    owner = postgres_data.owner_of(data)
    postgres_data.make(postgres_program.binary, data, owner, durable=False)
    return data


@contextmanager
def private_postgres(
    program: Program, empty: Path | None, folder: Path
) -> Iterator[PrivateServer]:
    data = Path(tempfile.mkdtemp(prefix='postgres-', dir=folder)) / 'data'
    data.parent.chmod(0o711)
    if empty is not None:
        subprocess.run(['cp', '--archive', str(empty), str(data)], check=True)
    with postgres.running(program, data) as server:
        yield server
    shutil.rmtree(data.parent)


@pytest.fixture(scope='session')
def shared_postgres_server(
    postgres_program: Program, empty_postgres: Path | None, open_folder: Path
) -> Iterator[PrivateServer]:
    """Give a server that all tests share; nobody stops it."""
    with private_postgres(postgres_program, empty_postgres, open_folder) as server:
        yield server


@pytest.fixture
def postgres_server(
    postgres_program: Program, empty_postgres: Path | None, open_folder: Path
) -> Iterator[PrivateServer]:
    """Give a server of the test's own, with .url, .kill(), .stop() and .restart()."""
    with private_postgres(postgres_program, empty_postgres, open_folder) as server:
        yield server


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Make a database on a server, and drop it with all who are still connected to it."""
    name = f'test_{uuid.uuid4().hex[:12]}'
    with psycopg.connect(url, autocommit=True) as connection:
        # Nobody can be in template0, where a worker of the server's own may be in the other.
        connection.execute(f'CREATE DATABASE {name} TEMPLATE template0')
        yield urlsplit(url)._replace(path=f'/{name}').geturl()
        drop(connection, name)


def drop(connection: psycopg.Connection[Any], database: str) -> None:
    """Drop a database; whoever is ended for that may need longer than the server waits."""
    end = time.monotonic() + _LEFT_S
    while True:
        try:
            connection.execute(f'DROP DATABASE {database} WITH (FORCE)')
            return
        except psycopg.errors.ObjectInUse:
            if time.monotonic() > end:
                raise


@pytest.fixture
def postgres_url(shared_postgres_server: PrivateServer) -> Iterator[str]:
    """Return the URL of a database of the test's own, empty, on the shared server."""
    with fresh_database(shared_postgres_server.url) as url:
        yield url


@pytest.fixture
def redis_program() -> Program:
    """Return the Redis of this machine; what needs it fails where there is none."""
    program = redis_programs.find()
    if program is None:
        pytest.fail('Redis is not installed: run `make setup`, or put it on PATH')
    return program


@pytest.fixture
def redis_server(redis_program: Program, tmp_path: Path) -> Iterator[PrivateServer]:
    """Give a Redis of the test's own, with .url, .kill(), .stop() and .restart()."""
    with redis_programs.running(redis_program, tmp_path / 'redis') as server:
        yield server


@pytest.fixture
def redis_url(redis_server: PrivateServer) -> str:
    """Return the URL of a Redis of the test's own."""
    return redis_server.url


def absent(what: str) -> NoReturn:
    """Skip the test, where a machine may do without; CI may not."""
    if os.environ.get('CI') == 'true':
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope='session')
def timescale_server(
    postgres_program: Program, empty_postgres: Path | None, open_folder: Path
) -> Iterator[Server]:
    """
    Give a server with TimescaleDB that all tests share; nobody stops it.

    It may be the Apache licensed part alone: `SHOW timescaledb.license` tells.
    """
    given = os.environ.get('TWINSIGHT_TEST_TIMESCALE_URL')
    root = timescaledb.find()
    if given:
        yield SimpleNamespace(url=given)
    elif postgres.with_timescale(postgres_program):
        with private_postgres(postgres_program, empty_postgres, open_folder) as server:
            yield server
    elif root is not None:
        with timescaledb.running(root) as server:
            yield server
    else:
        absent(
            'TimescaleDB is not on this machine: `tools/bare timescaledb` builds one for tests '
            '(root, debootstrap), or name a server in TWINSIGHT_TEST_TIMESCALE_URL'
        )


@pytest.fixture
def timescale_url(timescale_server: Server) -> Iterator[str]:
    """Return the URL of a database of the test's own, empty, where TimescaleDB can be had."""
    with fresh_database(timescale_server.url) as url:
        yield url


@pytest.fixture(scope='session')
def kafka_program() -> Program:
    """Return the Kafka of this machine; what needs it is skipped where there is none."""
    program = kafka.find()
    if program is None:
        absent(
            'Kafka is not on this machine: `tools/bare kafka` fetches it (java, mvn); for tests '
            'that do not end the broker, TWINSIGHT_TEST_KAFKA may name one'
        )
    return program


@pytest.fixture(scope='session')
def empty_kafka(kafka_program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder to copy, made once: that takes Java as long as a start."""
    data = tmp_path_factory.mktemp('kafka') / 'empty'
    kafka.make(kafka_program, data)
    return data


@contextmanager
def private_kafka(program: Program, empty: Path, data: Path) -> Iterator[PrivateServer]:
    shutil.copytree(empty, data)
    with kafka.running(program, data) as broker:
        yield broker
        broker.kill()  # nothing is kept, and an end in good order takes seconds


@pytest.fixture(scope='session')
def shared_kafka_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Give a broker that all tests share, each with topics of its own; nobody stops it."""
    given = os.environ.get('TWINSIGHT_TEST_KAFKA')
    if given:
        yield SimpleNamespace(url=given)
    else:
        program = request.getfixturevalue('kafka_program')
        empty = request.getfixturevalue('empty_kafka')
        with private_kafka(program, empty, tmp_path_factory.mktemp('kafka') / 'data') as broker:
            yield broker


@pytest.fixture
def kafka_broker(
    kafka_program: Program, empty_kafka: Path, tmp_path: Path
) -> Iterator[PrivateServer]:
    """Give a broker of the test's own, with .url (host:port), .kill(), .stop(), .restart()."""
    with private_kafka(kafka_program, empty_kafka, tmp_path / 'kafka') as broker:
        yield broker
