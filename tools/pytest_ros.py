"""ROS for the tests: a domain of each test's own, nodes in it, and programs beside them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
import os
from pathlib import Path
import threading
import time
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from twinsight_demo.child import Child, executable

from twinsight_tools.ros_domain import own_ros_domain

_POLL_S = 0.01
_SERVICE_S = 30.0
_END_S = 30.0
_QUIET_S, _BUSY_S = 0.05, 2.0
_TOLD_LINES = 60


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Return when the condition holds; fail where it never does."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, 'it did not happen in time'
        time.sleep(_POLL_S)


class RosDomain:
    """
    A ROS domain of the test's own: nodes in this process, and programs beside it.

    asked_ns  Unix time of the latest call of a service
    """

    def __init__(self, number: int, folder: Path) -> None:
        self.id = number
        self.folder = folder
        self.context = Context()
        self.asked_ns = 0
        self._nodes: list[Node] = []
        self._programs: list[Child] = []
        self._evidence: list[tuple[str, Callable[[], object]]] = []
        self._serving: list[tuple[SingleThreadedExecutor, threading.Thread]] = []
        rclpy.init(context=self.context, domain_id=self.id)

    def node(self, name: str, namespace: str = '') -> Node:
        """Return a new node of this process."""
        node = rclpy.create_node(name, namespace=namespace, context=self.context)
        self._nodes.append(node)
        return node

    def spin(
        self, node: Node, until: Callable[[], object], timeout_s: float = 30.0
    ) -> None:
        """Serve a node's callbacks until the condition holds; fail where it never does."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        end = time.monotonic() + timeout_s
        while not until():
            assert time.monotonic() < end, 'it did not happen in time'
            executor.spin_once(timeout_sec=0.05)
        executor.remove_node(node)

    def serve(self, node: Node) -> None:
        """Serve a node's callbacks in a thread, until the test ends."""
        executor = SingleThreadedExecutor(context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        self._serving.append((executor, thread))

    def call(self, node: Node, name: str, kind: Any, **fields: object) -> Any:
        """Return the answer of a service; the node is served in a thread."""
        client: Any = node.create_client(kind, name)
        assert client.wait_for_service(_SERVICE_S), f'no service {name}'
        self.asked_ns = time.time_ns()
        future = client.call_async(kind.Request(**fields))
        wait_until(future.done)
        node.destroy_client(client)
        return future.result()

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

    def tell(self, name: str, evidence: Callable[[], object]) -> None:
        """Have something told where the test fails, as it is then."""
        self._evidence.append((name, evidence))

    def evidence(self) -> list[tuple[str, str]]:
        """Return titles and texts of what helps to understand a failure."""
        found = []
        for program in self._programs:
            code = program.code
            state = 'runs' if code is None else f'ended with {code}'
            tail = '\n'.join(program.text().splitlines()[-_TOLD_LINES:])
            found.append((f'{program.name} ({state})', tail))
        return found + [(name, _told(tell)) for name, tell in self._evidence]

    def close(self) -> None:
        """
        End all that is still there.

        This process leaves DDS first: Fast DDS replaces a shared-memory port of which a writer
        was killed, in a thread of its own, and crashes where the port is closed meanwhile.
        """
        try:
            self._leave()
        finally:
            for program in self._programs:
                program.kill()

    def _leave(self) -> None:
        for executor, thread in self._serving:
            executor.shutdown()
            thread.join(_END_S)
        for node in self._nodes:
            _destroy_endpoints(node)
        if self._nodes:
            _wait_until_quiet(self._nodes[0])
        for node in self._nodes:  # a context that shuts down passes over every second one
            node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def _told(evidence: Callable[[], object]) -> str:
    """Return what is told; what fails in telling hides no failure of the test."""
    try:
        return str(evidence())
    except Exception as error:
        return f'{type(error).__name__}: {error}'


def _destroy_endpoints(node: Node) -> None:
    for publisher in list(node.publishers):
        node.destroy_publisher(publisher)
    for subscription in list(node.subscriptions):
        node.destroy_subscription(subscription)
    for client in list(node.clients):
        node.destroy_client(client)
    for service in list(node.services):
        node.destroy_service(service)


def _wait_until_quiet(node: Node) -> None:
    """
    Return when others have had their endpoints for a while, or never do.

    They may answer to the end of ours, and Fast DDS never comes back from leaving while it is
    just told of theirs, where its C++ library is as old as that of the wheels: its wait without
    limit overflows, and it spins with the lock that who tells it waits for
    (https://github.com/eProsima/Fast-DDS/issues/6513).
    """
    end = time.monotonic() + _BUSY_S
    since, before = time.monotonic(), None
    while (now := time.monotonic()) - since < _QUIET_S and now < end:
        endpoints = [
            (name, node.count_publishers(name), node.count_subscribers(name))
            for name, _ in node.get_topic_names_and_types()
        ] + node.get_service_names_and_types()
        if endpoints != before:
            since, before = now, endpoints
        time.sleep(_POLL_S)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    """Show beside a failure what the programs of the test printed."""
    report = yield
    domain = getattr(item, 'funcargs', {}).get('ros')
    if report.failed and report.when == 'call' and isinstance(domain, RosDomain):
        report.sections += domain.evidence()
    return report


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
