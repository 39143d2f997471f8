"""What the tests with real viewers share: a drive as a file over HTTP, a cloud, and a bridge."""

from __future__ import annotations

from array import array
import asyncio
from collections.abc import Callable, Iterator, Mapping
import math
from pathlib import Path
import re
import threading
from types import MappingProxyType
from typing import Any, Protocol

from aiohttp import web
from geometry_msgs.msg import TransformStamped
from mcap.writer import Writer
import numpy as np
import pytest
from pytest_ros import RosDomain
from rclpy.serialization import serialize_message
from rclpy.time import Time
from sensor_msgs.msg import PointCloud2, PointField
from tf2_msgs.msg import TFMessage
from twinsight_viewers.pictures import Picture

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


class Square:
    """
    A cloud whose points fill a green square, two metres wide, and a panel that looks down on it.

    The middle of the panel is that of the frame ``map``, its height is ten metres of it.
    """

    colour = (32, 224, 96)
    panel: Mapping[str, Any] = {
        'cameraState': {
            'perspective': False, 'distance': 10, 'phi': 0, 'thetaOffset': 0, 'fovy': 45,
            'targetOffset': [0, 0, 0], 'target': [0, 0, 0], 'targetOrientation': [0, 0, 0, 1],
            'near': 0.5, 'far': 5000,
        },
        'followMode': 'follow-none', 'followTf': 'map',
        'scene': {'transforms': {'showLabel': False, 'axisScale': 0, 'lineWidth': 0}},
        'topics': {'/points': {
            'visible': True, 'colorMode': 'rgb', 'colorField': 'rgb', 'pointSize': 4,
            'pointShape': 'square',
        }},
    }  # fmt: skip
    _height_m = 10
    _points = 60  # along a side: each covers its neighbours

    def cloud(self, stamp_ns: int, y: float = 0.0) -> PointCloud2:
        """Return it in the frame ``lidar``, its middle at (0, y)."""
        side = np.linspace(-1, 1, self._points, dtype=np.float32)
        names = ['x', 'y', 'z', 'rgb']
        points = np.zeros(self._points**2, [(name, '<f4') for name in names])
        points['x'], points['y'] = (axis.ravel() for axis in np.meshgrid(side, side + y))
        red, green, blue = self.colour
        points['rgb'] = np.array(red << 16 | green << 8 | blue, '<u4').view('<f4')
        cloud = PointCloud2(
            height=1, width=points.size, point_step=16, row_step=16 * points.size, is_dense=True,
            fields=[
                PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1)
                for number, name in enumerate(names)
            ],
        )  # fmt: skip
        cloud.header.frame_id, cloud.header.stamp = 'lidar', Time(nanoseconds=stamp_ns).to_msg()
        cloud.data = array('B', points.tobytes())
        return cloud

    @staticmethod
    def frame(stamp_ns: int, parent: str, child: str, x: float = 0.0) -> TFMessage:
        """Return that a frame is at (x, 0) of another; both look the same way."""
        frame = TransformStamped(child_frame_id=child)
        frame.header.frame_id, frame.header.stamp = parent, Time(nanoseconds=stamp_ns).to_msg()
        frame.transform.translation.x = x
        return TFMessage(transforms=[frame])

    def seen(self, picture: Picture) -> tuple[float, float, float]:
        """Return x and y of its middle and its width, m, as a panel shows it; NaN without one."""
        height, width = picture.pixels.shape[:2]
        distance = np.abs(picture.pixels.astype(int) - self.colour).max(axis=2)
        rows, columns = np.nonzero(distance <= 24)
        if not rows.size:
            return math.nan, math.nan, math.nan
        metre = height / self._height_m
        x, y = columns.mean() - width / 2, height / 2 - rows.mean()
        return float(x / metre), float(y / metre), float(rows.size**0.5 / metre)


@pytest.fixture(scope='session')
def square() -> Square:
    """Return a cloud that is easily seen."""
    return Square()


class StartBridge(Protocol):
    """Starts a bridge with these parameters and this environment; return its address."""

    def __call__(self, parameters: Mapping[str, object] = ..., **environment: str) -> str: ...


@pytest.fixture
def start_bridge(ros: RosDomain) -> StartBridge:
    """Return what starts a bridge in the test's ROS domain."""

    def start(parameters: Mapping[str, object] = MappingProxyType({}), **environment: str) -> str:
        given = {'port': 0, 'address': '127.0.0.1', **parameters}
        arguments = [part for name, value in given.items() for part in ('-p', f'{name}:={value}')]
        child = ros.start('twinsight_bridge', 'bridge', '--ros-args', *arguments, **environment)
        child.wait_for(' in Foxglove')
        found = re.search(r'open (ws://\S+) in Foxglove', child.text())
        assert found
        return found[1]

    return start


@pytest.fixture
def bridge_url(start_bridge: StartBridge) -> str:
    """Return the address of a bridge that has its parameters of itself."""
    return start_bridge()
