"""Damaged files: our own reading never takes for whole what the MCAP library does not."""

import io
import random
import struct
import tracemalloc
import zlib

from mcap.records import Message
from mcap.stream_reader import StreamReader
import pytest
import zstandard

from twinsight_store import chunk, mcap_file
from twinsight_store.errors import RecordError
from twinsight_store.mcap_file import Definition, rows_of, Timed

T0 = 10**18
MESSAGES = [Timed(T0 + n, T0 - n, n, b'data' * n) for n in range(5)]
COUNT = len(MESSAGES)
DEFINITION = Definition('std_msgs/msg/String', 'ros2msg', b'string data')


@pytest.fixture
def whole():
    return mcap_file.mcap_file('/chatter', 'cdr', {'kéy': 'value'}, DEFINITION, MESSAGES)


def by_library(data):
    """Return the messages that the library gives, or None where it refuses the file."""
    try:
        return [
            Timed(record.log_time, record.publish_time, record.sequence, record.data)
            for record in StreamReader(io.BytesIO(data), validate_crcs=True).records
            if isinstance(record, Message)
        ]
    except Exception:
        return None


def by_chunk(data):
    try:
        return chunk.unpack(data, 'r/chatter', 77)
    except RecordError:
        return None


@pytest.fixture
def inside(whole):
    """Return what the chunk of the file holds: schema and channel, and messages."""
    [packed_size] = struct.unpack_from('<Q', whole, whole.index(b'zstd') + 4)
    start = whole.index(b'zstd') + 12
    records = zstandard.ZstdDecompressor().decompress(whole[start:start + packed_size])
    described_size = records.index(b'\5' + struct.pack('<Q', 22))
    return records[:described_size], records[described_size:]


def sealed(records, described, count=COUNT, size=None, edit=None):
    """
    Return a file like ours of any bytes as its records, with right sizes and checksums.

    described  schema and channel for the summary
    size       to be claimed, if it is not the records'
    edit       is done to all that the data section's checksum covers
    """
    packed = zstandard.ZstdCompressor(level=1).compress(records)
    size = len(records) if size is None else size
    times = MESSAGES[0].receive_ns, MESSAGES[-1].receive_ns
    data = b''.join((
        mcap_file._START, mcap_file._chunk_head(*times, size, zlib.crc32(records), len(packed)),
        packed, mcap_file._index_head(count), bytes(16 * count),
    ))  # fmt: skip
    if edit:
        data = edit(data)
    return data + mcap_file._ending(
        zlib.crc32(data), described, size, len(packed), count, *times
    )


def with_each_bit_flipped(data):
    number = int.from_bytes(data, 'little')
    for bit in range(8 * len(data)):
        yield (number ^ 1 << bit).to_bytes(len(data), 'little')


def head(length, count):
    """Return a message's head, of the length that its record claims."""
    return struct.pack('<BQHIQQ', 5, length, 1, count, T0, T0)


def edited(data, chance):
    """Return the bytes with one to three pieces of them replaced, cut out, doubled or moved."""
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(data))
        piece = data[start:start + chance.choice((1, 2, 4, 8, 31, 200))]
        end = start + len(piece)
        other = chance.randrange(len(data))
        data = data[:start] + chance.choice((
            chance.randbytes(len(piece)), bytes(len(piece)), b'\xff' * len(piece), b'',
            piece + piece, data[other:other + len(piece)],
        )) + data[end:]  # fmt: skip
    return data


def test_without_damage_both_read_all(whole):
    assert rows_of(whole) == by_library(whole) == MESSAGES


def test_no_flipped_bit_passes(whole):
    assert [rows_of(damaged) for damaged in with_each_bit_flipped(whole)] == (
        [None] * 8 * len(whole)
    )


def test_what_damage_lets_be_read_is_what_the_library_reads(whole):
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        assert by_chunk(bytes(damaged)) == by_library(bytes(damaged)), position


def test_no_cut_passes(whole):
    for size in range(len(whole)):
        assert rows_of(whole[:size]) is None
        assert by_chunk(whole[:size]) is by_library(whole[:size]) is None


@pytest.mark.parametrize('more', [b'\0', b'\x89MCAP0\r\n'])
def test_what_follows_a_file_is_left_to_the_library(whole, more):
    assert rows_of(whole + more) is None
    assert by_chunk(whole + more) == by_library(whole + more) == MESSAGES


def test_edits_anywhere_are_read_as_by_the_library(whole):
    chance = random.Random(1)
    for _ in range(3000):
        damaged = edited(whole, chance)
        assert rows_of(damaged) in (None, MESSAGES)
        assert by_chunk(damaged) == by_library(damaged)


@pytest.mark.parametrize('kind', ['bits', 'edits'])
def test_wrong_records_under_right_checksums_are_read_as_by_the_library(inside, kind):
    described, messages = inside
    records = described + messages
    assert rows_of(sealed(records, described)) == MESSAGES
    chance = random.Random(2)
    accepted = refused = 0
    for wrong in (
        with_each_bit_flipped(records) if kind == 'bits'
        else (edited(records, chance) for _ in range(3000))
    ):
        damaged = sealed(wrong, wrong[:len(described)])
        rows, expected = rows_of(damaged), by_library(damaged)
        assert rows is None or rows == expected, wrong
        assert by_chunk(damaged) == expected, wrong
        accepted += rows is not None
        refused += expected is None
    assert accepted > 100  # other bytes or times of a message are no less a message
    assert refused > 100


def test_a_wrong_data_section_under_a_right_checksum_is_read_as_by_the_library(inside):
    described, messages = inside
    sound = sealed(described + messages, described)
    data_size = sound.index(b'\x0f' + struct.pack('<Q', 4))
    for wrong in with_each_bit_flipped(sound[:data_size]):
        damaged = sealed(described + messages, described, edit=lambda _, wrong=wrong: wrong)
        rows, expected = rows_of(damaged), by_library(damaged)
        assert rows is None or rows == expected, wrong
        assert by_chunk(damaged) == expected, wrong


def test_messages_of_a_channel_that_is_not_described_are_read_as_by_the_library(inside):
    described, messages = inside
    damaged = sealed(messages, described)
    assert rows_of(damaged) is None
    assert by_chunk(damaged) == by_library(damaged) == MESSAGES


def test_a_message_shorter_than_its_own_head_is_read_as_by_the_library(inside):
    described, _ = inside
    overlapping = head(14, 0)[:23] + head(22, 1)
    damaged = sealed(described + overlapping, described, count=2)
    assert rows_of(damaged) is None
    assert by_chunk(damaged) == by_library(damaged)


def test_no_more_memory_is_taken_than_the_file_claims(inside):
    described, _ = inside
    million = head(22 + 1_000_000, 0) + bytes(1_000_000)
    for size, expected in ((None, 50), (1000, None)):
        damaged = sealed(described + 50 * million, described, count=50, size=size)
        tracemalloc.start()
        rows = rows_of(damaged)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (rows and len(rows)) == expected
        assert (most < 1_000_000) == (expected is None)
