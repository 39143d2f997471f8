"""A recording, sessions that replay it, and viewers with real sockets that look at them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
import itertools
import os
from pathlib import Path
import struct
import threading
import time
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode
import uuid

import numpy as np
import pytest
from pytest_foxglove import FoxgloveViewer
from pytest_ros import wait_until

from twinsight_bridge.front.front import Front
from twinsight_bridge.front.settings import FrontSettings
from twinsight_bridge.front.viewer import Server
from twinsight_bridge.playback.session import Session
from twinsight_bridge.playback.sessions import SessionRules, Sessions
from twinsight_bridge.playback.viewing import Viewing
from twinsight_store import labels as label
from twinsight_store.cdr.writer import CdrWriter
from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.connection import connect, StoreSettings, URL_VARIABLE
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect as connect_database
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.writer import batches, StoreWriter

START_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

PLAY, PAUSE = 0, 1
PLAYING, PAUSED, BUFFERING, ENDED = range(4)

LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
STRING = 'std_msgs/msg/String'
TF = 'tf2_msgs/msg/TFMessage'
IDL = b"""\
================================================================================
IDL: std_msgs/msg/String
module std_msgs { module msg { struct String { string data; }; }; };
"""

_QUIET_S = 0.15

T = TypeVar('T')

Recorded = tuple[Channel, int, bytes]


def channel(
    topic: str, type_name: str = STRING, qos: str = '', encoding: str = 'ros2msg',
    schema: bytes = b'string data\n',
) -> Channel:
    """Return a channel as the recorder describes it."""
    return Channel(topic, type_name, encoding, schema, 'cdr', {QOS_KEY: qos} if qos else {})


def text(data: object) -> bytes:
    """Return a String message."""
    writer = CdrWriter()
    writer.text(str(data))
    return writer.data()


def transform(child_frame: str) -> bytes:
    """Return a TFMessage that places one frame."""
    writer = CdrWriter()
    writer.align(4)
    data = writer.data() + struct.pack('<I', 1)
    body = CdrWriter()
    body.time(0)
    body.text('base')
    body.text(child_frame)
    body.align(8)
    return data + body.data()[4:] + bytes(7 * 8)


class Drive(NamedTuple):
    """
    Eight seconds of robot_05.

    /odom, 50 a second from 0; /camera, 10 a second of 80 kB; latched /map ('map 0', and 'map 1'
    after 4 s) and /tf_static (camera, and lidar after 4 s); /plan, of ros2idl, every 2 s.
    """

    settings: StoreSettings
    messages: list[Recorded]

    start_ns = START_NS
    count = 400
    step_ns = 20_000_000

    def at_ns(self, number: int) -> int:
        """Return when a number of /odom was received; off the full microsecond."""
        return self.start_ns + number * self.step_ns + 7

    def of(self, *topics: str) -> list[tuple[str, int, bytes]]:
        """Return topic, time and bytes of what was recorded on topics, in order of time."""
        return [
            (where.topic, at_ns, data) for where, at_ns, data in self.messages
            if where.topic in topics
        ]


def store(settings: StoreSettings, messages: Sequence[Recorded], robot: str) -> None:
    """Store messages as the recorder does: small ones in chunks, big ones alone."""
    builders: dict[str, RecordBuilder] = {}
    records = []
    for where, at_ns, data in messages:
        if where.id not in builders:
            builders[where.id] = RecordBuilder(
                robot, where, label.record_labels(robot, 'mission_42', 'odometry'), ChunkRules()
            )
        records += builders[where.id].add(at_ns, at_ns, 0, data)
    for builder in builders.values():
        records += builder.flush()

    async def work() -> None:
        async with connect(settings) as connection:
            writer = StoreWriter(await connection.bucket(create=True), settings)
            for batch in batches(records):
                assert not (await writer.write(batch)).refused

    asyncio.run(work())


@pytest.fixture(scope='module')
def drive(shared_reduct_server: Any) -> Drive:
    """Store the drive, for all tests of a file."""
    settings = StoreSettings(shared_reduct_server.url, bucket=f'test-{uuid.uuid4().hex[:12]}')
    drive = Drive(settings, [])
    odom, camera = channel('/odom'), channel('/camera')
    site, frames = channel('/map', qos=LATCHED), channel('/tf_static', TF, LATCHED, schema=b'x\n')
    plan = channel('/plan', encoding='ros2idl', schema=IDL)
    for number in range(drive.count):
        at_ns = drive.at_ns(number)
        drive.messages.append((odom, at_ns, text(number)))
        if number % 5 == 0:
            drive.messages.append((camera, at_ns + 1, text(f'{number} ' + 'x' * 80_000)))
        if number % 100 == 0:
            drive.messages.append((plan, at_ns + 2, text(f'plan {number}')))
        if number % 200 == 0:
            drive.messages.append((site, at_ns + 3, text(f'map {number // 200}')))
            frame = 'lidar' if number else 'camera'
            drive.messages.append((frames, at_ns + 4, transform(frame)))
    store(settings, drive.messages, 'robot_05')
    return drive


@pytest.fixture
def make_channel() -> Callable[..., Channel]:
    """Return what makes a channel; ``frames`` makes it one of transforms."""

    def make(topic: str, latched: bool = False, frames: bool = False) -> Channel:
        return channel(topic, TF if frames else STRING, LATCHED if latched else '')

    return make


@pytest.fixture(name='transform')
def a_transform() -> Callable[[str], bytes]:
    """Return what makes a message that places a frame."""
    return transform


@pytest.fixture(name='children_of')
def processes_of() -> Callable[[int], list[int]]:
    """Return what lists the processes that a process has started."""
    return children_of


@pytest.fixture(name='is_running')
def runs() -> Callable[[int], bool]:
    """Return what says whether a process runs."""
    return is_running


class State(NamedTuple):
    """A PlaybackState as a viewer gets it."""

    status: int
    time_ns: int
    rate: float
    did_seek: bool
    request: str


class Seen(NamedTuple):
    """A message as a viewer gets it; at_s is the monotonic clock's."""

    topic: str
    log_ns: int
    data: bytes
    at_s: float


class Viewer(FoxgloveViewer):
    """
    A viewer that has the controls of playback.

    frames  messages, states and times of the server (ns) in the order in which they came
    """

    def __init__(self, url: str) -> None:
        self.frames: list[State | Seen | int] = []
        self._requests = itertools.count(1)
        super().__init__(url)
        wait_until(lambda: self.told_of('serverInfo') and (self.channels or self.statuses))

    @property
    def info(self) -> dict[str, Any]:
        """Return what the server says of itself."""
        return self.told_of('serverInfo')[0]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """Return what the server shows to the operator."""
        return self.told_of('status')

    def request(self, command: int, seek_ns: int | None = None, rate: float = 1.0) -> State:
        """Ask for something; return the answer."""
        number = f'request {next(self._requests)}'
        self.socket.send(struct.pack(
            '<BBfBQI', 3, command, rate, seek_ns is not None, seek_ns or 0, len(number)
        ) + number.encode())
        return self.state(lambda state: state.request == number)

    def state(self, wanted: Callable[[State], bool]) -> State:
        """Return the first state that is as wanted, when it has come."""
        found: list[State] = []

        def look() -> bool:
            found[:] = [s for s in self.frames if isinstance(s, State) and wanted(s)][:1]
            return bool(found)

        wait_until(look)
        return found[0]

    def messages(self, *topics: str) -> list[Seen]:
        """Return the messages, of all topics where none is named."""
        return [
            each for each in list(self.frames)
            if isinstance(each, Seen) and (not topics or each.topic in topics)
        ]

    def recorded(self, *topics: str) -> list[tuple[str, int, bytes]]:
        """Return topic, time and bytes of the messages, as Drive.of() has them."""
        return [each[:3] for each in self.messages(*topics)]

    def since(self, state: State) -> list[Seen]:
        """Return the messages after a state; of a seek those that were not cleared after it."""
        since: list[Seen] = []
        for each in self.frames[self.frames.index(state):]:
            if isinstance(each, Seen):
                since.append(each)
            elif isinstance(each, State) and each.did_seek:
                since.clear()
        return since

    def settle(self, count: int = 0) -> None:
        """Return when so many messages have come, and no more come for a while."""
        wait_until(lambda: len(self.messages()) >= count)
        count = -1
        while count != len(self.messages()):
            count = len(self.messages())
            time.sleep(_QUIET_S)

    def _binary(self, frame: bytes) -> None:
        super()._binary(frame)
        if frame[0] == 1:
            self.frames.append(Seen(*self.got[-1], time.monotonic()))
        elif frame[0] == 2:
            self.frames.append(self.times[-1])
        elif frame[0] == 5:
            status, time_ns, rate, did_seek, _ = struct.unpack_from('<xBQfBI', frame)
            self.frames.append(State(status, time_ns, rate, bool(did_seek), frame[19:].decode()))


def children_of(pid: int) -> list[int]:
    """Return the processes that one has started, and those that they have."""
    found = []
    for task in Path(f'/proc/{pid}/task').glob('*/children'):
        with suppress(OSError):  # the thread has ended meanwhile
            for child in map(int, task.read_text().split()):
                found += [child, *children_of(child)]
    return found


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    return False


@asynccontextmanager
async def no_live_robot() -> AsyncIterator[Server]:
    """Stand for the live robot, which nobody asks for here."""
    raise AssertionError('a viewer asks for the live robot')
    yield


class Bridge:
    """The sessions of a bridge behind its front, in an event loop of their own, and viewers."""

    def __init__(self, settings: StoreSettings, environment: dict[str, str], **rules: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._viewers: list[Viewer] = []
        self._processes: set[int] = set()
        rules = {'buckets': (settings.bucket,), **rules}
        self.sessions: Sessions = self.ask(self._make(SessionRules(**rules), environment))

    async def _make(self, rules: SessionRules, environment: dict[str, str]) -> Sessions:
        sessions = Sessions(rules, environment)
        self._front = Front(FrontSettings(port=0, address='127.0.0.1'), no_live_robot)
        Viewing(self._front, sessions)
        self.url = f'ws://127.0.0.1:{await self._front.start()}/replay'
        return sessions

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns, run in the loop of the bridge."""
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(90)

    def open(self, **query: Any) -> Session:
        session = self.ask(self.sessions.open({
            name.rstrip('_'): value if isinstance(value, list) else [str(value)]
            for name, value in query.items()
        }))
        self._processes |= {session.pid, *children_of(session.pid)}
        return session

    def played(self, session_id: str) -> int:
        """Return how many messages a session has played by now, but for what it held."""
        return int(self.ask(self.sessions.control(session_id))['messages'])

    def look_at(self, session: Session) -> Viewer:
        """Return a viewer of a session."""
        return self.connect(session=session.id)

    def connect(self, **query: Any) -> Viewer:
        """Return a viewer that connects to the address of what a query names."""
        self._viewers.append(Viewer(f'{self.url}?{urlencode(query, doseq=True)}'))
        return self._viewers[-1]

    def watch(self, *topics: str, **query: Any) -> tuple[Session, Viewer]:
        """Open a session, and return it with a viewer that has subscribed to topics."""
        session = self.open(**query)
        viewer = self.look_at(session)
        viewer.subscribe(*topics)
        return session, viewer

    def disconnect(self) -> None:
        for each in self._viewers:
            each.close()
        self._viewers.clear()

    def close(self) -> None:
        """End it; none of its sessions' processes, of which each has one that reads, is left."""
        self.disconnect()
        self.ask(self._front.stop())
        self.ask(self.sessions.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        wait_until(lambda: not any(map(is_running, self._processes)))


@contextmanager
def bridge_of(
    settings: StoreSettings, postgres_url: str = '', url: str = '', **rules: Any
) -> Iterator[Bridge]:
    """Give a bridge whose sessions read from these stores."""
    with closing(Bridge(settings, {
        **os.environ, URL_VARIABLE: url or settings.url, POSTGRES_URL_VARIABLE: postgres_url,
    }, **rules)) as bridge:
        yield bridge


@pytest.fixture
def bridge(drive: Drive) -> Iterator[Bridge]:
    """Give a bridge whose sessions replay the drive."""
    with bridge_of(drive.settings) as bridge:
        yield bridge


@pytest.fixture(scope='session')
def new_bridge() -> Callable[..., Any]:
    """Return what gives a bridge, with other rules or stores."""

    def make(settings: StoreSettings, **options: Any) -> Any:
        return bridge_of(settings, **options)

    return make


@pytest.fixture
def history(postgres_url: str) -> str:
    """Store metrics and an alert of the drive; return the URL of their database."""
    settings = PostgresSettings(postgres_url)
    with connect_database(settings) as connection:
        migrate(connection)
    raised_ns = START_NS + 3 * SECOND
    alert = {'rule': 'low', 'metric': 'battery.percentage', 'value': 0.1, 'text': None,
             'raised_ns': raised_ns}
    with closing(HistorySink(settings)) as sink:
        sink.write([
            Delivery('recorder', 1, MetricBatch(
                [Series('robot_05', 'mission_42', 'battery.percentage')],
                START_NS + np.arange(8) * SECOND, np.zeros(8, np.uint32),
                np.linspace(0.9, 0.2, 8), {},
            )),
            Delivery('recorder', 2, MetricBatch(facts=[Event(
                'robot_05', 'mission_42', raised_ns, 'alert_raised', 'warn', 'battery low', alert
            )])),
        ])
    return postgres_url
