"""Stores filled as the recorders fill them, and a server in front of them, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
import io
import socket
import threading
import time
from typing import Any
import uuid

import httpx
import numpy as np
from PIL import Image
import psycopg
import pytest
from pytest_servers import fresh_database
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores as TypeStores
import uvicorn

from twinsight_bridge.api import server
from twinsight_bridge.web import health, robots
from twinsight_bridge.web.app import ApiSettings
from twinsight_bridge.web.stores import StoreAddresses
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import (
    Event,
    MetricInfo,
    MissionEnded,
    MissionRecording,
    MissionStarted,
)
from twinsight_store.metrics.metric import Series
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.sensor_types import sensor_type_of
from twinsight_store.writer import batches, StoreWriter
from twinsight_tools import redis_server
from twinsight_tools.private import PrivateServer

T0 = 1_795_161_600_000_000_000  # 2026-11-20T08:00:00Z
MS, SECOND = 1_000_000, 1_000_000_000

PATIENCE_S = 30.0
SEND_BUFFER = 100_000  # else a kernel may hold many megabytes of an answer

TYPES = get_typestore(TypeStores.ROS2_JAZZY)


class Site:
    """The stores of a site; times are since T0, in ns."""

    t0 = T0

    @staticmethod
    def scan(number: int) -> Any:
        """Return the laser scan of a number."""
        return scan(number)

    @staticmethod
    def definition(type_name: str) -> bytes:
        """Return the definition of a type as it is stored."""
        return TYPES.generate_msgdef(type_name, ros_version=2)[0].encode()

    @staticmethod
    def cdr(message: Any) -> bytes:
        """Return a message as it is recorded."""
        return bytes(TYPES.serialize_cdr(message, message.__msgtype__))

    def __init__(
        self, records: StoreSettings | None, history: PostgresSettings | None = None,
        live: RedisSettings | None = None,
    ) -> None:
        missing = {
            name: f'TWINSIGHT_{variable}_URL is not set: give it'
            for name, variable, given in (
                ('ReductStore', 'REDUCT', records), ('PostgreSQL', 'POSTGRES', history),
                ('Redis', 'REDIS', live),
            ) if given is None
        }
        self.addresses = StoreAddresses(records, history, live, missing)
        self._source = uuid.uuid4().hex
        self._numbers = iter(range(1_000_000))

    def record(
        self, robot: str, mission: str, topic: str, messages: list[tuple[int, Any]],
        labels: dict[str, str] | None = None, **rules: int,
    ) -> None:
        """Store messages, which are times and messages of one type, or their CDR."""
        message = messages[0][1]
        type_name = message.__msgtype__
        definition = self.definition(type_name)
        builder = RecordBuilder(
            robot, Channel(topic, type_name, 'ros2msg', definition),
            label.record_labels(robot, mission, sensor_type_of(type_name), labels),
            ChunkRules(**rules),
        )
        records = []
        for number, (time_ns, each) in enumerate(messages):
            at_ns = T0 + time_ns
            records += builder.add(at_ns, at_ns - 1000, number, self.cdr(each))
        records += builder.flush()
        settings = self.addresses.records

        async def write() -> None:
            async with connect(settings) as connection:
                writer = StoreWriter(await connection.bucket(create=True), settings)
                for batch in batches(records):
                    await writer.write(batch)

        asyncio.run(write())

    def spoil(self, entry: str, time_ns: int) -> None:
        """Store, in place of a record, one that nobody can read."""
        settings = self.addresses.records

        async def work() -> None:
            async with connect(settings) as connection:
                bucket = await connection.bucket()
                at_us = (T0 + time_ns) // 1000
                await bucket.remove_record(entry, at_us)
                await bucket.write(entry, b'?', at_us, content_type='application/mcap')

        asyncio.run(work())

    def measure(
        self, robot: str, mission: str, name: str, values: list[tuple[int, float | str]],
        start_ns: int = T0,
    ) -> None:
        """Store samples of a metric in the history, and as live values."""
        texts = {row: each for row, (_, each) in enumerate(values) if isinstance(each, str)}
        self.deliver(MetricBatch(
            [Series(robot, mission, name)],
            np.array([time_ns + start_ns for time_ns, _ in values], np.int64),
            np.zeros(len(values), np.uint32),
            np.array([np.nan if isinstance(each, str) else each for _, each in values]), texts,
        ))

    def tell(self, *facts: Any) -> None:
        """Store facts: missions, events, units."""
        self.deliver(MetricBatch(facts=list(facts)))

    def deliver(self, batch: MetricBatch) -> None:
        delivery = Delivery(self._source, next(self._numbers), batch)
        for kind, settings in (
            (HistorySink, self.addresses.history), (LiveSink, self.addresses.live),
        ):
            if settings is not None:
                with closing(kind(settings)) as sink:
                    assert not sink.write([delivery]).refused


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no store taken for away that answers slowly, as this machine is busy."""
    for module in (health, robots):
        monkeypatch.setattr(module, '_PATIENCE_S', PATIENCE_S)


@pytest.fixture(scope='session')
def free_site(
    shared_reduct_server: PrivateServer, shared_postgres_server: PrivateServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Site]]:
    """Give a function that makes an empty site on servers that nobody stops."""
    program = redis_server.find()
    folder = tmp_path_factory.mktemp('redis')
    with fresh_database(shared_postgres_server.url) as url, redis_server.running(
        program, folder / 'redis'
    ) as redis:
        yield lambda: Site(
            StoreSettings(shared_reduct_server.url, bucket=f'test-{uuid.uuid4().hex[:12]}'),
            PostgresSettings(url), RedisSettings(redis.url),
        )


@pytest.fixture(scope='session')
def site(free_site: Callable[[], Site]) -> Site:
    """
    Return a site that is only read: two robots, three missions.

    robot_01  dawn   /scan 20 Hz for 3 s in chunks, /odom 10 Hz, /camera 5 Hz in records of their
                     own, battery.percentage 10 Hz, an alert that was raised and cleared
              noon   10 minutes later: /scan for 1 s; open
    robot_02  dawn   10 s later: /scan for 1 s
    """
    made = free_site()
    _fill(made)
    return made


def _fill(made: Site) -> None:
    scans = [(each * 50 * MS, scan(each)) for each in range(60)]
    made.record('robot_01', 'dawn', '/scan', scans, {'site': 'north'}, max_age_ns=SECOND)
    made.record(
        'robot_01', 'dawn', '/odom', [(each * 100 * MS, odometry(each)) for each in range(30)]
    )
    made.record(
        'robot_01', 'dawn', '/camera/image',
        [(each * 200 * MS, image(each)) for each in range(15)], single_record_bytes=1,
    )
    later = 600 * SECOND
    made.record('robot_01', 'noon', '/scan', [(later + at, each) for at, each in scans[:20]])
    made.record('robot_02', 'dawn', '/scan', [(10 * SECOND + at, each) for at, each in scans[:20]])
    for robot, mission, start_ns, labels in (
        ('robot_01', 'dawn', 0, {'site': 'north'}), ('robot_01', 'noon', later, {}),
        ('robot_02', 'dawn', 10 * SECOND, {'site': 'south'}),
    ):
        made.tell(MissionStarted(robot, mission, T0 + start_ns, labels))
    made.measure(
        'robot_01', 'dawn', 'battery.percentage',
        [(each * 100 * MS, 90 - each / 10) for each in range(30)],
    )
    made.measure('robot_01', 'dawn', 'state', [(0, 'idle'), (SECOND, 'driving')])
    made.measure('robot_02', 'dawn', 'battery.percentage', [(10 * SECOND, 50.0)])
    made.tell(
        MissionEnded('robot_01', 'dawn', T0 + 3 * SECOND),
        MissionRecording('robot_01', 'dawn', 'recorder', {'/scan': (60, 6000)}),
        MetricInfo('robot_01', 'battery.percentage', '%', '/battery', 'percentage'),
        *(
            Event('robot_01', 'dawn', T0 + each * SECOND, kind, severity, text, {'rule': 'low'})
            for each, kind, severity, text in (
                (1, 'alert_raised', 'warn', 'battery is low'),
                (2, 'alert_cleared', 'info', 'battery is well'),
                (2, 'anomaly', 'error', 'it shakes'),
            )
        ),
    )


@pytest.fixture
def free_postgres(shared_postgres_server: PrivateServer) -> Iterator[PostgresSettings]:
    """Give a database of the test's own, without our tables."""
    with fresh_database(shared_postgres_server.url) as url:
        yield PostgresSettings(url)


class LongHistory:
    """
    A history whose answers are longer than all buffers between database and client.

    Of a connection the kernel may hold 4 MB sent and 32 MB received (tcp_wmem and tcp_rmem of a
    usual machine); an answer has 150 MB. PostgreSQL keeps its long texts compressed.
    """

    rows = 60_000

    def __init__(self, url: str) -> None:
        self.site = Site(None, PostgresSettings(url))
        self._url = url
        self.site.tell(Event('r', '', T0, 'made', 'info', ''))  # makes the tables
        self._ask(
            "INSERT INTO metric SELECT to_timestamp(1795161600) + i * INTERVAL '1 ms', 'r', '', "
            f"'m', i, repeat('x', 2500) FROM generate_series(0, {self.rows - 1}) AS i"
        )

    def sessions(self) -> int:
        """Return how many connections of the server there are."""
        return self._ask(
            'SELECT FROM pg_stat_activity WHERE datname = current_database() '
            "AND application_name LIKE 'twinsight%'"
        )

    def streams(self) -> int:
        """Return how many of them stream rows."""
        return self._ask(
            'SELECT FROM pg_stat_activity WHERE datname = current_database() '
            "AND query LIKE 'COPY%' AND state = 'active' AND backend_type = 'client backend'"
        )

    def end_streams(self) -> None:
        self._ask(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
            "WHERE datname = current_database() AND query LIKE 'COPY%'"
        )

    def _ask(self, statement: str) -> int:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return connection.execute(statement.encode()).rowcount


@pytest.fixture(scope='session')
def long_history(shared_postgres_server: PrivateServer) -> Iterator[LongHistory]:
    """Give a history of 60,000 samples, which is only read."""
    with fresh_database(shared_postgres_server.url) as url:
        yield LongHistory(url)


@pytest.fixture(scope='session')
def make_image() -> Callable[..., Any]:
    """Return what makes an image message."""
    return image


def header(number: int) -> Any:
    stamp = TYPES.types['builtin_interfaces/msg/Time'](sec=1_795_161_600, nanosec=number)
    return TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='base')


def scan(number: int) -> Any:
    ranges = np.full(8, number, np.float32)
    ranges[1], ranges[2] = np.inf, np.nan
    return TYPES.types['sensor_msgs/msg/LaserScan'](
        header=header(number), angle_min=-1.5, angle_max=1.5, angle_increment=0.1,
        time_increment=0.0, scan_time=0.05, range_min=0.1, range_max=10.0, ranges=ranges,
        intensities=np.zeros(0, np.float32),
    )


def odometry(number: int) -> Any:
    def of(name: str, **fields: Any) -> Any:
        return TYPES.types[f'geometry_msgs/msg/{name}'](**fields)

    zero = of('Vector3', x=0.0, y=0.0, z=0.0)
    return TYPES.types['nav_msgs/msg/Odometry'](
        header=header(number), child_frame_id='base',
        pose=of(
            'PoseWithCovariance', covariance=np.zeros(36),
            pose=of(
                'Pose', position=of('Point', x=number / 10, y=0.0, z=0.0),
                orientation=of('Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
            ),
        ),
        twist=of(
            'TwistWithCovariance', covariance=np.zeros(36),
            twist=of('Twist', linear=zero, angular=zero),
        ),
    )


def image(
    number: int = 0, encoding: str = 'rgb8', pixels: Any = None, big_endian: bool = False,
    padding: int = 0,
) -> Any:
    """Return an image; without pixels 8 x 6 of the red that its number says."""
    if pixels is None:
        pixels = np.zeros((6, 8, 3), np.uint8)
        pixels[..., 0] = 10 * number
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return TYPES.types['sensor_msgs/msg/Image'](
        header=header(number), height=height, width=width, encoding=encoding,
        is_bigendian=int(big_endian), step=rows.shape[1], data=rows.reshape(-1),
    )


@pytest.fixture(scope='session')
def compressed() -> Callable[..., Any]:
    """Return what makes a compressed image of pixels."""

    def make(pixels: Any, kind: str = 'png', head: bytes = b'') -> Any:
        written = io.BytesIO()
        Image.fromarray(pixels).save(written, kind)
        data = np.frombuffer(head + written.getvalue(), np.uint8)
        return TYPES.types['sensor_msgs/msg/CompressedImage'](
            header=header(0), format='16UC1; compressedDepth' if head else kind, data=data,
        )

    return make


class Api(httpx.Client):
    """A client of a server of its own."""

    def __init__(self, port: int) -> None:
        # The server leaves a connection that is idle for 5 s: by then it is not used any more.
        limits = httpx.Limits(keepalive_expiry=1)
        super().__init__(base_url=f'http://127.0.0.1:{port}', timeout=30, limits=limits)
        self.port = port

    def json(self, path: str, status: int = 200, **query: Any) -> Any:
        """Return what a path answers; ``from_`` stands for from."""
        params = {name.rstrip('_'): value for name, value in query.items()}
        answer = self.get(path, params=params or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    def detail(self, path: str, status: int, **query: Any) -> Any:
        """Return the sentence of an error; of a 422 the names of the parameters and messages."""
        told = self.json(path, status, **query)['detail']
        if status == 422:
            return {each['loc'][-1]: each['msg'] for each in told}
        return told


@contextmanager
def serving(site: Site, **settings: Any) -> Iterator[Api]:
    with running(server(ApiSettings(site.addresses, **settings))) as client:
        yield client


@contextmanager
def running(made: uvicorn.Server) -> Iterator[Api]:
    listening = socket.create_server(('127.0.0.1', 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # each client's too
    thread = threading.Thread(target=made.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not made.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        assert made.started
        with Api(listening.getsockname()[1]) as client:
            yield client
    finally:
        made.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()
    assert not thread.is_alive()


@pytest.fixture(scope='session')
def api(site: Site) -> Iterator[Api]:
    """Give a client of a server in front of the site."""
    with serving(site) as client:
        yield client


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Return what serves a site: a context manager that gives a client."""
    return serving


@pytest.fixture
def serve_app() -> Callable[..., Any]:
    """Return what serves an application of the test's own."""
    return lambda app: running(uvicorn.Server(uvicorn.Config(app, log_level='critical')))


@pytest.fixture
def make_site() -> Callable[..., Site]:
    """Return what makes a site of settings."""
    return Site
