"""What the tests with real viewers share: a recorded drive as a file over HTTP, and a bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
import re
import threading

from aiohttp import web
from mcap.writer import Writer
import pytest
from pytest_ros import RosDomain
from rclpy.serialization import serialize_message

from twinsight_interfaces.msg import Alert
from twinsight_sim.ahead import planned
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation
from twinsight_sim.topics import TOPICS, type_name
from twinsight_store.message_definition import definition

START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
SHARED = {'map', 'diagnostics'}  # of the robots of a fleet


class Drive:
    """An MCAP file of seconds that robots drove, without a clock and without ROS."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('wb')
        self._writer = Writer(self._file)
        self._writer.start('ros2', 'test')
        self._channels: dict[str, int] = {}

    def add(self, topic: str, kind: str, at_ns: int, data: bytes) -> None:
        if topic not in self._channels:
            encoding, text = definition(kind)
            schema = self._writer.register_schema(kind, encoding, text)
            self._channels[topic] = self._writer.register_channel(topic, 'cdr', schema)
        self._writer.add_message(self._channels[topic], at_ns, bytes(data), at_ns)

    def add_robot(self, name: str, seconds: int) -> None:
        """Add a robot: that of the stack without a name, else one of a fleet."""
        settings = SimSettings(seed=len(name), frame_prefix=f'{name}/' if name else '')
        for due_ns, key, data in planned(Simulation(settings), START_NS, seconds * SECOND_NS):
            topic = TOPICS[key]
            shared = topic.name.startswith('/') or key in SHARED or not name
            full = f'/{topic.name}' if shared else f'/{name}/{topic.name}'
            self.add(full.replace('//', '/'), type_name(topic), START_NS + due_ns, data)

    def close(self) -> None:
        self._writer.finish()
        self._file.close()


@pytest.fixture(scope='session')
def files() -> Iterator[Callable[[Path], str]]:
    """Return a function that gives the URL of a file, on a server that knows Range and CORS."""
    app = web.Application()

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        response.headers['Access-Control-Allow-Origin'] = '*'
        response.headers['Access-Control-Expose-Headers'] = 'Accept-Ranges, Content-Length'

    async def send(request: web.Request) -> web.FileResponse:
        return web.FileResponse(served[request.match_info['name']])

    app.on_response_prepare.append(allow)
    app.router.add_get('/{name}', send)
    served: dict[str, Path] = {}
    runner, loop = web.AppRunner(app, shutdown_timeout=0.1), asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, '127.0.0.1', 0)
    loop.run_until_complete(site.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def url_of(path: Path) -> str:
        served[path.name] = path
        return f'http://127.0.0.1:{runner.addresses[0][1]}/{path.name}'

    yield url_of
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope='session')
def drive_url(
    files: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Return the URL of four seconds of the simulated robot."""
    path = tmp_path_factory.mktemp('drive') / 'drive.mcap'
    drive = Drive(path)
    drive.add_robot('', 4)
    drive.close()
    return files(path)


@pytest.fixture(scope='session')
def fleet_url(
    files: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Return the URL of two seconds of three robots, with an alert of the second one."""
    path = tmp_path_factory.mktemp('fleet') / 'fleet.mcap'
    drive = Drive(path)
    alert = Alert(robot_id='robot_02', rule='battery_low', active=True, severity=Alert.ERROR)
    drive.add('/alerts', 'twinsight_interfaces/msg/Alert', START_NS, serialize_message(alert))
    for robot in ('robot_01', 'robot_02', 'robot_03'):
        drive.add_robot(robot, 2)
    drive.close()
    return files(path)


@pytest.fixture
def bridge_url(ros: RosDomain) -> str:
    """Return the address of a bridge in the test's ROS domain."""
    parameters: Sequence[str] = ('-p', 'port:=0', '-p', 'address:=127.0.0.1')
    child = ros.start('twinsight_bridge', 'bridge', '--ros-args', *parameters)
    child.wait_for(' in Foxglove')
    found = re.search(r'open (ws://\S+) in Foxglove', child.text())
    assert found
    return found[1]
