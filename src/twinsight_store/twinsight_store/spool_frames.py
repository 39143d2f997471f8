"""
The frames in a spool's files: how they are written, and read where a file is damaged.

A frame: size and CRC-32 (4 bytes each, little endian), then the payload. The CRC covers small
payloads whole, and of bigger ones the first and the last 4 kB: a frame that was cut off, or that
the disk never got, is found; the cost stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import os
import struct
import zlib

_HEAD = struct.Struct('<II')
HEAD_BYTES = _HEAD.size
_CRC_WHOLE = 65_536
_CRC_PART = 4_096
_JOINED = 65_536
_MOST_BUFFERS = 512
_READ_AT_ONCE = 4_000_000

Frame = tuple[bytes, bytes]
"""A payload in two parts, so that a big one need not be copied: head and body."""


class DamagedFrameError(Exception):
    """What lies in the file at ``offset`` (bytes) is not a whole frame."""

    def __init__(self, offset: int) -> None:
        super().__init__(f'damaged at byte {offset}')
        self.offset = offset


def buffers_of(frames: Sequence[Frame]) -> tuple[list[bytes], int]:
    """Return what is to be written for some frames, and its size (bytes)."""
    buffers: list[bytes] = []
    size = 0
    for head, body in frames:
        length = len(head) + len(body)
        buffers += (_HEAD.pack(length, _crc(head, body)), head, body)
        size += _HEAD.size + length
    return buffers, size


def read_frames(file: int, offset: int, last: int) -> Iterator[tuple[memoryview, int]]:
    """
    Give the payloads between two places in a file, each with the place after it.

    Raises DamagedFrameError where a frame is cut off or is not what was written, OSError.
    """
    data = b''
    begins = offset  # where ``data`` lies in the file
    while True:
        place = offset - begins
        wanted = _HEAD.size
        if len(data) - place >= _HEAD.size:
            length, crc = _HEAD.unpack_from(data, place)
            wanted += length
            if len(data) - place >= wanted:
                payload = memoryview(data)[place + _HEAD.size:place + wanted]
                if not length or _crc(payload[:0], payload) != crc:
                    raise DamagedFrameError(offset)
                offset += wanted
                yield payload, offset
                continue
        if offset >= last:
            return
        if offset + wanted > last:  # its writer was killed, or its size is damaged
            raise DamagedFrameError(offset)
        begins = offset
        data = os.pread(file, max(wanted, min(_READ_AT_ONCE, last - offset)), offset)
        if len(data) < wanted:
            raise DamagedFrameError(offset)


def _crc(head: bytes | memoryview, body: bytes | memoryview) -> int:
    size = len(head) + len(body)
    if size <= _CRC_WHOLE:
        return zlib.crc32(body, zlib.crc32(head))
    if len(head) > _CRC_PART:
        head, body = b'', bytes(head) + bytes(body)
    if head:  # parts of one payload: where it was cut must not matter
        first = zlib.crc32(body[:_CRC_PART - len(head)], zlib.crc32(head))
    else:
        first = zlib.crc32(body[:_CRC_PART])
    return zlib.crc32(body[-_CRC_PART:], first)


def write_all(file: int, buffers: Sequence[bytes]) -> None:
    """Write to a file where it stands; raises OSError."""
    pending: list[bytes | memoryview] = []
    for buffer in _joined(buffers):
        pending.append(buffer)
        if len(pending) == _MOST_BUFFERS:
            _write_some(file, pending)
            pending = []
    _write_some(file, pending)


def _joined(buffers: Sequence[bytes]) -> Iterator[bytes]:
    """Give fewer buffers: small ones in one piece, big ones as they are."""
    small: list[bytes] = []
    for buffer in buffers:
        if len(buffer) < _JOINED:
            small.append(buffer)
            continue
        if small:
            yield b''.join(small)
            small = []
        yield buffer
    if small:
        yield b''.join(small)


def _write_some(file: int, buffers: list[bytes | memoryview]) -> None:
    while buffers:
        written = os.writev(file, buffers)
        while buffers and written >= len(buffers[0]):
            written -= len(buffers[0])
            del buffers[0]
        if written:
            buffers[0] = memoryview(buffers[0])[written:]
