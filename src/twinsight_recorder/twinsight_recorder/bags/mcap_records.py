"""
The records of an MCAP file, read so that a damaged file gives all that is whole.

Format: https://mcap.dev/spec. The mcap library's own readers end at the first damage, and take
the end of a file that was cut off for the end of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
import io
import struct
from typing import NamedTuple
import zlib

import lz4.frame
from mcap.opcode import Opcode
import zstandard

from twinsight_store.errors import RecordError

MAGIC = b'\x89MCAP0\r\n'

_HEAD = struct.Struct('<BQ')
_CHUNK_HEAD = struct.Struct('<QQQII')
_LENGTH_SIZE = 8
_LONGEST_RECORD = 1 << 32
_SKIPPED_BLOCK = 1 << 20


class RawRecord(NamedTuple):
    """
    An MCAP record.

    offset  where it begins in the file
    whole   false where the file ends in the middle of it
    """

    opcode: int
    content: memoryview
    offset: int
    whole: bool = True


def file_records(stream: io.BufferedReader, size: int | None) -> Iterator[RawRecord]:
    """
    Give the records of a file from its magic on, attachments left out; chunks stay closed.

    Ends after the footer, or where the file ends. ``size`` is that of the file, None where it
    is not known; it bounds what a damaged length can ask for.
    """
    offset = len(stream.read(len(MAGIC)))
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        opcode, length = _HEAD.unpack(head)
        left = _LONGEST_RECORD if size is None else size - offset - _HEAD.size
        if opcode == Opcode.ATTACHMENT:
            _skip(stream, min(length, left))
        else:
            content = stream.read(min(length, left))
            yield RawRecord(opcode, memoryview(content), offset, len(content) == length)
        if opcode == Opcode.FOOTER:
            return
        offset += _HEAD.size + length


def chunk_records(record: RawRecord) -> Iterator[RawRecord]:
    """
    Give the records in a chunk; of one that was cut off, those that arrived.

    Raises RecordError where the bytes are damaged, after what could be told to be whole.
    """
    data = memoryview(_decompressed(record))
    offset = 0
    while offset + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, offset)
        start = offset + _HEAD.size
        offset = start + length
        if offset <= len(data):
            yield RawRecord(opcode, data[start:offset], record.offset)
    if record.whole and offset != len(data):
        raise RecordError('a chunk does not hold whole records')


def chunk_span(record: RawRecord) -> tuple[int, int]:
    """Return the first and last log time (ns) that a chunk's head names."""
    if len(record.content) < _CHUNK_HEAD.size:
        return 0, 0
    first_ns, last_ns, *_ = _CHUNK_HEAD.unpack_from(record.content)
    return first_ns, last_ns


def _decompressed(record: RawRecord) -> bytes | memoryview:
    try:
        *_, crc, name_length = _CHUNK_HEAD.unpack_from(record.content)
        name_end = _CHUNK_HEAD.size + name_length
        compression = bytes(record.content[_CHUNK_HEAD.size:name_end]).decode()
        data = _unpacked(record.content[name_end + _LENGTH_SIZE:], compression)
    except RecordError:
        raise
    except Exception as error:  # each compression library has errors of its own
        if not record.whole:
            return b''  # too little of it arrived
        raise RecordError(f'a chunk cannot be unpacked ({error})') from error
    if record.whole and crc and zlib.crc32(data) != crc:
        raise RecordError('a chunk does not have its checksum')
    return data


def _unpacked(data: memoryview, compression: str) -> bytes | memoryview:
    """Return what was compressed, or as much of it as there is."""
    if compression == 'zstd':
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    if compression == 'lz4':
        return lz4.frame.LZ4FrameDecompressor().decompress(data)
    if compression:
        raise RecordError(f'compression {compression!r} is not known')
    return data


def _skip(stream: io.BufferedReader, length: int) -> None:
    while length > 0:
        skipped = len(stream.read(min(length, _SKIPPED_BLOCK)))
        if not skipped:
            return
        length -= skipped
