"""
Chunks: consecutive messages of one topic in one record, a valid MCAP file of their own.

Format: MCAP 0.x (https://mcap.dev/spec), profile ``ros2``, one schema, one channel.
"""

from __future__ import annotations

from collections.abc import Mapping
import io
import struct
from typing import NamedTuple

from mcap.exceptions import McapError
from mcap.records import Channel as McapChannel
from mcap.records import Message as McapMessage
from mcap.records import Schema as McapSchema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, Writer
from zstandard import ZstdError

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.layout import MCAP, Record

_UNREADABLE = (
    McapError, ZstdError, struct.error, ValueError, KeyError, OverflowError, EOFError, MemoryError
)
"""What the MCAP library raises on damaged files."""


class Timed(NamedTuple):
    """
    A message's times and bytes, without what its chunk says of all of them.

    sequence  MCAP keeps its last 32 bits
    """

    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes


def pack(
    entry: str, channel: Channel, messages: list[Timed], labels: Mapping[str, str]
) -> Record:
    """
    Return the record of a chunk. Messages of one time keep their order.

    messages  at least one; put into time order here
    labels    encoded, without the layout's own
    """
    messages.sort(key=lambda message: message.receive_ns)
    stream = io.BytesIO()
    # Everything in one MCAP chunk: the record itself is what is found and fetched.
    writer = Writer(
        stream, chunk_size=1 << 40, compression=CompressionType.ZSTD, enable_data_crcs=True
    )
    writer.start('ros2', 'twinsight')
    schema_id = 0
    if channel.schema_encoding or channel.type_name:
        schema_id = writer.register_schema(
            channel.type_name, channel.schema_encoding, channel.schema
        )
    channel_id = writer.register_channel(
        channel.topic, channel.message_encoding, schema_id, dict(channel.metadata)
    )
    for message in messages:
        writer.add_message(
            channel_id, message.receive_ns, message.data, message.publish_ns,
            message.sequence & 0xFFFF_FFFF,
        )
    writer.finish()
    payload_bytes = sum(len(message.data) for message in messages)
    own = {
        label.CHANNEL: channel.id,
        label.END_US: str(messages[-1].receive_ns // 1000),
        label.COUNT: str(len(messages)),
        label.PAYLOAD_BYTES: str(payload_bytes),
    }
    return Record(
        entry,
        messages[0].receive_ns // 1000,
        MCAP,
        {**labels, **own},
        stream.getvalue(),
        channel,
        len(messages),
        payload_bytes,
    )


def unpack(data: bytes, entry: str, timestamp_us: int) -> list[Timed]:
    """
    Return the messages of a chunk in time order.

    Raises RecordError, naming entry and timestamp, where it is not a whole MCAP file.
    """
    try:
        return [
            Timed(record.log_time, record.publish_time, record.sequence, record.data)
            for record in StreamReader(io.BytesIO(data), validate_crcs=True).records
            if isinstance(record, McapMessage)
        ]
    except _UNREADABLE as error:
        raise RecordError(
            f'{entry}: the chunk at {timestamp_us} µs cannot be read ({error})'
        ) from error


def channel_of(data: bytes, entry: str, timestamp_us: int) -> Channel:
    """Return the channel that a chunk itself describes; raise RecordError where it does not."""
    schemas: dict[int, McapSchema] = {}
    try:
        for record in StreamReader(io.BytesIO(data), validate_crcs=True).records:
            if isinstance(record, McapSchema):
                schemas[record.id] = record
            elif isinstance(record, McapChannel):
                schema = schemas.get(record.schema_id)
                return Channel(
                    record.topic,
                    schema.name if schema else '',
                    schema.encoding if schema else '',
                    schema.data if schema else b'',
                    record.message_encoding,
                    record.metadata,
                )
    except _UNREADABLE as error:
        raise RecordError(
            f'{entry}: the chunk at {timestamp_us} µs cannot be read ({error})'
        ) from error
    raise RecordError(f'{entry}: the chunk at {timestamp_us} µs describes no channel')
