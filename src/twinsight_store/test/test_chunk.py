from __future__ import annotations

import io

from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
import pytest

from twinsight_store import chunk
from twinsight_store.channel import Channel
from twinsight_store.chunk import Timed
from twinsight_store.errors import RecordError
from twinsight_store.message import Message

T0 = 1_763_900_000_123_456_789


@pytest.fixture
def messages() -> list[Timed]:
    return [Timed(T0 + 100 * i, T0 + 100 * i - 7, 40 + i, b'message %d' % i) for i in range(20)]


def test_messages_come_back_with_their_bytes_and_exact_times(
    laser: Channel, messages: list[Timed]
) -> None:
    record = chunk.pack('r/scan', laser, list(messages), {})
    assert chunk.unpack(record.data, 'r/scan', record.timestamp_us) == messages


def test_messages_come_with_channel_and_labels(laser: Channel, messages: list[Timed]) -> None:
    record = chunk.pack('r/scan', laser, list(messages), {})
    labels = {'site': 'x'}
    found = chunk.messages_of(record.data, laser, labels, 'r/scan', record.timestamp_us)
    assert found == [Message(laser, *timed, labels) for timed in messages]
    assert {type(message) for message in found} == {Message}
    with pytest.raises(RecordError, match=r'^r/scan: the chunk at 77 µs cannot be read \('):
        chunk.messages_of(record.data[:-1], laser, labels, 'r/scan', 77)


@pytest.mark.parametrize('settings', [
    {}, {'enable_data_crcs': True}, {'chunk_size': 200}, {'use_chunking': False},
    {'compression': CompressionType.LZ4}, {'compression': CompressionType.NONE},
])  # fmt: skip
def test_files_of_other_writers_are_read_in_the_order_of_their_messages(
    messages: list[Timed], settings: dict
) -> None:
    stream = io.BytesIO()
    writer = Writer(stream, **settings)
    writer.start('ros2', 'twinsight')
    channels = [writer.register_channel(topic, 'cdr', 0) for topic in ('/a', '/b')]
    writer.add_attachment(0, 0, 'map', 'image/png', b'attached')
    writer.add_metadata('site', {'name': 'x'})
    given = [*messages[10:], *messages[:10]]
    for index, each in enumerate(given):
        writer.add_message(
            channels[index % 2], each.receive_ns, each.data, each.publish_ns, each.sequence
        )
    writer.finish()
    assert chunk.unpack(stream.getvalue(), 'r/scan', 0) == given


def test_messages_of_one_time_keep_their_order(laser: Channel) -> None:
    messages = [Timed(T0, T0, 0, b'%d' % i) for i in range(50)]
    record = chunk.pack('r/scan', laser, list(messages), {})
    assert chunk.unpack(record.data, 'r/scan', record.timestamp_us) == messages


def test_messages_that_come_out_of_order_are_stored_in_order(
    laser: Channel, messages: list[Timed]
) -> None:
    record = chunk.pack('r/scan', laser, messages[::-1], {})
    assert chunk.unpack(record.data, 'r/scan', record.timestamp_us) == messages
    assert record.timestamp_us == T0 // 1000


def test_the_same_messages_make_the_same_bytes(laser: Channel, messages: list[Timed]) -> None:
    first = chunk.pack('r/scan', laser, list(messages), {'site': 'x'})
    second = chunk.pack('r/scan', laser, list(messages), {'site': 'x'})
    assert first == second


def test_a_chunk_is_labelled_with_its_channel_end_and_count(
    laser: Channel, messages: list[Timed]
) -> None:
    record = chunk.pack('r/scan', laser, messages, {'site': 'x'})
    assert record.content_type == 'application/mcap'
    assert record.messages == 20
    assert record.labels == {
        'site': 'x',
        'channel': laser.id,
        'end_us': str((T0 + 1900) // 1000),
        'count': '20',
        'payload_bytes': str(sum(len(message.data) for message in messages)),
    }


def test_a_chunk_is_an_indexed_mcap_file_for_anybodys_reader(
    laser: Channel, messages: list[Timed]
) -> None:
    record = chunk.pack('r/scan', laser, list(messages), {})
    reader = make_reader(io.BytesIO(record.data), validate_crcs=True)
    summary = reader.get_summary()
    assert reader.get_header().profile == 'ros2'
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == 20
    assert summary.chunk_indexes
    found = list(reader.iter_messages())
    schema, channel, _ = found[0]
    assert schema is not None
    assert (schema.name, schema.encoding, schema.data) == (
        'sensor_msgs/msg/LaserScan', 'ros2msg', laser.schema,
    )  # fmt: skip
    assert (channel.topic, channel.message_encoding) == ('/scan', 'cdr')
    assert channel.metadata == laser.metadata
    assert [
        Timed(message.log_time, message.publish_time, message.sequence, message.data)
        for _, _, message in found
    ] == messages


def test_a_chunk_describes_its_own_channel(laser: Channel, messages: list[Timed]) -> None:
    record = chunk.pack('r/scan', laser, messages, {})
    assert chunk.channel_of(record.data, 'r/scan', 0) == laser


def test_a_topic_of_unknown_type_can_be_chunked(messages: list[Timed]) -> None:
    unknown = Channel('/t', '')
    record = chunk.pack('r/t', unknown, list(messages), {})
    assert chunk.unpack(record.data, 'r/t', 0) == messages
    assert chunk.channel_of(record.data, 'r/t', 0) == unknown


def test_a_sequence_number_beyond_the_formats_32_bits_wraps(laser: Channel) -> None:
    messages = [Timed(T0 + i, T0, 2**32 - 1 + i, b'x') for i in range(2)]
    record = chunk.pack('r/scan', laser, messages, {})
    found = chunk.unpack(record.data, 'r/scan', 0)
    assert [message.sequence for message in found] == [2**32 - 1, 0]


def test_no_cut_of_a_chunk_passes_for_a_whole_one(laser: Channel, messages: list[Timed]) -> None:
    data = chunk.pack('r/scan', laser, messages, {}).data
    for size in range(len(data)):
        with pytest.raises(RecordError, match=r'^r/scan: the chunk at 77 µs cannot be read \('):
            chunk.unpack(data[:size], 'r/scan', 77)


def test_no_flipped_bit_in_a_chunk_goes_unnoticed(laser: Channel, messages: list[Timed]) -> None:
    data = chunk.pack('r/scan', laser, list(messages), {}).data
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        try:
            found = chunk.unpack(bytes(damaged), 'r/scan', 77)
        except RecordError:
            continue
        # What is not covered by a checksum (the index) does not touch the messages.
        assert found == messages, f'byte {position}'


@pytest.mark.parametrize('data', [b'', b'no chunk at all', bytes(1000)])
def test_what_is_no_mcap_file_has_no_channel_either(data: bytes) -> None:
    with pytest.raises(RecordError, match=r'^r/scan: the chunk at 77 µs cannot be read \('):
        chunk.channel_of(data, 'r/scan', 77)
