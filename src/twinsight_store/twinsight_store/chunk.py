"""
Chunks: consecutive messages of one topic in one record, a valid MCAP file of their own.

Format: MCAP 0.x (https://mcap.dev/spec), profile ``ros2``, one schema, one channel.
"""

from __future__ import annotations

from collections.abc import Mapping
import io
import struct

from mcap.exceptions import McapError
from mcap.records import Channel as McapChannel
from mcap.records import Message as McapMessage
from mcap.records import Schema as McapSchema
from mcap.stream_reader import StreamReader
from zstandard import ZstdError

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.layout import MCAP, Record
from twinsight_store.mcap_file import Definition, mcap_file, Timed

_UNREADABLE = (
    McapError, ZstdError, struct.error, ValueError, KeyError, OverflowError, EOFError, MemoryError
)
"""What the MCAP library raises on damaged files."""


def pack(
    entry: str, channel: Channel, messages: list[Timed], labels: Mapping[str, str]
) -> Record:
    """
    Return the record of a chunk. Messages of one time keep their order.

    messages  at least one; put into time order here
    labels    encoded, without the layout's own
    """
    messages.sort(key=lambda message: message.receive_ns)
    definition = None
    if channel.schema_encoding or channel.type_name:
        definition = Definition(channel.type_name, channel.schema_encoding, channel.schema)
    data = mcap_file(
        channel.topic, channel.message_encoding, channel.metadata, definition, messages
    )
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
        data,
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
