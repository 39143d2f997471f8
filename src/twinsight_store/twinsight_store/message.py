"""A stored message, as every reader of the suite gets it."""

from __future__ import annotations

from collections.abc import Mapping
import struct
from typing import Any, NamedTuple

from twinsight_store import labels as label
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

    @property
    def topic(self) -> str:
        """Return the topic's full name, as on the robot."""
        return self.channel.topic

    @property
    def type_name(self) -> str:
        """Return the type's name, for example ``nav_msgs/msg/Odometry``."""
        return self.channel.type_name

    @property
    def robot_id(self) -> str:
        """Return whose message it is; empty where that is not known."""
        return self.labels.get(label.ROBOT, '')

    @property
    def mission_id(self) -> str:
        """Return the mission that it was recorded in; empty where that is not known."""
        return self.labels.get(label.MISSION, '')

    def decoded(self) -> Any:
        """
        Return its fields, read by the definition that is stored with it; needs no ROS 2.

        They are attributes (``message.decoded().pose.pose.position.x``); numeric arrays are
        numpy's, which see the message's data without a copy. Raises RecordError.
        """
        from twinsight_store.decoder import decoded  # only who decodes needs its library

        return decoded(self)


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
