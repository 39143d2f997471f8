"""Servers for the tests: real ones, private to the test run, ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import sys
import uuid

import pytest

sys.path.insert(0, str(Path(__file__).parent / 'tools'))

# A shell that runs the tests in the background has them ignore SIGINT, and so what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

from twinsight_store.connection import StoreSettings  # noqa: E402
from twinsight_tools import reductstore  # noqa: E402
from twinsight_tools.launch import Program  # noqa: E402
from twinsight_tools.private import PrivateServer  # noqa: E402

# The servers of the metrics (PostgreSQL, TimescaleDB, Redis, Kafka), what stands before a server,
# and ROS.
pytest_plugins = [
    'pytest_servers', 'pytest_gate', 'pytest_ros', 'pytest_foxglove', 'pytest_viewers',
]


@pytest.fixture(scope='session')
def reduct_binary() -> Program:
    """Return the ReductStore of this machine; what needs it fails where there is none."""
    program = reductstore.find()
    if program is None:
        pytest.fail('ReductStore is not installed: run `make setup`, or put it on PATH')
    return program


@pytest.fixture(scope='session')
def shared_reduct_server(
    reduct_binary: Program, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateServer]:
    """Give a server that all tests share; nobody stops it."""
    data = tmp_path_factory.mktemp('reductstore') / 'data'
    with reductstore.running(reduct_binary, data) as server:
        yield server


@pytest.fixture
def reduct_server(reduct_binary: Program, tmp_path: Path) -> Iterator[PrivateServer]:
    """Give a server of the test's own, with .url, .kill(), .stop() and .restart()."""
    with reductstore.running(reduct_binary, tmp_path / 'reductstore') as server:
        yield server


@pytest.fixture
def store_settings(shared_reduct_server: PrivateServer) -> StoreSettings:
    """Return the settings of a bucket of the test's own, which is not made yet."""
    return StoreSettings(shared_reduct_server.url, bucket=f'test-{uuid.uuid4().hex[:12]}')


@pytest.fixture
def recording() -> Callable[[str], Path]:
    """Return a function that finds a real recording, or skips the test where there is none."""
    beside = Path(__file__).parent.parent / 'shared' / 'data'
    data = Path(os.environ.get('TWINSIGHT_TEST_DATA', beside))

    def find(name: str) -> Path:
        path = data / name
        if not path.exists():
            pytest.skip(f'no recordings at {data}: set TWINSIGHT_TEST_DATA to their folder')
        return path

    return find
