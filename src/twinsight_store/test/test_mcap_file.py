"""Files that we put together ourselves, read by us and by the MCAP library."""

import io
import struct

from mcap.reader import make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
import pytest

from twinsight_store import mcap_file as mcap_file_module
from twinsight_store.mcap_file import Definition, mcap_file, rows_of, Timed

DEFINITION = Definition('std_msgs/msg/String', 'ros2msg', b'string data')
METADATA = {'offered_qos_profiles': '- history: keep_last\n', 'topic_type_hash': 'RIHS01_ü'}


def messages(count, size=20):
    return [
        Timed(10**18 + 7 * n, 10**18 + 7 * n - 3, n + 2**32 * (n % 2), bytes([n % 256]) * size)
        for n in range(count)
    ]


def by_library(definition, given):
    stream = io.BytesIO()
    writer = Writer(
        stream, chunk_size=1 << 40, compression=CompressionType.ZSTD, enable_data_crcs=True
    )
    writer.start('ros2', 'twinsight')
    schema = writer.register_schema(*definition) if definition else 0
    channel = writer.register_channel('/chatter', 'cdr', schema, METADATA)
    for each in given:
        writer.add_message(
            channel, each.receive_ns, each.data, each.publish_ns, each.sequence & 0xFFFF_FFFF
        )
    writer.finish()
    return stream.getvalue()


@pytest.mark.parametrize('definition', [DEFINITION, None])
@pytest.mark.parametrize(('count', 'size'), [(1, 0), (1, 5), (3, 20), (1000, 100), (2, 3_000_000)])
def test_the_library_reads_the_same_as_from_its_own_file(definition, count, size):
    given = messages(count, size)
    ours = mcap_file('/chatter', 'cdr', METADATA, definition, given)
    theirs = by_library(definition, given)

    def content(data):
        reader = make_reader(io.BytesIO(data), validate_crcs=True)
        summary = reader.get_summary()
        statistics = summary.statistics
        return (
            reader.get_header(), summary.schemas, summary.channels,
            (statistics.message_count, statistics.channel_message_counts,
             statistics.schema_count, statistics.channel_count, statistics.chunk_count,
             statistics.message_start_time, statistics.message_end_time),
            [(i.message_start_time, i.message_end_time, i.compression, i.uncompressed_size)
             for i in summary.chunk_indexes],
            [message for _, _, message in reader.iter_messages()],
        )

    assert content(ours) == content(theirs)
    records = StreamReader(io.BytesIO(ours), validate_crcs=True).records
    streamed = [record for record in records if isinstance(record, Message)]
    assert [record.data for record in streamed] == [each.data for each in given]


def test_messages_are_found_by_time_through_the_index():
    data = mcap_file('/chatter', 'cdr', {}, DEFINITION, messages(100))
    found = make_reader(io.BytesIO(data), validate_crcs=True).iter_messages(
        start_time=10**18 + 7 * 40, end_time=10**18 + 7 * 43
    )
    assert [message.sequence for _, _, message in found] == [40, 41, 42]


def test_the_index_names_each_message_where_it_lies():
    data = mcap_file('/chatter', 'cdr', {}, None, messages(5))
    reader = make_reader(io.BytesIO(data))
    [chunk_index] = reader.get_summary().chunk_indexes
    [at] = chunk_index.message_index_offsets.values()
    opcode, length, channel, size = struct.unpack_from('<BQHI', data, at)
    assert (opcode, channel, size, length) == (7, 1, 5 * 16, 6 + 5 * 16)
    assert chunk_index.message_index_length == 9 + length
    assert at == chunk_index.chunk_start_offset + chunk_index.chunk_length


@pytest.mark.parametrize('definition', [DEFINITION, None])
@pytest.mark.parametrize(('count', 'size'), [(1, 0), (1, 5), (3, 20), (1000, 100), (2, 3_000_000)])
def test_our_own_files_are_read_without_the_library(definition, count, size):
    given = messages(count, size)
    expected = [each._replace(sequence=each.sequence & 0xFFFF_FFFF) for each in given]
    assert rows_of(mcap_file('/chatter', 'cdr', METADATA, definition, given)) == expected


def test_a_file_of_the_library_is_left_to_it():
    assert rows_of(by_library(DEFINITION, messages(3))) is None


@pytest.mark.parametrize('data', [b'', b'no MCAP file', bytes(1000)])
def test_what_is_no_mcap_file_is_left_to_the_library(data):
    assert rows_of(data) is None


def test_a_file_that_claims_more_than_any_of_ours_is_left_to_the_library(monkeypatch):
    data = mcap_file('/chatter', 'cdr', {}, DEFINITION, messages(3))
    [chunk_index] = make_reader(io.BytesIO(data)).get_summary().chunk_indexes
    monkeypatch.setattr(mcap_file_module, '_MOST_BYTES', chunk_index.uncompressed_size)
    assert len(rows_of(data)) == 3
    monkeypatch.setattr(mcap_file_module, '_MOST_BYTES', chunk_index.uncompressed_size - 1)
    assert rows_of(data) is None
