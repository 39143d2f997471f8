"""
Chunks: consecutive messages of one topic in one record, a valid MCAP file of their own.

Format: MCAP 0.x (https://mcap.dev/spec), profile ``ros2``, one schema, one channel.
"""

from __future__ import annotations

from collections.abc import Mapping
import io

from mcap.records import Channel as McapChannel
from mcap.records import Message as McapMessage
from mcap.records import Schema as McapSchema
from mcap.stream_reader import StreamReader

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.errors import RecordError
from twinsight_store.layout import MCAP, Record
from twinsight_store.mcap_file import (
    Definition,
    mcap_file,
    Row,
    rows_of,
    Timed,
    UNREADABLE,
)
from twinsight_store.message import Message


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
    Return the messages of a chunk in the order of the file, which is time order in ours.

    Raises RecordError, naming entry and timestamp, where it is not a whole MCAP file.
    """
    return [Timed(*row) for row in _rows(data, entry, timestamp_us)]


def messages_of(
    data: bytes, channel: Channel, labels: Mapping[str, str], entry: str, timestamp_us: int
) -> list[Message]:
    """Return what unpack() does, as messages of a channel, with labels; raise as it does."""
    new = tuple.__new__  # a NamedTuple's own takes half as long again
    return [
        new(Message, (channel, receive_ns, publish_ns, sequence, payload, labels))
        for receive_ns, publish_ns, sequence, payload in _rows(data, entry, timestamp_us)
    ]


def _rows(data: bytes, entry: str, timestamp_us: int) -> list[Row]:
    rows = rows_of(data)
    if rows is not None:
        return rows
    # Another writer's file, or a damaged one: the library reads it, or knows what is wrong.
    try:
        return [
            (record.log_time, record.publish_time, record.sequence, record.data)
            for record in StreamReader(io.BytesIO(data), validate_crcs=True).records
            if isinstance(record, McapMessage)
        ]
    except UNREADABLE as error:
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
    except UNREADABLE as error:
        raise RecordError(
            f'{entry}: the chunk at {timestamp_us} µs cannot be read ({error})'
        ) from error
    raise RecordError(f'{entry}: the chunk at {timestamp_us} µs describes no channel')
