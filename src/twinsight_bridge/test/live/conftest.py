"""What the tests of the bridge share: a bridge process in the test's ROS domain, and viewers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import re
from typing import Any

import pytest
from pytest_foxglove import FoxgloveViewer
from pytest_ros import RosDomain
from twinsight_demo.child import Child


class Bridge:
    """A bridge that runs; viewers that connect through it are disconnected after the test."""

    def __init__(self, child: Child, url: str, viewers: list[FoxgloveViewer]) -> None:
        self.child = child
        self.url = url
        self._viewers = viewers

    def viewer(self, **options: Any) -> FoxgloveViewer:
        """Return a new viewer."""
        self._viewers.append(FoxgloveViewer(self.url, **options))
        return self._viewers[-1]

    @property
    def pages(self) -> str:
        """Return where the bridge answers HTTP."""
        return self.url.replace('ws', 'http', 1)


@pytest.fixture
def start_bridge(
    ros: RosDomain, viewers: list[FoxgloveViewer]
) -> Callable[..., Bridge]:
    """Return a function that starts a bridge with the given parameters, on loopback."""

    def start(**parameters: object) -> Bridge:
        given = {'port': 0, 'address': '127.0.0.1', **parameters}
        arguments = [part for name, value in given.items() for part in ('-p', f'{name}:={value}')]
        child = ros.start('twinsight_bridge', 'bridge', '--ros-args', *arguments)
        child.wait_for(' in Foxglove')
        found = re.search(r'open (wss?://\S+) in Foxglove', child.text())
        assert found
        return Bridge(child, found[1], viewers)

    return start


@pytest.fixture
def bridge(start_bridge: Callable[..., Bridge]) -> Iterator[Bridge]:
    """Give a bridge with the parameters that it has of itself."""
    yield start_bridge()
