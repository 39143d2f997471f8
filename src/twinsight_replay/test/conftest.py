"""What the tests of the replay node share: recorded data, and a node beside the replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
import os
from pathlib import Path
import time
from typing import Any, NamedTuple, Protocol

from geometry_msgs.msg import TransformStamped
import pytest
from pytest_ros import wait_until
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosbag2_interfaces import srv
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from twinsight_interfaces.msg import ReplayJump, ReplayStatus
from twinsight_replay.ros_times import to_msg, to_ns
from twinsight_store import labels
from twinsight_store.channel import Channel, QOS_KEY
from twinsight_store.connection import connect, StoreSettings, URL_VARIABLE
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_URL_VARIABLE
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.ros_qos import is_latched, is_reliable, offer_of
from twinsight_store.writer import batches, StoreWriter

CONFIG = Path(__file__).resolve().parents[3] / 'config'
START_NS = 1_700_000_000_000_000_000
LATCHED = '- {reliability: reliable, durability: transient_local, history: keep_last, depth: 1}'
TF = 'tf2_msgs/msg/TFMessage'
CLOCK, STATUS, JUMPED = '/clock', '/replay/status', '/replay/jumped'

_DEPTH = 20_000
_QUIET = 3

Recorded = tuple[Channel, int, bytes]
"""Where a message came, when the recorder received it, and its bytes."""


def make_channel(topic: str, type_name: str = 'std_msgs/msg/String', qos: str = '') -> Channel:
    """Return a channel as the recorder describes it, also of a type that is not installed."""
    try:
        encoding, text = definition(type_name)
    except UnknownTypeError:
        encoding, text = 'ros2msg', b''
    return Channel(topic, type_name, encoding, text, 'cdr', {QOS_KEY: qos} if qos else {})


def make_text(data: object) -> bytes:
    """Return a String message as CDR, padded to four bytes as DDS delivers it."""
    cdr = serialize_message(String(data=str(data)))
    return cdr + bytes(-len(cdr) % 4)


class MakeStored(Protocol):
    """Write messages into the store; by default into the test's own bucket."""

    def __call__(
        self, messages: Sequence[Recorded], robot: str = ..., mission: str = ..., *,
        settings: StoreSettings = ..., compression: str = ...,
    ) -> None: ...


class Drive(NamedTuple):
    """
    Ten seconds of a robot.

    odom      channel of /odom: numbers from 0, 50 a second
    channels  /odom, and the latched /map and /tf_static
    messages  all of them; /map is 'map 0', 5 s later 'map 1'; /tf_static has a frame each
    """

    odom: Channel
    channels: list[Channel]
    messages: list[Recorded]

    start_ns = START_NS
    step_ns = 20_000_000
    count = 500

    def at_ns(self, number: int) -> int:
        """Return when a number was received."""
        return self.start_ns + number * self.step_ns


class Seen(NamedTuple):
    """A message that arrived; source_ns is when it was published, Unix ns."""

    source_ns: int
    topic: str
    data: bytes


class Operator:
    """
    A node beside a replay, served in a thread: it watches, calls services, sets parameters.

    /clock, status and jumps are watched from the beginning.
    """

    def __init__(self, ros: Any, settings: StoreSettings) -> None:
        self.node = ros.node('operator')
        self._ros = ros
        self._settings = settings
        self._types: dict[str, Any] = {}
        self._arrived: list[Seen] = []
        self._playing: Any = None
        self._parameters = AsyncParameterClient(self.node, 'replay')
        for topic, kind in ((CLOCK, Clock), (STATUS, ReplayStatus), (JUMPED, ReplayJump)):
            self._subscribe(topic, kind)
        ros.serve(self.node)

    def start(self, *arguments: str, **env: str) -> Any:
        """Start a replay of the test's bucket; it waits for the operator's subscriptions."""
        self._playing = self._ros.start(
            'twinsight_replay', 'replay', '--bucket', self._settings.bucket,
            '--wait-for-subscribers', '20', *arguments,
            **{URL_VARIABLE: self._settings.url, **env},
        )
        return self._playing

    def begin(self, *arguments: str, **env: str) -> Any:
        """
        Start a replay that begins to play when all that is watched is known here to come.

        The replay itself sees only that somebody subscribes: our side may hear of it later.
        """
        topics = [topic for topic in self._types if topic != CLOCK]
        if any(each.startswith('--clock') for each in arguments):
            topics.append(CLOCK)
        playing = self.start('--start-paused', *arguments, **env)
        self.wait_for(ReplayStatus.PAUSED)
        wait_until(lambda: all(self.node.count_publishers(topic) for topic in topics))
        self.ask('resume')
        return playing

    def play(self, *arguments: str, **env: str) -> None:
        """Replay until its end, as begin() begins."""
        playing = self.begin(*arguments, **env)
        assert playing.end(60) == 0, playing.text()
        self.settle(self.has_finished)

    def watch(self, *channels: Channel, prefix: str = '', latched: bool = False) -> None:
        """Subscribe to topics; ``latched`` also gets what was published before."""
        for each in channels:
            self._subscribe(prefix + each.topic, message_class(each.type_name), latched)

    def watch_as_offered(self, *channels: Channel, prefix: str = '') -> None:
        """Subscribe to topics with the QoS with which they are offered."""
        for each in channels:
            offer = offer_of(each.offered_qos)
            self._subscribe(
                prefix + each.topic, message_class(each.type_name), is_latched(offer),
                is_reliable(offer),
            )

    def settle(self, arrived: Callable[[], object] = lambda: True) -> None:
        """
        Return when that has arrived, and all else that was published; and then no more comes.

        That is but for the clock and the status, which never end while the replay runs. What was
        published before a status arrives before it.
        """
        wait_until(arrived)
        while True:
            count = self._count_in_turn()
            if self._playing.running:
                self._hear(_QUIET)
            # What waits to be looked at is looked at between two turns.
            if count == self._count_in_turn() == self._count_in_turn():
                return

    def _count_in_turn(self) -> int:
        """Return how many messages were looked at, when the node has come to count them."""
        counting = self.node.executor.create_task(self._count)
        wait_until(counting.done)
        return int(counting.result())

    def _count(self) -> int:
        endless = (CLOCK, STATUS) if self._playing.running else ()
        return sum(each.topic not in endless for each in self._arrived)

    def has_finished(self) -> bool:
        """Return whether it was told that the end is reached."""
        return self.status.state == ReplayStatus.FINISHED

    def wait_for(self, state: int) -> ReplayStatus:
        """Return a status of a state that the replay is in from now on."""
        now_ns = time.time_ns()
        wait_until(lambda: self._has_status(state, now_ns))
        return self.status

    def _has_status(self, state: int, since_ns: int) -> bool:
        status = self.status
        return status.state == state and to_ns(status.header.stamp) > since_ns

    def told(self, count: int) -> list[ReplayStatus]:
        """Return the next statuses, of which each tells what is so from now on."""
        now_ns = time.time_ns()
        wait_until(lambda: len(self._told_since(now_ns)) >= count)
        return self._told_since(now_ns)[:count]

    def _hear(self, count: int) -> None:
        """Return when so many statuses were told from now on, or the replay has ended."""
        now_ns = time.time_ns()
        wait_until(
            lambda: len(self._told_since(now_ns)) >= count or not self._playing.running
        )

    def _told_since(self, time_ns: int) -> list[ReplayStatus]:
        return [
            each for each in self.messages(STATUS, time_ns) if to_ns(each.header.stamp) > time_ns
        ]

    @property
    def status(self) -> ReplayStatus:
        """Return the latest status, an empty one where there is none."""
        for each in reversed(self._arrived):
            if each.topic == STATUS:
                return deserialize_message(each.data, ReplayStatus)
        return ReplayStatus()

    def seen(self, *topics: str, since_ns: int = 0) -> list[Seen]:
        """Return what arrived of some topics, as it was published, from a time of publishing."""
        chosen = [
            each for each in list(self._arrived)
            if each.topic in topics and each.source_ns >= since_ns
        ]
        return sorted(chosen, key=lambda each: each.source_ns)

    def messages(self, topic: str, since_ns: int = 0) -> list[Any]:
        """Return the messages of a topic, as seen() does."""
        seen = self.seen(topic, since_ns=since_ns)
        return [deserialize_message(each.data, self._types[topic]) for each in seen]

    def texts(self, topic: str, since_ns: int = 0) -> list[str]:
        """Return the texts of a topic of Strings."""
        return [each.data for each in self.messages(topic, since_ns)]

    def clock_ns(self, since_ns: int = 0) -> list[int]:
        """Return what /clock said."""
        return [to_ns(each.clock) for each in self.messages(CLOCK, since_ns)]

    def ask(self, name: str, **fields: object) -> Any:
        """Return the answer of one of the replay's services."""
        kind = getattr(srv, ''.join(word.capitalize() for word in name.split('_')))
        return self._ros.call(self.node, f'/replay/{name}', kind, **fields)

    def seek(self, to_time_ns: int) -> bool:
        """Ask for a seek; return whether it was done."""
        return bool(self.ask('seek', time=to_msg(to_time_ns)).success)

    def set(self, name: str, value: object) -> SetParametersResult:  # noqa: A003
        """Set a parameter of the replay; return what came of it."""
        self._parameters.wait_for_services(20)
        wanted = [Parameter(name, value=value)]
        return self._answer(self._parameters.set_parameters(wanted)).results[0]

    def get(self, name: str) -> object:
        """Return a parameter of the replay."""
        self._parameters.wait_for_services(20)
        [value] = self._answer(self._parameters.get_parameters([name])).values
        return parameter_value_to_python(value)

    def _answer(self, future: Any) -> Any:
        wait_until(future.done)
        return future.result()

    def _subscribe(
        self, topic: str, kind: Any, latched: bool = False, reliable: bool = True
    ) -> None:
        qos = QoSProfile(depth=_DEPTH)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        if not reliable:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        self._types[topic] = kind
        self.node.create_subscription(kind, topic, partial(self._look, topic), qos, raw=True)

    def _look(self, topic: str, data: bytes, info: dict[str, Any]) -> None:
        self._arrived.append(Seen(info['source_timestamp'], topic, data))


@pytest.fixture
def with_room() -> dict[str, str]:
    """Return the environment in which best-effort messages wait for who is held up."""
    family = 'FASTRTPS' if os.environ.get('ROS_DISTRO') == 'jazzy' else 'FASTDDS'
    return {f'{family}_DEFAULT_PROFILES_FILE': str(CONFIG / 'fastdds.xml')}


@pytest.fixture(autouse=True)
def _without_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep out what a server of this machine holds; a test names a database of its own."""
    monkeypatch.setenv(POSTGRES_URL_VARIABLE, '')  # were it absent, tools/run would fill it in


@pytest.fixture
def operator(ros: Any, store_settings: StoreSettings) -> Operator:
    """Give a node beside the replay, which it starts on the test's own bucket."""
    return Operator(ros, store_settings)


@pytest.fixture
def channel() -> Callable[..., Channel]:
    """Return what makes a channel of topic, type and offered QoS."""
    return make_channel


@pytest.fixture
def text() -> Callable[[object], bytes]:
    """Return what makes the bytes of a String message."""
    return make_text


@pytest.fixture
def store(store_settings: StoreSettings) -> MakeStored:
    """Return a function that writes (channel, receive_ns, bytes) into the store."""

    def write(
        messages: Sequence[Recorded], robot: str = 'robot_05', mission: str = 'mission_42', *,
        settings: StoreSettings = store_settings, compression: str = '',
    ) -> None:
        builders: dict[str, RecordBuilder] = {}
        records = []
        for where, receive_ns, data in messages:
            if where.id not in builders:
                builders[where.id] = RecordBuilder(
                    robot, where, labels.record_labels(robot, mission), ChunkRules(),
                    compression=compression,
                )
            records += builders[where.id].add(receive_ns, receive_ns, 0, data)
        for builder in builders.values():
            records += builder.flush()

        async def work() -> None:
            async with connect(settings) as connection:
                writer = StoreWriter(await connection.bucket(create=True), settings)
                for batch in batches(records):
                    assert not (await writer.write(batch)).refused

        asyncio.run(work())

    return write


@pytest.fixture
def drive(store: MakeStored) -> Drive:
    """Store ten seconds of robot_05, mission_42."""
    odom, site = make_channel('/odom'), make_channel('/map', qos=LATCHED)
    frames = make_channel('/tf_static', TF, LATCHED)
    drive = Drive(odom, [odom, site, frames], [])
    for number, frame in ((0, 'camera'), (drive.count // 2, 'lidar')):
        placed = TransformStamped(child_frame_id=frame)
        placed.header.frame_id, placed.header.stamp = 'base', to_msg(drive.at_ns(number))
        at_ns = drive.at_ns(number)
        drive.messages.append((site, at_ns, make_text(f'map {number * 2 // drive.count}')))
        drive.messages.append((frames, at_ns, serialize_message(TFMessage(transforms=[placed]))))
    drive.messages.extend(
        (odom, drive.at_ns(number), make_text(number)) for number in range(drive.count)
    )
    store(drive.messages)
    return drive
