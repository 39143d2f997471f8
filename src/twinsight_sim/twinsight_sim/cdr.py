"""
Messages as bytes that depend on nothing but the message.

Serialising leaves the gaps between aligned fields as the memory was before, and on the wire a
message is filled up to a multiple of four bytes. Both make equal messages different bytes, so
the gaps are set to zero here, and the filling is made part of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
import struct
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from rosidl_parser import definition as idl

HEADER = 4
"""Bytes of encapsulation in front; alignment counts from behind them."""

_STAMP, _STAMP_ALIGNMENT = struct.Struct('<iI'), 4
_COUNT = struct.Struct('<I')

_SIZES = {'boolean': 1, 'octet': 1, 'char': 1, 'int8': 1, 'uint8': 1, 'int16': 2, 'uint16': 2,
          'int32': 4, 'uint32': 4, 'float': 4, 'int64': 8, 'uint64': 8, 'double': 8}


class Packer:
    """
    Turns the messages of one topic into bytes.

    With ``same_layout`` no string or sequence but the last field changes its length from one
    message to the next; then the gaps are looked for only once.
    """

    def __init__(self, same_layout: bool) -> None:
        self._same_layout = same_layout
        self._gaps: list[tuple[int, int]] | None = None

    def pack(self, message: Any) -> bytes:
        """Serialise a message, little-endian plain CDR; what is bytes already stays as it is."""
        if isinstance(message, bytes):
            return message
        data = bytearray(serialize_message(message))
        gaps = self._gaps
        if gaps is None:
            gaps = find_gaps(type(message), data)
            if self._same_layout:
                self._gaps = gaps
        for start, end in gaps:
            data[start:end] = bytes(end - start)
        return bytes(data) + bytes(-len(data) % 4)


class Template:
    """
    A message of which only stamps, doubles and, where it is a sequence of bytes, the end change.

    Filling it in is ten times cheaper than setting fields and serialising; that counts for
    what is sent many times a second.
    """

    def __init__(self, message: Any) -> None:
        data = Packer(True).pack(message)
        walk = _Walk(data)
        walk.message(type(message))
        self._data = bytearray(data)
        self._stamps = walk.stamps
        self._runs = [(start, struct.Struct(f'<{count}d')) for start, count in walk.doubles]

    def fill(self, stamp_ns: int, numbers: Sequence[float] = (), end: bytes = b'') -> bytes:
        """
        Return the bytes with other values.

        :param stamp_ns: of all stamps in it (Unix, ns)
        :param numbers: all doubles of the message in its order, or none to leave them
        :param end: what the sequence of bytes that ends the message, so far empty, holds
        """
        data = self._data
        seconds, rest = divmod(stamp_ns, 1_000_000_000)
        for start in self._stamps:
            _STAMP.pack_into(data, start, seconds, rest)
        if numbers:
            first = 0
            for start, run in self._runs:
                after = first + run.size // 8
                run.pack_into(data, start, *numbers[first:after])
                first = after
        if not end:
            return bytes(data)
        return b''.join((data[:-4], _COUNT.pack(len(end)), end, bytes(-len(end) % 4)))


def find_gaps(kind: type, data: bytes | bytearray) -> list[tuple[int, int]]:
    """Return start and end of each gap in a serialised message; ValueError where it is none."""
    walk = _Walk(data)
    walk.message(kind)
    if walk.at != len(data):
        raise ValueError(f'{kind.__name__}: {walk.at} of {len(data)} bytes are fields')
    return walk.gaps


def _message_type(kind: idl.NamespacedType) -> type:
    return getattr(import_module('.'.join(kind.namespaces)), kind.name)


class _Walk:
    """A way through the bytes of a message, field by field."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self.at = HEADER
        self.gaps: list[tuple[int, int]] = []
        self.stamps: list[int] = []
        """Where each builtin_interfaces/Time starts."""
        self.doubles: list[tuple[int, int]] = []
        """Start and count of each run of doubles."""

    def message(self, kind: Any) -> None:
        if kind is Time:
            self.stamps.append(self.at + (HEADER - self.at) % _STAMP_ALIGNMENT)
        for field in kind.SLOT_TYPES:
            self._field(field)

    def _field(self, kind: Any) -> None:
        if isinstance(kind, idl.BasicType):
            self._values(kind.typename, 1)
        elif isinstance(kind, idl.AbstractString):
            self._values('char', self._count())
        elif isinstance(kind, idl.NamespacedType):
            self.message(_message_type(kind))
        elif isinstance(kind, (idl.Array, idl.AbstractSequence)):
            count = kind.size if isinstance(kind, idl.Array) else self._count()
            if isinstance(kind.value_type, idl.BasicType):
                self._values(kind.value_type.typename, count)
            else:
                for _ in range(count):
                    self._field(kind.value_type)
        else:
            raise ValueError(f'{kind} is no field that this module knows')

    def _values(self, kind: str, count: int) -> None:
        size = _SIZES[kind]
        gap = (HEADER - self.at) % size if count else 0
        if gap:
            self.gaps.append((self.at, self.at + gap))
        start = self.at + gap
        self.at = start + size * count
        if kind == 'double' and count:
            before, many = self.doubles[-1] if self.doubles else (0, 0)
            if before + 8 * many == start:
                self.doubles[-1] = before, many + count
            else:
                self.doubles.append((start, count))

    def _count(self) -> int:
        self._values('uint32', 1)
        return _COUNT.unpack_from(self._data, self.at - 4)[0]
