"""
Writing and reading a whole MCAP file of one channel at once.

The MCAP library handles a file message by message, which costs several microseconds each; who
records or replays small messages spends most of the time there. Here a file is put together in
a few calls, and such a file, and only such a one, is taken apart in a short loop.

Format: MCAP version 0 (https://mcap.dev/spec): header, one chunk (zstd, with schema, channel and
messages), its message index, data end, summary, footer; CRCs of chunk, data and summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
import struct
from typing import NamedTuple
import zlib

from mcap.data_stream import RecordBuilder
from mcap.exceptions import McapError
from mcap.records import Chunk as McapChunk
from mcap.stream_reader import breakup_chunk
import zstandard

PROFILE = 'ros2'
LIBRARY = 'twinsight'

_MAGIC = b'\x89MCAP0\r\n'
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX, _CHUNK_INDEX = range(1, 9)
_STATISTICS, _DATA_END = 0x0B, 0x0F

_RECORD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<BQHIQQ')
_MESSAGE_FIXED = _MESSAGE_HEAD.size - _RECORD.size
_CHUNK_HEAD = struct.Struct('<BQQQQII4sQ')
_INDEX_HEAD = struct.Struct('<BQHI')
_INDEX_HEAD_FIXED = _INDEX_HEAD.size - _RECORD.size
_INDEX_ITEM_SIZE = 16
_CHUNK_INDEX_HEAD = struct.Struct('<QQQQ')
_STATISTICS_BODY = struct.Struct('<QHIIIIQQ')
_FOOTER_BODY = struct.Struct('<QQI')
_CHANNEL_ID = 1
_COMPRESSION = b'zstd'
_LEVEL = 1
_MOST_BYTES = 256_000_000
"""No file of ours comes near to it; memory is not taken for one that claims more."""

UNREADABLE = (
    McapError, zstandard.ZstdError, struct.error, ValueError, KeyError, OverflowError, EOFError,
    MemoryError,
)
"""What is raised on damaged files, by the MCAP library too."""

Row = tuple[int, int, int, bytes]
"""What a Timed holds, as a plain tuple, which takes half the time to make."""


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

    head = _chunk_head(start_ns, end_ns, len(records), zlib.crc32(records), len(packed))
    message_index = _index_head(len(messages)) + struct.pack(f'<{len(index)}Q', *index)
    data = b''.join((_START, head, packed, message_index))
    return data + _ending(
        zlib.crc32(data), described, len(records), len(packed), len(messages), start_ns, end_ns
    )


def rows_of(data: bytes) -> list[Row] | None:
    """
    Return the messages of a file that mcap_file() made; None where it is any other, or damaged.

    What lies around the messages has to be what mcap_file() writes, byte for byte, and every
    checksum has to be right.
    """
    try:
        return _rows(data)
    except UNREADABLE:
        return None


def _rows(data: bytes) -> list[Row] | None:
    _, _, start_ns, end_ns, size, crc, _, _, packed_size = _CHUNK_HEAD.unpack_from(
        data, len(_START)
    )
    head = _START + _chunk_head(start_ns, end_ns, size, crc, packed_size)
    index_at = len(head) + packed_size
    view = memoryview(data)
    packed = view[len(head):index_at]
    if (
        not data.startswith(head)
        or size > _MOST_BYTES
        or zstandard.frame_content_size(packed) != size
    ):
        return None
    records = zstandard.ZstdDecompressor().decompress(packed)
    described = records[:_described_size(records)]
    rows = _message_rows(records, len(described))
    if zlib.crc32(records) != crc or not rows or not _is_readable(described):
        return None
    index_head = _index_head(len(rows))
    data_size = index_at + len(index_head) + len(rows) * _INDEX_ITEM_SIZE
    ending = _ending(
        zlib.crc32(view[:data_size]), described, size, packed_size, len(rows), start_ns, end_ns
    )
    whole = data.startswith(index_head, index_at) and data[data_size:] == ending
    return rows if whole else None


def _described_size(records: bytes) -> int:
    """Return how much the records of schema and channel take at the beginning of a chunk's."""
    size = 0
    for expected in (_SCHEMA, _CHANNEL):
        opcode, length = _RECORD.unpack_from(records, size)
        if opcode == expected:
            size += _RECORD.size + length
    return size


@lru_cache(maxsize=1000)  # all chunks of a topic have the same
def _is_readable(described: bytes) -> bool:
    """
    Tell whether the library reads the records of schema and channel as what they are.

    May raise any of UNREADABLE where it does not.
    """
    whole = McapChunk('', described, 0, 0, 0, len(described))
    builder = RecordBuilder()
    for record in breakup_chunk(whole):
        record.write(builder)
    return bool(described) and builder.end() == described


def _message_rows(records: bytes, at: int) -> list[Row] | None:
    """Return the messages that lie from a place on, or None where anything else does."""
    rows: list[Row] = []
    append, head = rows.append, _MESSAGE_HEAD.unpack_from
    head_size, record_size, size = _MESSAGE_HEAD.size, _RECORD.size, len(records)
    while at < size:
        opcode, length, _, sequence, receive_ns, publish_ns = head(records, at)
        start = at + head_size
        at += record_size + length
        if opcode != _MESSAGE or at < start:
            return None
        append((receive_ns, publish_ns, sequence, records[start:at]))
    return rows if at == size else None


def _chunk_head(start_ns: int, end_ns: int, size: int, crc: int, packed_size: int) -> bytes:
    return _CHUNK_HEAD.pack(
        _CHUNK, _CHUNK_HEAD.size - _RECORD.size + packed_size, start_ns, end_ns, size, crc,
        len(_COMPRESSION), _COMPRESSION, packed_size,
    )


def _index_head(messages: int) -> bytes:
    size = messages * _INDEX_ITEM_SIZE
    return _INDEX_HEAD.pack(_MESSAGE_INDEX, _INDEX_HEAD_FIXED + size, _CHANNEL_ID, size)


def _ending(
    crc: int,
    described: bytes,
    records_size: int,
    packed_size: int,
    messages: int,
    start_ns: int,
    end_ns: int,
) -> bytes:
    """Return what follows the data section, whose CRC is given: data end, summary, footer."""
    chunk_size = _CHUNK_HEAD.size + packed_size
    index_size = _INDEX_HEAD.size + messages * _INDEX_ITEM_SIZE
    index_at = len(_START) + chunk_size
    data_end = _record(_DATA_END, struct.pack('<I', crc))
    summary_start = index_at + index_size + len(data_end)
    has_schema = described[0] == _SCHEMA
    statistics = _record(
        _STATISTICS,
        _STATISTICS_BODY.pack(messages, has_schema, 1, 0, 0, 1, start_ns, end_ns),
        _sized(struct.pack('<HQ', _CHANNEL_ID, messages)),
    )
    chunk_index = _record(
        _CHUNK_INDEX,
        _CHUNK_INDEX_HEAD.pack(start_ns, end_ns, len(_START), chunk_size),
        _sized(struct.pack('<HQ', _CHANNEL_ID, index_at)),
        struct.pack('<Q', index_size), _sized(_COMPRESSION),
        struct.pack('<QQ', packed_size, records_size),
    )
    summary = described + statistics + chunk_index
    # The footer's CRC covers the summary and the footer up to the CRC itself.
    footer = _FOOTER_BODY.pack(summary_start, 0, 0)[:-4]
    crc = zlib.crc32(_RECORD.pack(_FOOTER, _FOOTER_BODY.size) + footer, zlib.crc32(summary))
    return b''.join(
        (data_end, summary, _record(_FOOTER, footer, struct.pack('<I', crc)), _MAGIC)
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


_START = _MAGIC + _record(_HEADER, _text(PROFILE), _text(LIBRARY))
