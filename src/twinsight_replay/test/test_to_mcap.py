"""The to_mcap command, as a user runs it, against a real ReductStore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

from mcap.reader import make_reader
from mcap.writer import Writer
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect as connect_postgres
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.labels import record_labels
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.writer import StoreWriter

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
RECORDINGS = ('nissan', 'arm_bench', 'husky', 'sick_lidar', 'camera')
OLD_QOS = '- history: 1\n  depth: 5\n  reliability: 1\n  durability: 2'
NEW_QOS = '- history: keep_last\n  depth: 5\n  reliability: reliable\n  durability: volatile'

Row = tuple[Any, ...]


def command(
    module: str, settings: StoreSettings, *arguments: object, postgres_url: str = ''
) -> dict[str, Any]:
    """Return what Popen needs to run a module's command with the settings' bucket."""
    return {
        'args': [
            sys.executable, '-m', module, '--bucket', settings.bucket, *map(str, arguments)
        ],
        'env': {
            **os.environ, 'TWINSIGHT_REDUCT_URL': settings.url, 'COLUMNS': '200',
            'TWINSIGHT_POSTGRES_URL': postgres_url,
        },
        'text': True,
    }


def import_bag(
    settings: StoreSettings, path: Path, robot: str = 'r1', mission: str = 'm1'
) -> None:
    parts = command(
        'twinsight_recorder.import_bag', settings, path, '--robot', robot, '--mission', mission
    )
    run = subprocess.run(**parts, capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr


def to_mcap(
    settings: StoreSettings, *arguments: object, postgres_url: str = ''
) -> subprocess.CompletedProcess[str]:
    parts = command(
        'twinsight_replay.to_mcap', settings, *arguments, postgres_url=postgres_url
    )
    return subprocess.run(**parts, capture_output=True, timeout=120)


def in_file(path: Path) -> list[Row]:
    """Return all that a file says of each message, in the order of the file."""
    with path.open('rb') as stream:
        return [
            (
                channel.topic, message.log_time, message.publish_time, message.sequence,
                message.data,
                (schema.name, schema.encoding, schema.data) if schema else None,
                channel.message_encoding, sorted(channel.metadata.items()),
            )
            for schema, channel, message in make_reader(stream).iter_messages(
                log_time_order=False
            )
        ]


def write_bag(
    path: Path, topic: str, messages: int, size: int = 10, qos: str = '', begin_s: int = 0
) -> Path:
    """Write messages one second apart."""
    with path.open('wb') as stream:
        writer = Writer(stream)
        writer.start('ros2', 'test')
        schema_id = writer.register_schema('test_msgs/msg/Blob', 'ros2msg', b'uint8[] data\n')
        metadata = {'offered_qos_profiles': qos}
        channel_id = writer.register_channel(topic, 'cdr', schema_id, metadata)
        for i in range(messages):
            receive_ns = T0 + (begin_s + i) * SECOND
            writer.add_message(channel_id, receive_ns, bytes([i % 256]) * size, T0, i)
        writer.finish()
    return path


def tell_history(url: str) -> None:
    """Store a metric and an alert of robot r1's mission m1."""
    settings = PostgresSettings(url)
    with connect_postgres(settings) as connection:
        migrate(connection)
    alert = {
        'rule': 'low', 'metric': 'battery.percentage', 'value': 0.5, 'text': None,
        'raised_ns': T0 + SECOND,
    }
    batch = MetricBatch(
        [Series('r1', 'm1', 'battery.percentage')], np.array([T0 + SECOND // 2]),
        np.zeros(1, np.uint32), np.array([0.5]), {},
        [Event('r1', 'm1', T0 + 3 * SECOND // 2, 'alert_raised', 'warn', 'battery is low', alert)],
    )
    with closing(HistorySink(settings)) as sink:
        sink.write([Delivery('r1', 0, batch)])


@pytest.mark.parametrize('name', RECORDINGS)
def test_a_recording_comes_back_as_it_was(
    name: str,
    recording: Callable[[str], Path],
    store_settings: StoreSettings,
    tmp_path: Path,
) -> None:
    source = next(recording(name).glob('*.mcap'))
    import_bag(store_settings, source)
    out = tmp_path / 'out.mcap'
    run = to_mcap(store_settings, '--robot', 'r1', '--mission', 'm1', out, '--json')
    assert run.returncode == 0, run.stderr
    written, expected = in_file(out), in_file(source)
    assert sorted(written) == sorted(expected)
    times = [row[1] for row in written]
    assert times == sorted(times)
    summary = json.loads(run.stdout)
    assert summary['messages'] == len(expected)
    assert summary['file_bytes'] == out.stat().st_size
    assert list(tmp_path.iterdir()) == [out]


def test_the_file_is_indexed_and_other_tools_open_it(
    recording: Callable[[str], Path], store_settings: StoreSettings, tmp_path: Path
) -> None:
    import_bag(store_settings, recording('camera'))
    out = tmp_path / 'out.mcap'
    assert to_mcap(store_settings, '--robot', 'r1', out).returncode == 0
    with out.open('rb') as stream:
        reader = make_reader(stream)
        summary = reader.get_summary()
        assert reader.get_header().profile == 'ros2'
    assert summary and summary.statistics
    assert summary.statistics.message_count == 139
    assert {chunk.compression for chunk in summary.chunk_indexes} == {'zstd'}
    assert len(summary.chunk_indexes) > 1
    with Reader(out) as bag:
        assert bag.message_count == 139
        assert {connection.topic for connection in bag.connections} == {
            '/Rig', '/camera/camera_info', '/camera/image_raw', '/imu/data',
            '/imu/magnetometer', '/rosout',
        }


def test_a_selection_takes_its_topics_and_span(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 10))
    import_bag(store_settings, write_bag(tmp_path / 'b.mcap', '/b', 10))
    out = tmp_path / 'out.mcap'
    run = to_mcap(
        store_settings, '--topic', '/a', '--from', '1700000003', '--to', '1700000006', out
    )
    assert run.returncode == 0, run.stderr
    assert [(row[0], row[1] - T0) for row in in_file(out)] == [
        ('/a', 3 * SECOND), ('/a', 4 * SECOND), ('/a', 5 * SECOND)
    ]
    lines = [line.replace('│', ' ').split() for line in run.stdout.splitlines()]
    assert ['/a', 'test_msgs/msg/Blob', '3', '30'] in lines
    assert 'messages/s' in run.stdout


def test_several_buckets_make_one_file_in_time_order(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    cameras = replace(store_settings, bucket=f'{store_settings.bucket}-cameras')
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 5))
    import_bag(cameras, write_bag(tmp_path / 'b.mcap', '/b', 5, size=100_000))
    out = tmp_path / 'out.mcap'
    run = to_mcap(store_settings, '--bucket', cameras.bucket, '--bucket', 'camras', out)
    assert run.returncode == 0, run.stderr
    assert [(row[0], row[1] - T0) for row in in_file(out)] == [
        (topic, second * SECOND) for second in range(5) for topic in ('/a', '/b')
    ]
    assert run.stderr.count("has no bucket 'camras': reading the others\n") == 1


def test_compressed_messages_are_written_as_they_were(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    channel = Channel('/image', 'test_msgs/msg/Blob', 'ros2msg', b'uint8[] data\n')
    builder = RecordBuilder(
        'r1', channel, record_labels('r1', 'm1'), ChunkRules(), compression='zstd'
    )
    contents = [bytes([number]) * 100_000 for number in range(5)]
    records = [
        record
        for number, data in enumerate(contents)
        for record in builder.add(T0 + number * SECOND, T0, number, data)
    ]

    async def write() -> None:
        async with connect(store_settings) as connection:
            writer = StoreWriter(await connection.bucket(create=True), store_settings)
            assert len((await writer.write(records)).stored) == 5

    asyncio.run(write())
    out = tmp_path / 'out.mcap'
    run = to_mcap(store_settings, out)
    assert run.returncode == 0, run.stderr
    assert [row[4] for row in in_file(out)] == contents


def test_topics_of_several_robots_begin_with_the_robot(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / 'a.mcap', '/a', 2)
    for robot in ('r1', 'r-2'):
        import_bag(store_settings, bag, robot)
    out = tmp_path / 'out.mcap'
    assert to_mcap(store_settings, '--mission', 'm1', out).returncode == 0
    assert [row[0] for row in in_file(out)] == ['/r_2/a', '/r1/a'] * 2
    assert to_mcap(store_settings, '--robot', 'r-2', out, '--force').returncode == 0
    assert [row[0] for row in in_file(out)] == ['/a', '/a']


def test_missions_from_a_common_start_are_told_apart_by_name(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2), mission='lap 1')
    import_bag(store_settings, write_bag(tmp_path / 'b.mcap', '/a', 2, begin_s=60), mission='2')
    out = tmp_path / 'out.mcap'
    assert to_mcap(store_settings, '--align', 'start', out).returncode == 0
    assert [(row[0], row[1] - T0) for row in in_file(out)] == [
        ('/r1/lap_1/a', 0), ('/r1/_2/a', 0), ('/r1/lap_1/a', SECOND), ('/r1/_2/a', SECOND),
    ]
    assert to_mcap(store_settings, out, '--force').returncode == 0
    assert [(row[0], row[1] - T0) for row in in_file(out)] == [
        ('/a', second * SECOND) for second in (0, 1, 60, 61)
    ]


def test_metrics_events_and_alerts_of_the_time_are_channels_of_the_file(
    store_settings: StoreSettings, postgres_url: str, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2))
    tell_history(postgres_url)
    out = tmp_path / 'out.mcap'
    run = to_mcap(store_settings, '--robot', 'r1', out, '--json', postgres_url=postgres_url)
    assert run.returncode == 0, run.stderr
    assert [(row[0], row[1] - T0) for row in in_file(out)] == [
        ('/a', 0), ('/metrics/battery/percentage', SECOND // 2), ('/a', SECOND),
        ('/events', 3 * SECOND // 2), ('/alerts', 3 * SECOND // 2),
    ]
    assert json.loads(run.stdout)['messages'] == 5
    with AnyReader([out]) as bag:
        seen = {
            connection.topic: bag.deserialize(data, connection.msgtype)
            for connection, _, data in bag.messages() if connection.topic != '/a'
        }
        qos = {each.topic: each.ext.offered_qos_profiles for each in bag.connections}
    assert seen['/metrics/battery/percentage'].value == 0.5
    assert seen['/events'].message == seen['/alerts'].message == 'battery is low'
    assert (seen['/alerts'].rule, seen['/alerts'].active) == ('low', True)
    assert qos['/events'][0].depth == 10


def test_metrics_are_left_out_where_they_are_not_wanted(
    store_settings: StoreSettings, postgres_url: str, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2))
    tell_history(postgres_url)
    out = tmp_path / 'out.mcap'
    assert to_mcap(store_settings, '--no-metrics', out, postgres_url=postgres_url).returncode == 0
    assert {row[0] for row in in_file(out)} == {'/a'}
    only = ('--topic', '/metrics/*', out, '--force')
    assert to_mcap(store_settings, *only, postgres_url=postgres_url).returncode == 0
    assert {row[0] for row in in_file(out)} == {'/metrics/battery/percentage'}
    away = 'postgresql://twinsight@127.0.0.1:9/twinsight'
    run = to_mcap(store_settings, out, '--force', postgres_url=away)
    assert (run.returncode, run.stderr.count('\n')) == (1, 1)
    assert 'PostgreSQL at 127.0.0.1:9' in run.stderr
    run = to_mcap(store_settings, out, '--force', '--no-metrics', postgres_url=away)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(('qos', 'marked'), [(OLD_QOS, True), (NEW_QOS, False), ('', False)])
def test_qos_in_numbers_is_marked_so_that_rosbag2_reads_it_as_such(
    store_settings: StoreSettings, tmp_path: Path, qos: str, marked: bool
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2, qos=qos))
    out = tmp_path / 'out.mcap'
    assert to_mcap(store_settings, out).returncode == 0
    with out.open('rb') as stream:
        names = [record.name for record in make_reader(stream).iter_metadata()]
    assert names == (['rosbag2'] if marked else [])


def test_a_file_that_exists_is_replaced_with_force_only(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2))
    out = tmp_path / 'out.mcap'
    out.write_text('precious')
    run = to_mcap(store_settings, out)
    assert (run.returncode, run.stderr.count('\n')) == (2, 1)
    assert 'exists already; --force replaces it' in run.stderr
    assert out.read_text() == 'precious'
    assert to_mcap(store_settings, out, '--force').returncode == 0
    assert len(in_file(out)) == 2


def test_what_cannot_be_done_is_said_in_one_line(
    store_settings: StoreSettings, tmp_path: Path
) -> None:
    import_bag(store_settings, write_bag(tmp_path / 'a.mcap', '/a', 2))
    (tmp_path / 'a.mcap').unlink()
    out = tmp_path / 'out.mcap'
    absent = StoreSettings('http://127.0.0.1:9')
    cases: tuple[tuple[StoreSettings, list[object], int, str], ...] = (
        (store_settings, ['--robot', 'r9', out], 3, 'nothing matches --robot r9; there is r1'),
        (store_settings, ['--from', 'noon', out], 2, '--from'),
        (store_settings, [tmp_path], 2, 'is a folder'),
        (store_settings, [tmp_path / 'no' / 'out.mcap'], 2, 'there is no folder'),
    )
    runs = [
        subprocess.Popen(
            **command('twinsight_replay.to_mcap', settings, *arguments), stderr=subprocess.PIPE
        )
        for settings, arguments, _, _ in cases
    ]
    for run, (_, _, code, words) in zip(runs, cases, strict=True):
        _, errors = run.communicate(timeout=120)
        assert (run.returncode, errors.count('\n')) == (code, 1), errors
        assert words in errors
    parts = command('twinsight_replay.to_mcap', absent, out)
    del parts['env']['TWINSIGHT_REDUCT_URL']
    unset = subprocess.run(**parts, capture_output=True)
    assert (unset.returncode, unset.stderr.count('\n')) == (2, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_leaves_no_file(
    store_settings: StoreSettings, tmp_path: Path, number: signal.Signals,
    gate: Callable[..., Any],
) -> None:
    bag = write_bag(tmp_path / 'a.mcap', '/a', 500, size=100_000)
    import_bag(store_settings, bag)
    bag.unlink()
    out = tmp_path / 'out.mcap'
    # It stands before all is written, or it might have ended before it is interrupted.
    behind = replace(store_settings, url=gate(store_settings.url, 25_000_000).url)
    run = subprocess.Popen(
        **command('twinsight_replay.to_mcap', behind, out),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    while run.poll() is None and not list(tmp_path.iterdir()):
        time.sleep(0.002)
    run.send_signal(number)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert errors.splitlines()[-1] == 'to_mcap: interrupted; no file was written'
    assert list(tmp_path.iterdir()) == []


def test_help_has_an_example_and_needs_no_ros() -> None:
    code = (
        'import sys; sys.modules.update(rclpy=None, ament_index_python=None)\n'
        'from twinsight_replay.to_mcap import main\n'
        "main(['--help'])"
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert 'example:' in run.stdout
    assert '--force' in run.stdout
