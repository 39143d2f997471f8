"""Which frames a serialized TFMessage places; read from its bytes, without ROS."""

from __future__ import annotations

import struct

TF_TYPE = 'tf2_msgs/msg/TFMessage'

_TRANSFORM_BYTES = 7 * 8
_UINT = {0: struct.Struct('>I'), 1: struct.Struct('<I')}


def child_frames(data: bytes) -> frozenset[str]:
    """
    Return the child frames of a tf2_msgs/msg/TFMessage in CDR, those that its bytes still hold.

    A transform: stamp (8 bytes), two texts (parent and child frame), 7 doubles, aligned to 8
    behind the encapsulation header (OMG DDS-XTypes 7.4.1).
    """
    found = set()
    try:
        uint = _UINT[data[1] & 1]
        count, at = uint.unpack_from(data, 4)[0], 8
        for _ in range(count):
            at = _text(uint, data, at + 8)[1]
            child, at = _text(uint, data, at)
            found.add(child)
            at += (4 - at) % 8 + _TRANSFORM_BYTES
    except (IndexError, struct.error):
        pass  # cut off: what came before it counts
    return frozenset(found)


def _text(uint: struct.Struct, data: bytes, at: int) -> tuple[str, int]:
    """Return a text and the position behind it, aligned for what follows."""
    length = uint.unpack_from(data, at)[0]
    text = data[at + 4:at + 4 + length]
    end = at + 4 + length
    return text.rstrip(b'\0').decode(errors='replace'), end + -end % 4
