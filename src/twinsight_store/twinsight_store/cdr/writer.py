"""Bytes of a message (CDR version 1, little endian), for the few types that we write."""

from __future__ import annotations

import struct

ENCAPSULATION = b'\0\1\0\0'

_INT32 = 1 << 31
SECOND = 1_000_000_000


class CdrWriter:
    """Writes fields one after the other, each aligned as the middleware does, padded with 0."""

    def __init__(self) -> None:
        self._data = bytearray(ENCAPSULATION)

    def text(self, text: str) -> None:
        """Write a string."""
        data = text.encode()
        self.align(4)
        self._data += struct.pack('<I', len(data) + 1) + data + b'\0'

    def uint8(self, value: int) -> None:
        """Write a number from 0 to 255, or a bool."""
        self._data.append(value)

    def float64(self, value: float) -> None:
        """Write a float64."""
        self.align(8)
        self._data += struct.pack('<d', value)

    def time(self, time_ns: int) -> None:
        """Write a builtin_interfaces/Time; see whole_seconds() for what it cannot hold."""
        self.align(4)
        self._data += struct.pack('<iI', whole_seconds(time_ns), time_ns % SECOND)

    def header(self, stamp_ns: int) -> None:
        """Write a std_msgs/Header without a frame."""
        self.time(stamp_ns)
        self.text('')

    def align(self, size: int) -> None:
        """Fill up until what is so large may follow."""
        self._data += bytes((len(ENCAPSULATION) - len(self._data)) % size)

    def data(self) -> bytes:
        """Return what was written."""
        return bytes(self._data)


def whole_seconds(time_ns: int) -> int:
    """Return the seconds of a time; outside of 1901 to 2038 the nearest that int32 holds."""
    return min(max(time_ns // SECOND, -_INT32), _INT32 - 1)
