"""Importing rosbag2 sqlite3 bags of every age, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import shutil
import sqlite3
import subprocess
import sys

from mcap.reader import make_reader
import pytest
import zstandard

from twinsight_recorder.bags.bag_files import BagFile, find_bags
from twinsight_recorder.bags.bag_message import BagMessage
from twinsight_recorder.bags.bag_reader import open_bag
from twinsight_recorder.bags.standard_types import standard_definition
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import RecordError
from twinsight_store.read import read
from twinsight_store.selection import Selection

T0 = 1_700_000_000_000_000_000
IMU_HASH = 'RIHS01_7d9a00ff131080897a5ec7e26e315954b8eae3353c3f995c55faf71574000b5b'
OLD_TABLES = """
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
  timestamp INTEGER NOT NULL, data BLOB NOT NULL);
"""
NEW_TABLES = """
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
  serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,
  encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL,
  type_description_hash TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
  timestamp INTEGER NOT NULL, data BLOB NOT NULL);
"""


@pytest.fixture(scope='module')
def husky_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return a function that converts a recording into a sqlite3 bag."""

    def convert(source: Path) -> Path:
        folder = tmp_path_factory.mktemp('converted') / 'husky'
        subprocess.run(
            [
                sys.executable, '-m', 'rosbags.convert', '--src', str(source),
                '--dst', str(folder), '--dst-storage', 'sqlite3',
            ],
            check=True, capture_output=True,
        )
        return folder

    return convert


def make_db(path: Path, script: str) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def read_bag(path: Path, message_zstd: bool = False) -> tuple[list[BagMessage], list[str]]:
    with open_bag(BagFile(path, message_zstd)) as bag:
        return list(bag.messages()), bag.problems


def test_a_converted_recording_is_stored_exactly(
    recording: Callable[[str], Path],
    husky_sqlite: Callable[[Path], Path],
    store_settings: StoreSettings,
) -> None:
    source = recording('husky')
    folder = husky_sqlite(source)
    run = subprocess.run(
        [
            sys.executable, '-m', 'twinsight_recorder.import_bag', str(folder),
            '--robot', 'r1', '--mission', 'm1', '--bucket', store_settings.bucket,
        ],
        env={**os.environ, 'TWINSIGHT_REDUCT_URL': store_settings.url},
        capture_output=True, text=True, timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, '')
    with next(source.glob('*.mcap')).open('rb') as stream:
        expected = sorted(
            (channel.topic, schema.name, schema.encoding, schema.data, m.log_time, m.data)
            for schema, channel, m in make_reader(stream).iter_messages() if schema
        )
    stored = list(read(Selection(), store_settings))
    assert sorted(
        (
            m.channel.topic, m.channel.type_name, m.channel.schema_encoding, m.channel.schema,
            m.receive_ns, m.data,
        )
        for m in stored
    ) == expected
    imu = next(m.channel for m in stored if m.channel.topic == '/imu/data')
    assert imu.metadata == {'offered_qos_profiles': '[]', 'topic_type_hash': IMU_HASH}


def test_an_old_bag_gets_the_definitions_of_standard_types_only(tmp_path: Path) -> None:
    path = make_db(tmp_path / 'old.db3', OLD_TABLES + f"""
        INSERT INTO topics VALUES(1, '/imu', 'sensor_msgs/msg/Imu', 'cdr');
        INSERT INTO topics VALUES(2, '/own', 'capstan/msg/Bark', 'cdr');
        INSERT INTO messages VALUES(1, 2, {T0}, x'00010000');
        INSERT INTO messages VALUES(2, 1, {T0 - 5}, x'0001000001');
    """)
    messages, problems = read_bag(path)
    assert problems == []
    own, imu = messages
    assert (own.channel.schema_encoding, own.channel.schema) == ('', b'')
    assert own[1:] == (T0, T0, 0, bytes.fromhex('00010000'))
    assert imu.channel.schema_encoding == 'ros2msg'
    assert imu.channel.stamped
    assert imu.receive_ns == T0 - 5
    assert imu.channel.metadata == {}


def test_a_definition_that_rosbag2_did_not_find_and_qos_are_kept_as_they_are(
    tmp_path: Path,
) -> None:
    path = make_db(tmp_path / 'new.db3', NEW_TABLES + f"""
        INSERT INTO topics VALUES(7, '/a', 'x/msg/A', 'cdr', '- history: 1', 'RIHS01_0');
        INSERT INTO topics VALUES(8, '/b', 'x/msg/B', 'cdr', '', '');
        INSERT INTO topics VALUES(9, '/c', 'x/msg/C', 'json', '', '');
        INSERT INTO message_definitions VALUES(1, 'x/msg/A', 'unknown', '', 'RIHS01_0');
        INSERT INTO message_definitions VALUES(2, 'x/msg/B', 'ros2idl', 'module x', '');
        INSERT INTO messages VALUES(1, 7, {T0}, x'01');
        INSERT INTO messages VALUES(2, 8, {T0}, x'02');
        INSERT INTO messages VALUES(3, 9, {T0}, x'03');
        INSERT INTO messages VALUES(4, 5, {T0}, x'04');
    """)
    messages, problems = read_bag(path)
    a, b, c = (message.channel for message in messages)
    assert (a.schema_encoding, a.schema) == ('', b'')
    assert a.metadata == {'offered_qos_profiles': '- history: 1', 'topic_type_hash': 'RIHS01_0'}
    assert (b.schema_encoding, b.schema, b.metadata) == ('ros2idl', b'module x', {})
    assert c.message_encoding == 'json'
    assert problems == ['1 messages belong to topics that it does not describe']


def test_what_a_crashed_recording_left_in_its_log_is_read(tmp_path: Path) -> None:
    live = tmp_path / 'live.db3'
    connection = sqlite3.connect(live)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA wal_autocheckpoint=0')
    connection.executescript(OLD_TABLES + f"""
        INSERT INTO topics VALUES(1, '/a', 'x/msg/A', 'cdr');
        INSERT INTO messages VALUES(1, 1, {T0}, x'01');
    """)
    for end in ('', '-wal'):
        shutil.copy(f'{live}{end}', tmp_path / f'crashed.db3{end}')
    connection.close()
    messages, problems = read_bag(tmp_path / 'crashed.db3')
    assert ([message.data for message in messages], problems) == ([b'\1'], [])


def test_a_damaged_file_gives_what_can_be_read(tmp_path: Path) -> None:
    path = make_db(tmp_path / 'bag.db3', OLD_TABLES + f"""
        INSERT INTO topics VALUES(1, '/a', 'x/msg/A', 'cdr');
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO messages SELECT i, 1, {T0} + i, zeroblob(1000) FROM n;
    """)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    messages, problems = read_bag(path)
    assert 100 < len(messages) < 500
    assert [m.receive_ns for m in messages] == [T0 + 1 + i for i in range(len(messages))]
    assert 'is damaged (' in problems[0]
    assert f'{len(messages)} messages could be read' in problems[0]


def test_compressed_files_and_messages_are_unpacked(tmp_path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress(b'hello')
    plain = make_db(tmp_path / 'bag.db3', OLD_TABLES + f"""
        INSERT INTO topics VALUES(1, '/a', 'x/msg/A', 'cdr');
        INSERT INTO messages VALUES(1, 1, {T0}, x'{packed.hex()}');
    """)
    (tmp_path / 'bag.db3.zstd').write_bytes(
        zstandard.ZstdCompressor().compress(plain.read_bytes())
    )
    messages, problems = read_bag(tmp_path / 'bag.db3.zstd', message_zstd=True)
    assert ([message.data for message in messages], problems) == ([b'hello'], [])


def test_a_database_of_something_else_is_no_bag(tmp_path: Path) -> None:
    path = make_db(tmp_path / 'other.db3', 'CREATE TABLE people(name TEXT);')
    with pytest.raises(RecordError, match='is not a readable rosbag2 file'):
        read_bag(path)


def test_a_standard_definition_is_given_only_where_it_is_certain() -> None:
    assert 'geometry_msgs/Quaternion orientation' in standard_definition('sensor_msgs/msg/Imu', '')
    assert standard_definition('sensor_msgs/msg/Imu', IMU_HASH)
    assert standard_definition('sensor_msgs/msg/Imu', 'RIHS01_other') == ''
    assert standard_definition('sensor_msgs/msg/Range', '') == ''  # changed between releases
    assert standard_definition('capstan/msg/Bark', '') == ''


def test_folders_give_their_files(tmp_path: Path) -> None:
    """The listed files in their order; else all below by name; each file once."""
    bag = tmp_path / 'b' / 'bag'
    bag.mkdir(parents=True)
    for name in ('bag_0.mcap', 'bag_1.mcap', 'bag_9.mcap'):
        (bag / name).touch()
    (bag / 'metadata.yaml').write_text(
        'rosbag2_bagfile_information:\n  relative_file_paths: [bag/bag_1.mcap, bag_0.mcap]\n'
        '  compression_mode: MESSAGE\n'
    )
    for name in ('x_10.db3', 'x_9.db3', 'x_1.mcap.zstd', 'notes.txt'):
        (tmp_path / 'b' / name).touch()
    files = find_bags([tmp_path, bag, bag / 'bag_9.mcap'])
    assert [(file.path.name, file.message_zstd) for file in files] == [
        ('x_1.mcap.zstd', False), ('x_9.db3', False), ('x_10.db3', False),
        ('bag_1.mcap', True), ('bag_0.mcap', True), ('bag_9.mcap', True),
    ]


def test_a_folder_whose_files_were_renamed_gives_them_all_the_same(tmp_path: Path) -> None:
    (tmp_path / 'metadata.yaml').write_text(
        'rosbag2_bagfile_information: {relative_file_paths: [old_0.mcap]}'
    )
    (tmp_path / 'new.mcap').touch()
    assert [file.path.name for file in find_bags([tmp_path])] == ['new.mcap']
