"""The import_bag command, as a user runs it, against a real ReductStore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
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
from mcap.writer import CompressionType, Writer
import pytest
from pytest_ros import wait_until

from twinsight_store.catalog import Catalog
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.errors import NothingMatchedError
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools import reductstore
from twinsight_tools.launch import Program
from twinsight_tools.private import PrivateServer

T0 = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000
RECORDINGS = ('nissan', 'sick_lidar', 'camera')  # the others: see the tests of to_mcap

Row = tuple[Channel, int, int, int, bytes]
Sample = tuple[str, int, bytes]


def command(settings: StoreSettings, *arguments: object) -> dict[str, Any]:
    """Return what Popen needs to run import_bag into the settings' bucket."""
    return {
        'args': [
            sys.executable, '-m', 'twinsight_recorder.import_bag',
            '--bucket', settings.bucket, *map(str, arguments),
        ],
        'env': {**os.environ, 'TWINSIGHT_REDUCT_URL': settings.url, 'COLUMNS': '200'},
        'text': True,
    }


def import_bag(
    settings: StoreSettings, *arguments: object, robot: str = 'r1', mission: str = 'm1'
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        **command(settings, *arguments, '--robot', robot, '--mission', mission),
        capture_output=True, timeout=60,
    )


def total(run: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Return the totals of a run with --json, which has to have succeeded."""
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout)['total'])


def stored(settings: StoreSettings, robot: str = 'r1', mission: str = 'm1') -> list[Row]:
    messages = read(Selection(robots=(robot,), missions=(mission,)), settings)
    return sorted(
        ((m.channel, m.receive_ns, m.publish_ns, m.sequence, m.data) for m in messages),
        key=row_order,
    )


def in_file(path: Path) -> list[Row]:
    """Return what the mcap library reads of a file."""
    with path.open('rb') as stream:
        rows = [
            (
                Channel(
                    channel.topic,
                    schema.name if schema else '',
                    schema.encoding if schema else '',
                    schema.data if schema else b'',
                    channel.message_encoding,
                    channel.metadata,
                ),
                message.log_time, message.publish_time, message.sequence, message.data,
            )
            for schema, channel, message in make_reader(stream).iter_messages()
        ]
    return sorted(rows, key=row_order)


def row_order(row: Row) -> tuple[Any, ...]:
    return (row[0].topic, row[0].id, *row[1:])


def records(settings: StoreSettings) -> dict[str, int]:
    """Return how many records each entry holds."""

    async def ask() -> dict[str, int]:
        async with connect(settings) as connection:
            try:
                return {e.name: e.records for e in await Catalog(connection).entries()}
            except NothingMatchedError:
                return {}  # the bucket is not made yet

    return asyncio.run(ask())


def write_bag(path: Path, samples: Iterable[Sample], **options: Any) -> Path:
    """Write (topic, log time, data) into an MCAP file; publish time is 1 µs earlier."""
    with path.open('wb') as stream:
        writer = Writer(stream, compression=CompressionType.NONE, **options)
        writer.start('ros2', 'test')
        schema_id = writer.register_schema('test_msgs/msg/Blob', 'ros2msg', b'uint8[] data\n')
        channels: dict[str, int] = {}
        for sequence, (topic, log_ns, data) in enumerate(samples):
            if topic not in channels:
                channels[topic] = writer.register_channel(topic, 'cdr', schema_id)
            writer.add_message(channels[topic], log_ns, data, log_ns - 1000, sequence)
        writer.finish()
    return path


def bag_file(folder: Path) -> Path:
    return next(folder.glob('*.mcap'))


@pytest.mark.parametrize('name', RECORDINGS)
def test_a_recording_is_stored_exactly_and_importing_it_again_adds_nothing(
    name: str, recording: Callable[[str], Path], store_settings: StoreSettings
) -> None:
    folder = recording(name)
    source = in_file(bag_file(folder))
    first = total(import_bag(store_settings, folder, '--json'))
    assert (first['messages'], first['new']) == (len(source), len(source))
    assert first['bytes'] == sum(len(row[-1]) for row in source)
    assert stored(store_settings) == source

    before = records(store_settings)
    again = total(import_bag(store_settings, folder, '--json'))
    assert (again['new'], again['already_there']) == (0, len(source))
    assert records(store_settings) == before


def test_the_same_bag_under_another_mission_and_another_robot_is_stored_whole(
    recording: Callable[[str], Path], store_settings: StoreSettings
) -> None:
    folder = recording('sick_lidar')
    source = in_file(bag_file(folder))
    for robot, mission in (('r1', 'm1'), ('r1', 'm2'), ('r2', 'm1')):
        run = import_bag(store_settings, folder, '--json', robot=robot, mission=mission)
        assert total(run)['new'] == len(source)
    before = records(store_settings)
    for robot, mission in (('r1', 'm2'), ('r2', 'm1'), ('r1', 'm1')):
        run = import_bag(store_settings, folder, '--json', robot=robot, mission=mission)
        assert total(run)['already_there'] == len(source)
        assert stored(store_settings, robot, mission) == source
    assert records(store_settings) == before


def test_overlapping_runs_find_what_is_there_in_any_order(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    """Two files whose records want the same microseconds, imported alone and together."""
    one = write_bag(tmp_path / 'one.mcap', [('/a', T0, b'1' * 70_000), ('/a', T0 + 5, b'x')])
    two = write_bag(tmp_path / 'two.mcap', [('/a', T0, b'2' * 70_000), ('/a', T0 + 5, b'y')])
    assert total(import_bag(store_settings, two, '--json'))['new'] == 2
    both = total(import_bag(store_settings, one, two, '--json'))
    assert (both['new'], both['already_there']) == (2, 2)
    assert total(import_bag(store_settings, two, one, '--json'))['new'] == 0
    assert stored(store_settings) == sorted(in_file(one) + in_file(two), key=row_order)


def test_big_messages_of_one_nanosecond_are_all_stored(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    samples = [(f'/camera{i % 2}', T0, bytes([i]) * 100_000) for i in range(14)]
    samples += [('/camera0', T0, b'small'), ('/camera0', T0, b'small')]
    bag = write_bag(tmp_path / 'bag.mcap', samples)
    assert total(import_bag(store_settings, bag, '--json'))['new'] == 16
    assert stored(store_settings) == in_file(bag)
    assert total(import_bag(store_settings, bag, '--json'))['new'] == 0


def test_messages_out_of_order_within_a_topic_are_all_stored(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    steps = [0, 40, 10, 5000, 4990, 20, 100_000, 30, 30]
    samples = [('/a', T0 + step * MILLISECOND, bytes([i])) for i, step in enumerate(steps)]
    bag = write_bag(tmp_path / 'bag.mcap', samples)
    assert total(import_bag(store_settings, bag, '--json'))['new'] == len(steps)
    assert stored(store_settings) == in_file(bag)
    assert total(import_bag(store_settings, bag, '--json'))['new'] == 0


def test_a_killed_import_is_completed_by_repeating_it(
    tmp_path: Path, store_settings: StoreSettings, gate: Callable[..., Any]
) -> None:
    samples = [
        (f'/camera{i % 3}', T0 + i * MILLISECOND, i.to_bytes(2, 'big') * 100_000)
        for i in range(600)
    ]
    bag = write_bag(tmp_path / 'bag.mcap', samples)
    half_way = gate(store_settings.url, 60_000_000)
    killed = subprocess.Popen(
        **command(
            replace(store_settings, url=half_way.url), bag, '--robot', 'r1', '--mission', 'm1'
        ),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: half_way.is_shut, 60)
    wait_until(lambda: sum(records(store_settings).values()) >= 50)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    there = sum(records(store_settings).values())
    assert 0 < there < len(samples)

    tally = total(import_bag(store_settings, bag, '--json'))
    assert tally['new'] + tally['already_there'] == len(samples)
    assert tally['already_there'] > 0
    assert stored(store_settings) == in_file(bag)
    before = records(store_settings)
    assert total(import_bag(store_settings, bag, '--json'))['new'] == 0
    assert records(store_settings) == before


def test_a_store_that_goes_away_is_waited_for(
    tmp_path: Path, reduct_server: PrivateServer, gate: Callable[..., Any]
) -> None:
    settings = StoreSettings(reduct_server.url)
    samples = [('/a', T0 + i * MILLISECOND, bytes(200_000)) for i in range(500)]
    bag = write_bag(tmp_path / 'bag.mcap', samples)
    half_way = gate(settings.url, 50_000_000)
    run = subprocess.Popen(
        **command(
            replace(settings, url=half_way.url), bag, '--robot', 'r1', '--mission', 'm1',
            '--wait', 30, '--json',
        ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    wait_until(lambda: half_way.is_shut, 60)
    wait_until(lambda: sum(records(settings).values()) >= 50)
    reduct_server.kill()
    half_way.open()
    time.sleep(0.5)
    reduct_server.restart()
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    away, back = errors.splitlines()
    assert 'does not answer' in away
    assert 'trying again for 30 s' in away
    assert back == 'ReductStore answers again'
    assert json.loads(output)['total']['messages'] == len(samples)

    # A server that was killed may have lost what it had acknowledged; repeating mends that.
    total(import_bag(settings, bag, '--json'))
    assert stored(settings) == in_file(bag)


def test_a_store_that_stays_away_ends_the_import_with_one_line(
    tmp_path: Path, reduct_server: PrivateServer, gate: Callable[..., Any]
) -> None:
    settings = StoreSettings(reduct_server.url)
    samples = [('/a', T0 + i * MILLISECOND, bytes(200_000)) for i in range(500)]
    bag = write_bag(tmp_path / 'bag.mcap', samples)
    half_way = gate(settings.url, 50_000_000)
    run = subprocess.Popen(
        **command(
            replace(settings, url=half_way.url), bag, '--robot', 'r1', '--mission', 'm1',
            '--wait', 0.5,
        ),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    wait_until(lambda: half_way.is_shut, 60)
    wait_until(lambda: sum(records(settings).values()) >= 50)
    reduct_server.kill()
    half_way.open()
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    first, last = errors.splitlines()
    assert 'trying again for 0.5 s' in first
    assert last.startswith('import_bag: ReductStore at')
    assert 'does not answer' in last


def test_a_cut_off_file_is_imported_as_far_as_it_goes_and_the_others_whole(
    tmp_path: Path, recording: Callable[[str], Path], store_settings: StoreSettings
) -> None:
    whole = bag_file(recording('nissan'))
    (tmp_path / 'b.mcap').write_bytes(whole.read_bytes()[:400_000])
    (tmp_path / 'a.mcap').write_bytes(b'')
    (tmp_path / 'c.mcap').write_text('no bag')
    (tmp_path / 'd.mcap').symlink_to(bag_file(recording('camera')))
    run = import_bag(store_settings, tmp_path, '--json')
    assert run.returncode == 1
    problems = [line for line in run.stderr.splitlines() if line.startswith('import_bag: ')]
    assert len(problems) == 3
    assert problems[0].endswith('a.mcap: is empty: the recording wrote nothing')
    assert 'b.mcap: is cut off at byte ' in problems[1]
    assert 'messages were read, the last of 2026-' in problems[1]
    assert 'c.mcap: is not a bag: accepted are MCAP' in problems[2]
    got = stored(store_settings)
    source = in_file(whole)
    camera = in_file(bag_file(recording('camera')))
    nissan = [row for row in got if row[0].topic.startswith('/nissan')]
    assert 1000 < len(nissan) < len(source)
    assert set(map(row_order, nissan)) < set(map(row_order, source))
    assert [row for row in got if row not in nissan] == camera


def test_labels_sensor_types_and_topics_are_those_asked_for(
    recording: Callable[[str], Path], store_settings: StoreSettings
) -> None:
    run = import_bag(
        store_settings, recording('camera'),
        '--label', 'site=Köln "A"', '--topic', '/camera/*', '--topic', '/imu/data', '--json',
    )
    assert set(json.loads(run.stdout)['topics']) == {
        '/camera/camera_info', '/camera/image_raw', '/imu/data'
    }
    messages = list(read(Selection(labels={'site': 'Köln "A"'}), store_settings))
    assert {(m.channel.topic, m.labels['sensor_type']) for m in messages} == {
        ('/camera/camera_info', 'camera'), ('/camera/image_raw', 'camera'), ('/imu/data', 'imu')
    }
    assert {m.labels['mission_id'] for m in messages} == {'m1'}


def test_the_summary_names_topics_and_totals(
    recording: Callable[[str], Path], store_settings: StoreSettings
) -> None:
    run = import_bag(store_settings, recording('nissan'))
    assert run.returncode == 0
    assert run.stderr == ''
    lines = [line.replace('│', ' ').split() for line in run.stdout.splitlines()]
    assert ['/nissan/gps/duro/imu', '1,556', '1,556', '0', '504,144'] in lines
    assert ['total', '3,513', '3,513', '0', '590,044'] in lines
    assert 'messages/s' in run.stdout


def test_messages_that_are_not_cdr_keep_their_encoding_and_that_is_said(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    bag = tmp_path / 'web.mcap'
    with bag.open('wb') as stream:
        writer = Writer(stream)
        writer.start('', 'test')
        schema_id = writer.register_schema('Pose', 'jsonschema', b'{"type": "object"}')
        channel_id = writer.register_channel('web pose', 'json', schema_id, {'unit': 'm'})
        for i, data in enumerate((b'{"x": 1}', b'{"y": "' + b'1' * 70_000 + b'"}')):
            writer.add_message(channel_id, T0 + i, data, T0 + i, i)
        bare_id = writer.register_channel('/bare', 'raw', 0)
        writer.add_message(bare_id, T0, b'\0', T0)
        writer.finish()
    run = import_bag(store_settings, bag)
    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines() == [
        'note: no message definition in the bags, stored without: /bare ()',
        'note: not CDR, so replay cannot publish them: web pose (json), /bare (raw)',
    ]
    assert stored(store_settings) == in_file(bag)


def test_wrong_usage_ends_with_2_and_one_line(
    tmp_path: Path, store_settings: StoreSettings
) -> None:
    bag = write_bag(tmp_path / 'bag.mcap', [('/a', T0, b'1')])
    (tmp_path / 'empty').mkdir()
    robot, mission = ['--robot', 'r1'], ['--mission', 'm1']
    cases = (
        ([tmp_path / 'none.mcap', *robot, *mission], 'none.mcap: no such file or folder'),
        ([tmp_path / 'empty', *robot, *mission], 'no bag in this folder'),
        ([bag, *robot, *mission, '--label', 'site'], "--label 'site': accepted is NAME=VALUE"),
        ([bag, *robot, *mission, '--label', 'robot_id=2'], "label 'robot_id' is set by"),
        ([bag, *robot, *mission, '--wait', '-1'], 'accepted are 0 s and more'),
        ([bag, '--robot', 'r/1', *mission], "robot_id 'r/1': accepted are letters"),
        ([bag, *robot, '--mission', ''], "mission ''"),
    )
    runs = [
        subprocess.Popen(**command(store_settings, *arguments), stderr=subprocess.PIPE)
        for arguments, _ in cases
    ]
    for run, (_, words) in zip(runs, cases, strict=True):
        _, errors = run.communicate(timeout=60)
        assert (run.returncode, errors.count('\n')) == (2, 1), errors
        assert words in errors
    assert records(store_settings) == {}


def test_no_store_and_no_url_are_said_in_one_line(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag.mcap', [('/a', T0, b'1')])
    arguments = [str(bag), '--robot', 'r1', '--mission', 'm1']
    absent = subprocess.run(
        **command(StoreSettings('http://127.0.0.1:9'), *arguments), capture_output=True
    )
    assert (absent.returncode, absent.stderr.count('\n')) == (1, 1)
    assert 'http://127.0.0.1:9 does not answer' in absent.stderr

    parts = command(StoreSettings('http://127.0.0.1:9'), *arguments)
    del parts['env']['TWINSIGHT_REDUCT_URL']
    unset = subprocess.run(**parts, capture_output=True)
    assert (unset.returncode, unset.stderr.count('\n')) == (2, 1)
    assert 'TWINSIGHT_REDUCT_URL is not set' in unset.stderr


def test_a_refused_token_is_said_in_one_line(tmp_path: Path, reduct_binary: Program) -> None:
    bag = write_bag(tmp_path / 'bag.mcap', [('/a', T0, b'1')])
    with reductstore.running(reduct_binary, tmp_path / 'data', token='right') as server:
        parts = command(StoreSettings(server.url), bag, '--robot', 'r1', '--mission', 'm1')
        parts['env']['TWINSIGHT_REDUCT_TOKEN'] = 'wrong'
        run = subprocess.run(**parts, capture_output=True)
    assert (run.returncode, run.stderr.count('\n')) == (1, 1)
    assert 'refuses the token' in run.stderr
    assert 'wrong' not in run.stderr


def test_help_has_an_example_and_needs_no_ros() -> None:
    code = (
        'import sys; sys.modules.update(rclpy=None, ament_index_python=None)\n'
        'from twinsight_recorder.import_bag import main\n'
        "main(['--help'])"
    )
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert 'example:' in run.stdout
    assert '--mission' in run.stdout
