"""Reading MCAP files, whole and damaged, without a store."""

from __future__ import annotations

import io
import os
from pathlib import Path
import struct
from typing import Any

from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer
import pytest
import zstandard

from twinsight_recorder.bags.bag_files import BagFile
from twinsight_recorder.bags.bag_message import BagMessage
from twinsight_recorder.bags.bag_reader import open_bag
from twinsight_store.errors import RecordError

T0 = 1_700_000_000_000_000_000
COUNT = 40


def mcap(
    compression: CompressionType = CompressionType.ZSTD, encode: Any = bytes, **options: Any
) -> bytes:
    """Return a file of 40 messages on two topics, in chunks of about ten."""
    stream = io.BytesIO()
    writer = Writer(stream, compression=compression, chunk_size=2000, **options)
    writer.start('ros2', 'test')
    ids = [
        writer.register_channel(topic, 'cdr', writer.register_schema(name, 'ros2msg', text))
        for topic, name, text in (('/a', 'x/msg/A', b'int8 a'), ('/b', 'x/msg/B', b'int8 b'))
    ]
    for i in range(COUNT):
        data = encode(bytes(range(i, i + 100)) * 2)
        writer.add_message(ids[i % 2], T0 + i * 1_000_000, data, T0 + i, i)
    writer.add_attachment(T0, T0, 'notes', 'text/plain', bytes(500))
    writer.finish()
    return stream.getvalue()


def read_bag(path: Path, message_zstd: bool = False) -> tuple[list[BagMessage], list[str]]:
    with open_bag(BagFile(path, message_zstd)) as bag:
        return list(bag.messages()), bag.problems


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / 'bag.mcap'


def chunks(data: bytes) -> list[tuple[int, int]]:
    """Return offset and length of the content of each chunk of a file."""
    with io.BytesIO(data) as stream:
        summary = make_reader(stream).get_summary()
    assert summary
    return [(c.chunk_start_offset + 9, c.chunk_length - 9) for c in summary.chunk_indexes]


@pytest.mark.parametrize('compression', list(CompressionType))
def test_a_whole_file_is_read_as_the_mcap_library_reads_it(
    path: Path, compression: CompressionType
) -> None:
    path.write_bytes(mcap(compression))
    with path.open('rb') as stream:
        expected = [
            (c.topic, s.name, s.data, m.log_time, m.publish_time, m.sequence, m.data)
            for s, c, m in make_reader(stream).iter_messages(log_time_order=False) if s
        ]
    messages, problems = read_bag(path)
    assert [
        (m.channel.topic, m.channel.type_name, m.channel.schema, *m[1:]) for m in messages
    ] == expected
    assert problems == []


def test_a_file_without_index_is_whole(path: Path) -> None:
    path.write_bytes(
        mcap(
            index_types=IndexType.NONE, use_statistics=False, use_summary_offsets=False,
            repeat_channels=False, repeat_schemas=False,
        )
    )
    messages, problems = read_bag(path)
    assert (len(messages), problems) == (COUNT, [])


def test_a_file_without_chunks_is_whole(path: Path) -> None:
    path.write_bytes(mcap(use_chunking=False))
    messages, problems = read_bag(path)
    assert (len(messages), problems) == (COUNT, [])


@pytest.mark.parametrize(
    'options', [{'compression': c} for c in CompressionType] + [{'use_chunking': False}]
)
def test_a_file_cut_off_anywhere_gives_all_that_is_whole(
    path: Path, options: dict[str, Any]
) -> None:
    data = mcap(**options)
    path.write_bytes(data)
    everything, _ = read_bag(path)
    previous = 0
    for end in range(8, len(data), 97):
        path.write_bytes(data[:end])
        messages, problems = read_bag(path)
        assert messages == everything[:len(messages)]
        assert len(messages) >= previous
        previous = len(messages)
        assert len(messages) == COUNT or 'what followed is missing' in problems[0]
    assert previous == COUNT


def test_of_a_chunk_that_was_cut_off_the_beginning_is_kept(path: Path) -> None:
    data = mcap(CompressionType.NONE)
    start, length = chunks(data)[1]
    path.write_bytes(data[:start + length // 2])
    in_first = len(read_bag_up_to(path, data, start))
    messages, problems = read_bag(path)
    assert len(messages) > in_first
    assert problems == [
        f'is cut off at byte {start - 9}: what followed is missing; {len(messages)} messages '
        f'were read, the last of 2023-11-14 22:13:20.0{len(messages) - 1} UTC'
    ]


def read_bag_up_to(path: Path, data: bytes, end: int) -> list[BagMessage]:
    part = path.with_name('part.mcap')
    part.write_bytes(data[:end])
    return read_bag(part)[0]


def test_a_damaged_chunk_is_left_out_and_named_the_others_are_read(path: Path) -> None:
    data = bytearray(mcap(CompressionType.NONE))
    (start, length), *others = chunks(bytes(data))
    data[start + length - 20] ^= 0xFF
    path.write_bytes(data)
    messages, problems = read_bag(path)
    first_ns, last_ns = struct.unpack_from('<QQ', data, start)
    # The channels lay in the damaged chunk; they are found again at the end of the file.
    assert {m.channel.topic for m in messages} == {'/a', '/b'}
    assert {m.channel.type_name for m in messages} == {'x/msg/A', 'x/msg/B'}
    assert len(messages) == COUNT - 1 - (last_ns - first_ns) // 1_000_000
    assert problems[0] == f'{len(messages)} of its {COUNT} messages can be read'
    assert problems[1].startswith('1 damaged chunks are missing, 2023-11-14 22:13:20.000 UTC to ')
    assert problems[1].endswith('(a chunk does not have its checksum)')
    assert others


def test_a_record_with_an_absurd_length_ends_the_file_and_asks_for_no_memory(path: Path) -> None:
    data = mcap()
    _, (start, _), *_ = chunks(data)
    path.write_bytes(data[:start - 9] + struct.pack('<BQ', Opcode.CHUNK, 1 << 60) + data[start:])
    messages, problems = read_bag(path)
    assert 0 < len(messages) < COUNT
    assert f'is cut off at byte {start - 9}' in problems[0]


def test_a_file_compressed_as_a_whole_is_read(path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress(mcap(CompressionType.NONE))
    path.write_bytes(packed)
    messages, problems = read_bag(path)
    assert (len(messages), problems) == (COUNT, [])



def test_of_a_compressed_file_that_was_cut_off_the_beginning_is_read(path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress(
        mcap(CompressionType.NONE, encode=lambda data: os.urandom(20_000))
    )
    path.write_bytes(packed[:len(packed) // 2])
    messages, problems = read_bag(path)
    assert 5 < len(messages) < COUNT
    assert 'what followed is missing' in problems[0]


def test_messages_compressed_one_by_one_are_unpacked(path: Path) -> None:
    path.write_bytes(mcap(encode=zstandard.ZstdCompressor().compress))
    messages, problems = read_bag(path, message_zstd=True)
    assert [m.data for m in messages] == [bytes(range(i, i + 100)) * 2 for i in range(COUNT)]
    assert problems == []


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'is empty'),
        (b'hello', 'is not a bag: accepted are'),
        (b'#ROSBAG V2.0\n', 'is a ROS 1 bag: convert it first'),
        (zstandard.ZstdCompressor().compress(b'hello'), 'is not a bag'),
        (b'\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff', 'cannot be read|is not a bag'),
        (b'SQLite format 3\0' + bytes(200), 'is not a readable rosbag2 file'),
    ],
)
def test_what_is_no_bag_is_said_in_one_line(path: Path, content: bytes, words: str) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordError, match=words), open_bag(BagFile(path)):
        pass


def test_the_position_ends_at_the_size_of_the_file(path: Path) -> None:
    path.write_bytes(mcap())
    with open_bag(BagFile(path)) as bag:
        list(bag.messages())
        assert bag.position == path.stat().st_size - 8  # all but the closing magic
