"""
The bytes around the messages of an MCAP file whose chunks are not compressed.

Format: MCAP version 0 (https://mcap.dev/spec). What there is much of is packed here; the rest is
written by the MCAP library. CRCs of chunks and of the data are 0, "not available": they would have
to be known before the messages are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import struct
import zlib

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import DataEnd, Footer, Header, McapRecord, SummaryOffset

from twinsight_store.mcap_file import LIBRARY, PROFILE

MAGIC = b'\x89MCAP0\r\n'
_MESSAGE_HEAD = struct.Struct('<BQHIQQ')
_MESSAGE = int(Opcode.MESSAGE)
_MESSAGE_FIXED = _MESSAGE_HEAD.size - 9
_CHUNK_HEAD = struct.Struct('<BQQQQIIQ')
CHUNK_HEAD_SIZE = _CHUNK_HEAD.size
_INDEX_HEAD = struct.Struct('<BQHI')
_INDEX_ITEM_SIZE = 16
_FOOTER_UNTIL_CRC = struct.Struct('<BQQQ')
_FOOTER_SIZE = 20


def packed(*records: McapRecord) -> bytes:
    """Return records as the library writes them."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return builder.end()


def message_head(
    channel_id: int, receive_ns: int, publish_ns: int, sequence: int, size: int,
    pack: Callable[..., bytes] = _MESSAGE_HEAD.pack,
) -> bytes:
    """
    Return the record of a message up to its data, which is of that size and follows.

    Raises struct.error for times that MCAP cannot hold.
    """
    return pack(
        _MESSAGE, _MESSAGE_FIXED + size, channel_id, sequence & 0xFFFF_FFFF, receive_ns, publish_ns
    )


def chunk_head(start_ns: int, end_ns: int, size: int) -> bytes:
    """Return what a chunk begins with; its records, of that size, follow."""
    return _CHUNK_HEAD.pack(
        Opcode.CHUNK, CHUNK_HEAD_SIZE - 9 + size, start_ns, end_ns, size, 0, 0, size
    )


def index_size(messages: int) -> int:
    """Return the size of a channel's message index."""
    return _INDEX_HEAD.size + messages * _INDEX_ITEM_SIZE


def message_index(channel_id: int, items: Sequence[int]) -> bytes:
    """
    Return a channel's message index for a chunk.

    items  of each message its time and its place in the chunk's records, one after the other
    """
    size = len(items) * _INDEX_ITEM_SIZE // 2
    head = _INDEX_HEAD.pack(Opcode.MESSAGE_INDEX, _INDEX_HEAD.size - 9 + size, channel_id, size)
    return head + struct.pack(f'<{len(items)}Q', *items)


def ending(at: int, groups: Sequence[tuple[Opcode, bytes]]) -> bytes:
    """
    Return what follows the data: its end, the summary and the footer.

    at      where it begins in the file
    groups  the summary's records, each group of one kind; an empty one is left out
    """
    data_end = packed(DataEnd(data_section_crc=0))
    start = at + len(data_end)
    parts, offsets = [], []
    here = start
    for opcode, records in groups:
        if records:
            offsets.append(SummaryOffset(
                group_opcode=opcode, group_start=here, group_length=len(records)
            ))
            parts.append(records)
            here += len(records)
    summary = b''.join((*parts, packed(*offsets)))
    footer = _FOOTER_UNTIL_CRC.pack(Opcode.FOOTER, _FOOTER_SIZE, start, here)
    crc = zlib.crc32(footer, zlib.crc32(summary))
    last = packed(Footer(summary_start=start, summary_offset_start=here, summary_crc=crc))
    return b''.join((data_end, summary, last, MAGIC))


START = MAGIC + packed(Header(profile=PROFILE, library=LIBRARY))
"""What every file begins with."""
