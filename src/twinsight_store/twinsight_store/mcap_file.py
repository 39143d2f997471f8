"""
Writing a whole MCAP file of one channel at once.

The MCAP library builds a file message by message, which costs several microseconds each; a
recorder of small messages spends most of its time there. All of a file's messages are known
here, so it is put together in a few calls.

Format: MCAP version 0 (https://mcap.dev/spec): header, one chunk (zstd, with schema, channel and
messages), its message index, data end, summary, footer; CRCs of chunk, data and summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import struct
from typing import NamedTuple
import zlib

import zstandard

PROFILE = 'ros2'
LIBRARY = 'twinsight'

_MAGIC = b'\x89MCAP0\r\n'
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX, _CHUNK_INDEX = range(1, 9)
_STATISTICS, _DATA_END = 0x0B, 0x0F

_RECORD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<BQHIQQ')
_MESSAGE_FIXED = _MESSAGE_HEAD.size - _RECORD.size
_CHUNK_HEAD = struct.Struct('<QQQI')
_CHUNK_INDEX_HEAD = struct.Struct('<QQQQ')
_STATISTICS_BODY = struct.Struct('<QHIIIIQQ')
_FOOTER_BODY = struct.Struct('<QQI')
_CHANNEL_ID = 1
_COMPRESSION = 'zstd'
_LEVEL = 1


class Timed(NamedTuple):
    """
    A message's times and bytes, without what its file says of all of them.

    sequence  MCAP keeps its last 32 bits
    """

    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes


class Definition(NamedTuple):
    """A message type: what MCAP calls a schema."""

    name: str
    encoding: str
    data: bytes


def mcap_file(
    topic: str,
    message_encoding: str,
    metadata: Mapping[str, str],
    definition: Definition | None,
    messages: Sequence[Timed],
) -> bytes:
    """Return the file; messages are at least one, in the order of their receive times."""
    described = _described(topic, message_encoding, metadata, definition)
    records, index = _with_messages(described, messages)
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(records)
    start_ns, end_ns = messages[0].receive_ns, messages[-1].receive_ns

    header = _MAGIC + _record(_HEADER, _text(PROFILE), _text(LIBRARY))
    chunk = _record(
        _CHUNK, _CHUNK_HEAD.pack(start_ns, end_ns, len(records), zlib.crc32(records)),
        _text(_COMPRESSION), struct.pack('<Q', len(packed)), packed,
    )
    message_index = _record(
        _MESSAGE_INDEX, struct.pack('<H', _CHANNEL_ID),
        _sized(struct.pack(f'<{len(index)}Q', *index)),
    )
    data = header + chunk + message_index
    data_end = _record(_DATA_END, struct.pack('<I', zlib.crc32(data)))
    summary_start = len(data) + len(data_end)
    statistics = _record(
        _STATISTICS,
        _STATISTICS_BODY.pack(len(messages), bool(definition), 1, 0, 0, 1, start_ns, end_ns),
        _sized(struct.pack('<HQ', _CHANNEL_ID, len(messages))),
    )
    chunk_index = _record(
        _CHUNK_INDEX,
        _CHUNK_INDEX_HEAD.pack(start_ns, end_ns, len(header), len(chunk)),
        _sized(struct.pack('<HQ', _CHANNEL_ID, len(header) + len(chunk))),
        struct.pack('<Q', len(message_index)), _text(_COMPRESSION),
        struct.pack('<QQ', len(packed), len(records)),
    )
    summary = described + statistics + chunk_index
    # The footer's CRC covers the summary and the footer up to the CRC itself.
    footer = _FOOTER_BODY.pack(summary_start, 0, 0)[:-4]
    crc = zlib.crc32(_RECORD.pack(_FOOTER, _FOOTER_BODY.size) + footer, zlib.crc32(summary))
    return b''.join(
        (
            data, data_end, summary,
            _record(_FOOTER, footer, struct.pack('<I', crc)), _MAGIC,
        )
    )


def _described(
    topic: str, message_encoding: str, metadata: Mapping[str, str], definition: Definition | None
) -> bytes:
    """Return the schema's record, if there is one, and the channel's."""
    schema_id = 0
    schema = b''
    if definition:
        schema_id = 1
        schema = _record(
            _SCHEMA, struct.pack('<H', schema_id), _text(definition.name),
            _text(definition.encoding), _sized(definition.data),
        )
    pairs = b''.join(_text(key) + _text(value) for key, value in metadata.items())
    return schema + _record(
        _CHANNEL, struct.pack('<HH', _CHANNEL_ID, schema_id), _text(topic),
        _text(message_encoding), _sized(pairs),
    )


def _with_messages(described: bytes, messages: Sequence[Timed]) -> tuple[bytes, list[int]]:
    """Return a chunk's records, and of each message its time and place in them."""
    parts = [described]
    index: list[int] = []
    offset = len(described)
    head, fixed = _MESSAGE_HEAD.pack, _MESSAGE_FIXED
    for receive_ns, publish_ns, sequence, data in messages:
        size = fixed + len(data)
        parts += (
            head(_MESSAGE, size, _CHANNEL_ID, sequence & 0xFFFF_FFFF, receive_ns, publish_ns),
            data,
        )
        index += (receive_ns, offset)
        offset += _RECORD.size + size
    return b''.join(parts), index


def _record(opcode: int, *parts: bytes) -> bytes:
    content = b''.join(parts)
    return _RECORD.pack(opcode, len(content)) + content


def _text(text: str) -> bytes:
    return _sized(text.encode())


def _sized(data: bytes) -> bytes:
    return struct.pack('<I', len(data)) + data
