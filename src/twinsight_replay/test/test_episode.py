"""Stored data as Python code gets it, from a real ReductStore and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
import tracemalloc
from typing import Any

from nav_msgs.msg import Odometry
import numpy as np
import pyarrow as pa
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import LaserScan
from std_msgs.msg import String

import twinsight_replay
from twinsight_replay import Episode, Selection
from twinsight_replay.read_ahead import READ_AHEAD_BYTES
from twinsight_store import record_query
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    RecordError,
    StoreUnavailableError,
)
from twinsight_store.field_path import FieldPath
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect as connect_postgres
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.labels import record_labels
from twinsight_store.message import Message
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.writer import batches, StoreWriter
from twinsight_tools.private import PrivateServer

T0 = 1_763_900_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
ODOMETRY = Channel('/odom', 'nav_msgs/msg/Odometry', *definition('nav_msgs/msg/Odometry'))
TEXT = Channel('/chatter', 'std_msgs/msg/String', *definition('std_msgs/msg/String'))
SCAN = Channel('/scan', 'sensor_msgs/msg/LaserScan', *definition('sensor_msgs/msg/LaserScan'))


class Stored:
    """A bucket, filled as the recorder does it."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings

    def record(
        self, channel: Channel, *messages: tuple[int, bytes], robot: str = 'r1',
        mission: str = 'dawn',
    ) -> None:
        """Store messages with their times since T0, ns."""
        builder = RecordBuilder(robot, channel, record_labels(robot, mission), ChunkRules())
        records = []
        for number, (time_ns, data) in enumerate(messages):
            records += builder.add(T0 + time_ns, T0 + time_ns - 1, number, data)

        async def write() -> None:
            async with connect(self.settings) as connection:
                writer = StoreWriter(await connection.bucket(create=True), self.settings)
                for batch in batches(records + builder.flush()):
                    assert not (await writer.write(batch)).refused

        asyncio.run(write())

    def open(self, *given: Any, **fields: Any) -> Episode:  # noqa: A003
        return twinsight_replay.open(
            *given, **{'records': self.settings, 'history': None, **fields}
        )


@pytest.fixture
def stored(store_settings: StoreSettings) -> Stored:
    return Stored(store_settings)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert reading_threads() == []


def reading_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == 'twinsight-read-ahead']


def odometry(x: float, stamp_ns: int = 0) -> bytes:
    message = Odometry(child_frame_id='base_link')
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, SECOND)
    message.pose.pose.position.x = x
    return serialize_message(message)


def text(data: str) -> bytes:
    return serialize_message(String(data=data))


def drive(stored: Stored, count: int = 100, **owner: str) -> None:
    """Store odometry and chatter, 10 Hz each."""
    times = [number * 100 * MS for number in range(count)]
    stored.record(ODOMETRY, *((each, odometry(each / SECOND, each)) for each in times), **owner)
    stored.record(TEXT, *((each + 1, text(str(each // MS))) for each in times), **owner)


def since_start(messages: Iterable[Message]) -> list[int]:
    return [(message.receive_ns - T0) // MS for message in messages]


def test_messages_come_in_time_order_with_all_that_is_known_of_them(stored: Stored) -> None:
    drive(stored)
    with stored.open(robots='r1', missions=['dawn']) as episode:
        messages = list(episode)
        assert episode.topics == ['/chatter', '/odom']
        assert episode.channels == [('r1', TEXT), ('r1', ODOMETRY)]
        first_ns, last_ns = episode.span_ns
    assert [message.topic for message in messages] == ['/odom', '/chatter'] * 100
    assert since_start(messages[::2]) == [number * 100 for number in range(100)]
    fourth = messages[6]
    assert (fourth.receive_ns, fourth.publish_ns) == (T0 + 300 * MS, T0 + 300 * MS - 1)
    assert (fourth.stamp_ns, fourth.sequence) == (300 * MS, 3)
    assert (fourth.type_name, fourth.robot_id, fourth.mission_id) == (
        'nav_msgs/msg/Odometry', 'r1', 'dawn'
    )
    assert fourth.decoded().pose.pose.position.x == 0.3
    assert messages[7].data == text('300')
    assert messages[7].decoded().data == '300'
    assert first_ns <= messages[0].receive_ns and messages[-1].receive_ns <= last_ns
    assert last_ns - first_ns < 11 * SECOND


def test_what_is_selected_is_given_by_fields_by_a_selection_or_by_both(stored: Stored) -> None:
    drive(stored)
    drive(stored, 10, robot='r2', mission='dusk')
    given: list[tuple[tuple[Selection, ...], dict[str, Any], int]] = [
        ((), {}, 220),
        ((), {'topics': ['/odom', '/chatter'], 'robots': ['r1']}, 200),
        ((), {'topics': 'odom'}, 110),
        ((), {'missions': 'dusk'}, 20),
        ((), {'from_ns': T0 + SECOND, 'to_ns': T0 + 2 * SECOND}, 20),
        ((), {'labels': {'mission_id': 'dusk'}}, 20),
        ((Selection(robots=('r2',)),), {}, 20),
        ((Selection(robots=('r2',)),), {'topics': '/odom'}, 10),
        ((Selection(robots=('r2',)),), {'robots': 'r1'}, 200),
    ]
    for selection, fields, count in given:
        with stored.open(*selection, **fields) as episode:
            assert sum(1 for _ in episode) == count, (selection, fields)


def test_each_iteration_begins_anew_and_may_begin_at_any_time(stored: Stored) -> None:
    drive(stored)
    with stored.open(topics='/odom') as episode:
        whole = since_start(episode)
        assert whole == [number * 100 for number in range(100)]
        assert since_start(episode) == whole
        assert since_start(episode.since(T0 + 9700 * MS)) == [9700, 9800, 9900]
        assert since_start(episode.since(T0 + 9700 * MS + 1)) == [9800, 9900]
        assert since_start(episode.since(T0 + 20 * SECOND)) == []
        for message in episode:
            if message.sequence == 3:
                break
        assert since_start(episode) == whole


def test_a_later_iteration_ends_the_earlier_one_with_a_clear_error(stored: Stored) -> None:
    drive(stored, 1000)
    stored.record(TEXT, *((200 * SECOND + number * SECOND, text('x')) for number in range(100)))
    with stored.open() as episode:
        earlier = iter(episode)
        next(earlier)
        later = episode.since(T0 + 50 * SECOND)
        assert next(later).receive_ns == T0 + 50 * SECOND
        with pytest.raises(RuntimeError, match='another iteration over this episode has begun'):
            for message in earlier:
                assert message.receive_ns < T0 + 50 * SECOND
        assert sum(1 for _ in later) == 999 + 100


def test_outside_of_its_block_an_episode_gives_nothing(stored: Stored) -> None:
    drive(stored, 1000)
    episode = stored.open()
    with pytest.raises(RuntimeError, match='in its with block'):
        next(iter(episode))
    with episode:
        messages = iter(episode)
        next(messages)
    with pytest.raises(RuntimeError, match='in its with block'):
        list(messages)


def test_an_error_in_the_block_ends_the_thread_and_reaches_the_caller(stored: Stored) -> None:
    drive(stored)
    with pytest.raises(ZeroDivisionError), stored.open() as episode:  # noqa: PT012
        for _ in episode:
            1 / 0  # noqa: B018
    assert reading_threads() == []


def test_nothing_matched_says_what_there_is(stored: Stored) -> None:
    drive(stored)
    with pytest.raises(NothingMatchedError, match='nothing matches --robot r9; there is r1'):
        stored.open(robots='r9').__enter__()


def test_it_works_inside_a_running_event_loop(stored: Stored) -> None:
    drive(stored)

    async def notebook() -> tuple[int, int]:
        with stored.open() as episode:
            rows = episode.column('/odom', 'pose.pose.position.x').num_rows
            return sum(1 for _ in episode), rows

    assert asyncio.run(notebook()) == (200, 100)


def test_however_much_is_selected_little_memory_holds_it(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Channel('/image', 'x/msg/Blob', 'ros2msg', b'uint8[] data\n')
    size = 1_000_000
    for part in range(8):
        stored.record(image, *(
            ((part * 25 + number) * 100 * MS, bytes([number]) * size) for number in range(25)
        ))
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 4_000_000)
    tracemalloc.start()
    with stored.open() as episode:
        messages = iter(episode)
        next(messages)
        end = time.monotonic() + 60.0
        while tracemalloc.get_traced_memory()[0] < READ_AHEAD_BYTES:
            assert time.monotonic() < end, 'nothing is read ahead'
            time.sleep(0.01)
        time.sleep(0.5)  # for more, were there no bound
        assert sum(1 for _ in messages) == 199
        peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < READ_AHEAD_BYTES + 8 * 4_000_000 < 100 * size


def test_a_store_that_went_away_is_told_and_can_be_read_again(
    reduct_server: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_query, 'WINDOW_BYTES', 500_000)
    stored = Stored(StoreSettings(reduct_server.url, patience_s=0.5))
    image = Channel('/image', 'x/msg/Blob', 'ros2msg', b'uint8[] data\n')
    stored.record(image, *((number * 100 * MS, bytes(1_000_000)) for number in range(150)))
    with stored.open() as episode:
        messages = iter(episode)
        next(messages)
        reduct_server.kill()
        with pytest.raises(StoreUnavailableError, match='does not answer'):
            list(messages)
        reduct_server.restart()
        assert sum(1 for _ in episode) == 150


def test_a_field_is_a_column_in_one_line(stored: Stored) -> None:
    drive(stored)
    with stored.open() as episode:
        table = episode.column('/odom', 'pose.pose.position.x')
    assert table.column_names == ['time', 'stamp', 'value']
    assert table.schema.types == [pa.timestamp('ns', 'UTC')] * 2 + [pa.float64()]
    assert table['value'].to_pylist() == [number / 10 for number in range(100)]
    assert table['time'].cast(pa.int64())[3].as_py() == T0 + 300 * MS
    assert table['stamp'].cast(pa.int64())[3].as_py() == 300 * MS


def test_several_fields_of_several_robots_tell_whose_they_are(stored: Stored) -> None:
    drive(stored, 3)
    drive(stored, 2, robot='r2')
    scans = [LaserScan(ranges=[1.0, 2.0]), LaserScan(ranges=[3.0])]
    stored.record(SCAN, *((number, serialize_message(each)) for number, each in enumerate(scans)))
    with stored.open() as episode:
        table = episode.columns('/odom', ['child_frame_id', 'pose.pose.position.x'])
        scan = episode.columns('/scan', ['ranges'])
    assert table.column_names == [
        'time', 'stamp', 'robot_id', 'child_frame_id', 'pose.pose.position.x'
    ]
    assert table['robot_id'].to_pylist() == ['r1', 'r2', 'r1', 'r2', 'r1']
    assert table['pose.pose.position.x'].to_pylist() == [0.0, 0.0, 0.1, 0.1, 0.2]
    assert scan.column_names == ['time', 'stamp', 'ranges']
    assert scan['ranges'].to_pylist() == [[1.0, 2.0], [3.0]]


def test_a_column_reads_its_topic_only_and_in_the_selected_span(stored: Stored) -> None:
    drive(stored)
    bad = Channel('/bad', 'x/msg/Blob', 'ros2msg', b'uint8[] data\n')
    stored.record(bad, (0, b''), (2 * SECOND, b''))
    stored.record(ODOMETRY, (1500 * MS + 1, b'\0\1\0\0damaged'))
    errors: list[RecordError] = []
    with stored.open(
        from_ns=T0 + SECOND, to_ns=T0 + 2 * SECOND, on_bad_record=errors.append
    ) as episode:
        table = episode.column('/odom', 'pose.pose.position.x')
    assert table['value'].to_pylist() == [number / 10 for number in range(10, 20)]
    (error,) = errors
    assert str(error).startswith('/odom (nav_msgs/msg/Odometry) at 2025-11-23 12:13:21.500 UTC: ')


def test_a_column_may_be_read_while_messages_are(stored: Stored) -> None:
    drive(stored)
    with stored.open(topics='/chatter') as episode, stored.open() as other:
        for message in episode:
            if message.sequence in (0, 50):
                assert episode.column('/chatter', 'data').num_rows == 100
                assert other.column('/odom', 'pose.pose.position.x').num_rows == 100
        assert message.sequence == 99


@pytest.mark.parametrize(('topic', 'fields', 'error', 'words'), [
    ('/odm', ['x'], NothingMatchedError, 'no topic /odm; accepted here: /chatter, /empty, /odom; '
                                         'did you mean /odom?'),
    ('/odom', ['pose.pose.positon.x'], ConfigurationError, 'did you mean position?'),
    ('/odom', ['time'], ConfigurationError, "field 'time': a column of its name"),
    ('/empty', ['data'], NothingMatchedError, 'nothing matches --topic /empty'),
])
def test_columns_that_cannot_be_say_why(
    stored: Stored, topic: str, fields: list[str], error: type[Exception], words: str
) -> None:
    drive(stored)
    empty = Channel('/empty', 'x/msg/Blob', 'ros2msg', b'uint8[] data\n')
    stored.record(empty, (0, b'\0\1\0\0'))
    with stored.open() as episode, pytest.raises(error) as raised:
        episode.columns(topic, fields)
    assert words in str(raised.value)


def test_missions_from_a_common_start_are_columns_of_the_same_timeline(stored: Stored) -> None:
    drive(stored, 3, mission='first')
    hour_ns = 3600 * SECOND
    stored.record(TEXT, (hour_ns, text('begin')), mission='second')
    stored.record(
        ODOMETRY, *((hour_ns + each * MS, odometry(float(each))) for each in (50, 150)),
        mission='second',
    )
    stored.record(ODOMETRY, (50 * MS, odometry(-1.0)), mission='')
    with stored.open(align='start') as episode:
        played = [
            (message.receive_ns, message.mission_id)
            for message in episode if message.topic == '/odom'
        ]
        table = episode.column('/odom', 'pose.pose.position.x')
    assert table.column_names == ['time', 'stamp', 'robot_id', 'mission_id', 'value']
    columns = table['time'].cast(pa.int64()).to_pylist(), table['mission_id'].to_pylist()
    assert list(zip(*columns, strict=True)) == played
    assert table['value'].to_pylist() == [0.0, 50.0, 0.1, 150.0, 0.2]


@pytest.fixture
def history(postgres_url: str) -> PostgresSettings:
    """Return a database with a metric and an event of what drive() records."""
    settings = PostgresSettings(postgres_url)
    with connect_postgres(settings) as connection:
        migrate(connection)
    batch = MetricBatch(
        [Series('r1', 'dawn', 'battery.percentage')], np.array([100, 200]) * MS + T0,
        np.zeros(2, np.uint32), np.array([0.9, 0.8]), {},
        [Event('r1', 'dawn', T0 + 150 * MS, 'anomaly', 'warn', 'slips', {})],
    )
    with closing(HistorySink(settings)) as sink:
        sink.write([Delivery('r1', 0, batch)])
    return settings


def test_metrics_and_events_come_too_where_the_environment_names_their_database(
    stored: Stored, history: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(stored, 3)
    monkeypatch.setenv('TWINSIGHT_REDUCT_URL', stored.settings.url)
    records = {'records': stored.settings}
    monkeypatch.setenv('TWINSIGHT_POSTGRES_URL', history.url)
    with twinsight_replay.open(**records) as episode:
        told = [(each.topic, each.decoded()) for each in episode]
        metric = episode.column('/metrics/battery/percentage', 'value')
    assert [topic for topic, _ in told] == [
        '/odom', '/chatter', '/odom', '/metrics/battery/percentage', '/chatter', '/events',
        '/odom', '/metrics/battery/percentage', '/chatter',
    ]
    assert (told[3][1].value, told[3][1].robot_id) == (0.9, 'r1')
    assert told[5][1].message == 'slips'
    assert metric['value'].to_pylist() == [0.9, 0.8]
    with twinsight_replay.open(**records, history=None) as episode:
        assert episode.topics == ['/chatter', '/odom']
    monkeypatch.delenv('TWINSIGHT_POSTGRES_URL')
    with twinsight_replay.open(**records) as episode:
        assert episode.topics == ['/chatter', '/odom']
    with twinsight_replay.open(**records, history=history) as episode:
        assert len(episode.topics) == 4


def test_without_an_address_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('TWINSIGHT_REDUCT_URL', raising=False)
    with pytest.raises(ConfigurationError, match='^TWINSIGHT_REDUCT_URL is not set'):
        twinsight_replay.open(robots='r1')


WITHOUT_ROS = """
import sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        top = name.split('.')[0]
        if top.startswith(('rcl', 'rosidl', 'ament', 'rpyutils')) or top.endswith(
            ('_msgs', '_interfaces')
        ):
            raise ImportError(f'{name}: no ROS 2 here')

sys.meta_path.insert(0, NoRos())

import twinsight_replay
from twinsight_store.connection import StoreSettings

records = StoreSettings.from_environment(bucket=sys.argv[1])
topics = ['/odom', '/metrics/*']
with twinsight_replay.open(robots=['r1'], topics=topics, records=records) as episode:
    for message in episode:
        fields = message.decoded()
        is_odometry = message.topic == '/odom'
        print(message.topic, fields.pose.pose.position.x if is_odometry else fields.value)
    print(episode.column('/odom', 'pose.pose.position.x')['value'].to_pylist())
"""


def test_none_of_it_needs_ros(stored: Stored, history: PostgresSettings) -> None:
    drive(stored, 3)
    run = subprocess.run(
        [sys.executable, '-c', WITHOUT_ROS, stored.settings.bucket],
        env={
            **os.environ, 'TWINSIGHT_REDUCT_URL': stored.settings.url,
            'TWINSIGHT_POSTGRES_URL': history.url,
        },
        capture_output=True, text=True, timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        '/odom 0.0', '/odom 0.1', '/metrics/battery/percentage 0.9', '/odom 0.2',
        '/metrics/battery/percentage 0.8', '[0.0, 0.1, 0.2]',
    ]


@pytest.mark.parametrize(('name', 'topic', 'field', 'count'), [
    ('nissan', '/nissan/gps/duro/imu', 'angular_velocity.z', 1556),
    ('husky', '/husky_velocity_controller/odom', 'pose.pose.position.x', 3952),
])
def test_a_real_recordings_column_is_what_the_middleware_reads(
    name: str, topic: str, field: str, count: int, recording: Callable[[str], Path],
    stored: Stored,
) -> None:
    imported = subprocess.run(
        [
            sys.executable, '-m', 'twinsight_recorder.import_bag', str(recording(name)),
            '--robot', 'r1', '--mission', 'm1', '--bucket', stored.settings.bucket,
        ],
        env={**os.environ, 'TWINSIGHT_REDUCT_URL': stored.settings.url},
        capture_output=True, text=True, timeout=120,
    )
    assert imported.returncode == 0, imported.stderr
    with stored.open() as episode:
        messages = list(episode)
        table = episode.column(topic, field)
    ours = [message for message in messages if message.topic == topic]
    assert len(ours) == table.num_rows == count
    path = FieldPath.parse(field)
    assert table['value'].to_pylist() == [
        path.value(deserialize_message(message.data, message_class(message.type_name)))
        for message in ours
    ]
    assert table['time'].cast(pa.int64()).to_pylist() == [each.receive_ns for each in ours]
    assert table['stamp'].cast(pa.int64()).to_pylist() == [each.stamp_ns for each in ours]
