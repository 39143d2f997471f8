"""The time of ``/clock`` as the viewers' time."""

from __future__ import annotations

from collections.abc import Callable
import struct

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock

_TIME = struct.Struct('<4xiI')  # CDR, little-endian: header, builtin_interfaces/Time
_LITTLE_ENDIAN = 1
_PERIOD_NS = 10_000_000


class SimTime:
    """
    Follows ``/clock`` while a viewer is there.

    now_ns  the time of the last message, or None before the first
    """

    def __init__(self, node: Node, on_time: Callable[[int], object]) -> None:
        """Make one that does not follow yet; on_time gets the time (ns), not each but often."""
        self.now_ns: int | None = None
        self._node = node
        self._on_time = on_time
        self._told_ns = 0
        self._subscription: Subscription[Clock] | None = None

    def follow(self, wanted: bool) -> None:
        """Begin or end to follow."""
        if wanted and self._subscription is None:
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            self._subscription = self._node.create_subscription(
                Clock, '/clock', self._take, qos, raw=True
            )
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self.now_ns = None

    def log_time(self, receive_ns: int) -> int:
        """Return the time of /clock for what was received now, or that where none came yet."""
        return receive_ns if self.now_ns is None else self.now_ns

    def _take(self, data: bytes) -> None:
        if len(data) < _TIME.size or data[1] != _LITTLE_ENDIAN:
            return
        seconds, nanoseconds = _TIME.unpack_from(data)
        now_ns = self.now_ns = seconds * 1_000_000_000 + nanoseconds
        if abs(now_ns - self._told_ns) >= _PERIOD_NS:
            self._told_ns = now_ns
            self._on_time(now_ns)
