"""Servers for the tests: real ones, private to the test run, ended with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import sys
import time
import uuid

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

sys.path.insert(0, str(Path(__file__).parent / 'tools'))

# A shell that runs the tests in the background has them ignore SIGINT, and so what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

from twinsight_demo.child import Child, executable  # noqa: E402

from twinsight_store.connection import StoreSettings  # noqa: E402
from twinsight_tools import reductstore  # noqa: E402
from twinsight_tools.launch import Program  # noqa: E402
from twinsight_tools.private import PrivateServer  # noqa: E402
from twinsight_tools.ros_domain import own_ros_domain  # noqa: E402

# The servers of the metrics: PostgreSQL, TimescaleDB, Redis, Kafka.
pytest_plugins = ['pytest_servers']


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


class RosDomain:
    """A ROS domain of the test's own: nodes in this process, and programs beside it."""

    def __init__(self, number: int, folder: Path) -> None:
        self.id = number
        self.folder = folder
        self.context = Context()
        self._programs: list[Child] = []
        rclpy.init(context=self.context, domain_id=self.id)

    def node(self, name: str) -> Node:
        """Return a new node of this process."""
        return rclpy.create_node(name, context=self.context)

    def spin(self, node: Node, until: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Serve a node's callbacks until the condition holds; fail where it never does."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, 'it did not happen in time'
            executor.spin_once(timeout_sec=0.05)
        executor.remove_node(node)

    def start(self, package: str, name: str, *arguments: str, **env: str) -> Child:
        """Start an executable in this domain; ``env`` is added to its environment."""
        return self.run(name, executable(package, name, *arguments), **env)

    def run(self, name: str, command: list[str], **env: str) -> Child:
        """Start a command in this domain; ``env`` is added to its environment."""
        environment = {
            **os.environ, 'ROS_DOMAIN_ID': str(self.id), 'ROS_HOME': str(self.folder / 'ros'),
            **env,
        }
        unique = f'{name}_{len(self._programs)}'
        self._programs.append(Child(unique, command, self.folder, environment))
        return self._programs[-1]

    def close(self) -> None:
        """End all that is still there."""
        for program in self._programs:
            program.kill()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def domain_id() -> Iterator[int]:
    """Give the number of a ROS domain of the test's own; DDS keeps to this machine."""
    assert os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST'
    with own_ros_domain() as number:
        yield number


@pytest.fixture
def ros(domain_id: int, tmp_path: Path) -> Iterator[RosDomain]:
    """Give a ROS domain of the test's own, to start nodes and programs in."""
    domain = RosDomain(domain_id, tmp_path)
    yield domain
    domain.close()


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
