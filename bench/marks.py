"""
A mark inside each message: its number, when it was published, and a checksum of the rest.

So what is read back can be compared with what was sent, without keeping what was sent.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
import zlib

MAGIC = b'TwinMark'
PLACEHOLDER = 4 * MAGIC
"""What stands for a mark when a message is serialized: valid in bytes, floats and doubles."""

SIZE = len(PLACEHOLDER)

_LAYOUT = struct.Struct('<8sIIqq')
_CHANGING = struct.Struct('<qq')
_CHANGING_AT = _LAYOUT.size - _CHANGING.size
_SEARCHED_BYTES = 4096


class Mark(NamedTuple):
    """
    What a message says of itself.

    intact  whether all bytes beside the mark are those that were sent
    """

    sequence: int
    publish_ns: int
    intact: bool


class MarkedMessage:
    """A serialized message with a mark in it, filled anew for each sending."""

    def __init__(self, data: bytes) -> None:
        """Take a message in which PLACEHOLDER stands."""
        self._data = bytearray(data)
        at = data.index(PLACEHOLDER)
        rest = zlib.crc32(data[at + SIZE:], zlib.crc32(data[:at]))
        _LAYOUT.pack_into(self._data, at, MAGIC, rest, len(data), 0, 0)
        self._at = at + _CHANGING_AT

    def fill(self, sequence: int, publish_ns: int) -> bytes:
        """Return the bytes to publish."""
        _CHANGING.pack_into(self._data, self._at, sequence, publish_ns)
        return bytes(self._data)


def read_mark(data: bytes) -> Mark | None:
    """Return a message's mark, None where it has none."""
    at = data.find(MAGIC, 0, _SEARCHED_BYTES)
    if at < 0 or at + SIZE > len(data):
        return None
    _, expected, size, sequence, publish_ns = _LAYOUT.unpack_from(data, at)
    view = memoryview(data)
    # DDS fills a message up to a multiple of four bytes.
    rest = zlib.crc32(view[at + SIZE:size], zlib.crc32(view[:at]))
    return Mark(sequence, publish_ns, rest == expected and 0 <= len(data) - size < 4)
