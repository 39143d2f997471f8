"""A stored message, as every reader of the suite gets it."""

from __future__ import annotations

from collections.abc import Mapping
import struct
from typing import NamedTuple

from twinsight_store.channel import Channel

END_OF_TIME_NS = (1 << 63) - 1
"""Later than every message."""

_STAMP = {0: struct.Struct('>iI'), 1: struct.Struct('<iI')}


class Message(NamedTuple):
    """
    One message, with the exact bytes and times that were recorded.

    receive_ns  Unix time at which the recorder received it (MCAP: log time)
    publish_ns  Unix time at which it was published
    sequence    number that the publisher gave it; 0 where it is not known
    data        serialized message with its encapsulation header
    labels      labels of its record: robot_id, mission_id, sensor_type, and the user's
    """

    channel: Channel
    receive_ns: int
    publish_ns: int
    sequence: int
    data: bytes
    labels: Mapping[str, str]

    @property
    def stamp_ns(self) -> int | None:
        """Return ``header.stamp`` in ns, or None where the type does not begin with a header."""
        return header_stamp_ns(self.data) if self.channel.stamped else None


class Batch(NamedTuple):
    """
    Messages in time order, and how far they are complete.

    until_ns  every message of a later batch is at this time or after it; the messages here are
              before it; END_OF_TIME_NS in the last batch
    """

    messages: list[Message]
    until_ns: int


def header_stamp_ns(data: bytes) -> int | None:
    """
    Return the stamp of a CDR message that begins with a std_msgs/Header, in ns.

    Reads bytes 4 to 12 only (OMG DDS-XTypes 7.6.2: a 4-byte encapsulation header whose second
    byte tells the byte order). Returns None where there are fewer.
    """
    if len(data) < 12:
        return None
    seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
