from __future__ import annotations

import random
import re
import struct

import pytest
import zstandard

from twinsight_store import layout
from twinsight_store.channel import Channel


@pytest.mark.parametrize(
    ('topic', 'entry'),
    [
        ('/scan', 'robot_05/scan'),
        ('/camera/front/image_raw', 'robot_05/camera/front/image_raw'),
        ('scan', 'robot_05/scan'),
        ('/a-b', 'robot_05/a-2db'),
        ('/a.b', 'robot_05/a-2eb'),
        ('/a b', 'robot_05/a-20b'),
        ('/ü', 'robot_05/-c3-bc'),
        ('/$meta', 'robot_05/-24meta'),
        ('/a//b', 'robot_05/a/-2fb'),
        ('//a', 'robot_05/-2fa'),
        ('/a/', 'robot_05/a-2f'),
    ],
)
def test_a_topic_has_an_entry_below_its_robot(topic: str, entry: str) -> None:
    assert layout.entry_name('robot_05', topic) == entry


TOPICS = [
    '/a/b', '//a/b', '///a/b', '/a//b', '/a///b', '/a/b/', '/a/b//', '/a-2fb', '/a_b', '/a-b',
    '/a.b', '/a b', '/A/b', '/a-2eb', '/ab', '/a/b\n', '/a/b/\n', '/ä/b',
]  # fmt: skip


def test_no_two_topics_share_an_entry() -> None:
    assert len({layout.entry_name('r', topic) for topic in TOPICS}) == len(TOPICS)


@pytest.mark.parametrize('topic', TOPICS)
def test_every_entry_has_a_name_that_the_store_accepts(topic: str) -> None:
    entry = layout.entry_name('r', topic)
    assert re.fullmatch(r'[A-Za-z0-9_/-]+', entry)
    assert all(entry.split('/'))


def test_an_entry_tells_whose_it_is() -> None:
    assert layout.robot_of(layout.entry_name('robot_05', '/camera/front')) == 'robot_05'


def test_a_single_message_carries_its_exact_times_in_its_labels(laser: Channel) -> None:
    data = b'\x00\x01\x00\x00' + struct.pack('<iI', 1_700_000_000, 5) + b'rest'
    record = layout.cdr_record('r/scan', laser, 1234567, 1234001, 9, data, {'site': 'x'})
    assert record.timestamp_us == 1234
    assert record.content_type == 'application/cdr'
    assert record.data == data
    assert record.messages == 1
    assert record.labels == {
        'site': 'x',
        'channel': laser.id,
        'receive_ns': '1234567',
        'publish_ns': '1234001',
        'sequence': '9',
        'stamp_ns': '1700000000000000005',
    }


def test_a_compressed_message_is_one_frame_and_says_how_big_it_was(laser: Channel) -> None:
    data = b'\x00\x01\x00\x00' + struct.pack('<iI', 1_700_000_000, 5) + bytes(1000)
    record = layout.cdr_record('r/scan', laser, 1234567, 1, 9, data, {}, compression='zstd')
    assert record.content_type == 'application/cdr; encoding=zstd'
    assert len(record.data) < 100
    assert zstandard.decompress(record.data) == data
    assert zstandard.frame_content_size(record.data) == 1012
    assert record.payload_bytes == 1012
    assert record.labels['payload_bytes'] == '1012'
    assert record.labels['stamp_ns'] == '1700000000000000005'


def test_a_message_that_compressing_makes_no_smaller_stays_as_it_is(laser: Channel) -> None:
    data = random.Random(1).randbytes(1000)
    record = layout.cdr_record('r/scan', laser, 1, 1, 1, data, {}, compression='zstd')
    assert record == layout.cdr_record('r/scan', laser, 1, 1, 1, data, {})


@pytest.mark.parametrize('data', [b'', b'\x00\x01\x00\x00short'])
def test_a_message_too_short_for_its_header_has_no_stamp(laser: Channel, data: bytes) -> None:
    record = layout.cdr_record('r/scan', laser, 1, 1, 1, data, {})
    assert 'stamp_ns' not in record.labels


def test_a_type_without_header_has_no_stamp() -> None:
    text = Channel('/chatter', 'std_msgs/msg/String', 'ros2msg', b'string data\n')
    record = layout.cdr_record('r/chatter', text, 1, 1, 1, bytes(20), {})
    assert 'stamp_ns' not in record.labels
