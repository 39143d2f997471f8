from __future__ import annotations

import struct

import pytest

from twinsight_store.channel import Channel
from twinsight_store.message import header_stamp_ns, Message


@pytest.mark.parametrize('encapsulation', [1, 3, 7, 9])
def test_a_little_endian_stamp_is_read(encapsulation: int) -> None:
    data = bytes([0, encapsulation, 0, 0]) + struct.pack('<iI', 1_763_900_000, 123_456_789)
    assert header_stamp_ns(data) == 1_763_900_000_123_456_789


@pytest.mark.parametrize('encapsulation', [0, 2, 6, 8])
def test_a_big_endian_stamp_is_read(encapsulation: int) -> None:
    data = bytes([0, encapsulation, 0, 0]) + struct.pack('>iI', 1_763_900_000, 123_456_789)
    assert header_stamp_ns(data) == 1_763_900_000_123_456_789


def test_a_stamp_before_1970_is_negative() -> None:
    assert header_stamp_ns(b'\x00\x01\x00\x00' + struct.pack('<iI', -1, 5)) == -999_999_995


@pytest.mark.parametrize('size', range(12))
def test_shorter_data_has_no_stamp(size: int) -> None:
    assert header_stamp_ns(bytes(size)) is None


def test_twelve_bytes_are_enough_for_a_stamp() -> None:
    assert header_stamp_ns(bytes(12)) == 0


def test_a_message_tells_its_stamp_only_where_its_type_begins_with_a_header(
    laser: Channel,
) -> None:
    data = b'\x00\x01\x00\x00' + struct.pack('<iI', 5, 6)
    text = Channel('/chatter', 'std_msgs/msg/String', 'ros2msg', b'string data\n')
    assert Message(laser, 1, 1, 1, data, {}).stamp_ns == 5_000_000_006
    assert Message(text, 1, 1, 1, data, {}).stamp_ns is None
