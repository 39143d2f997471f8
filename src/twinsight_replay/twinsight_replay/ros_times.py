"""Times between Unix nanoseconds and ROS messages."""

from __future__ import annotations

from builtin_interfaces.msg import Duration, Time

_SECOND = 1_000_000_000


def to_msg(time_ns: int) -> Time:
    """Return Unix ns as a message; what it cannot hold (before 1901, after 2038) is clamped."""
    sec, nanosec = divmod(time_ns, _SECOND)
    return Time(sec=max(-(1 << 31), min(sec, (1 << 31) - 1)), nanosec=nanosec)


def to_ns(time: Time | Duration) -> int:
    """Return a message as ns."""
    return int(time.sec) * _SECOND + int(time.nanosec)
