"""The ROS message of an alert that began or ended."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time

from twinsight_interfaces.msg import Alert
from twinsight_recorder.alerting.change import AlertChange

_SEVERITIES = {'info': Alert.INFO, 'warn': Alert.WARN, 'error': Alert.ERROR}


def to_message(change: AlertChange) -> Alert:
    """Return the message of a change."""
    message = Alert(
        robot_id=change.robot_id,
        mission_id=change.mission_id,
        rule=change.rule,
        metric=change.metric,
        severity=_SEVERITIES[change.severity],
        active=change.active,
        message=change.message,
        value=math.nan if change.value is None else change.value,
        text=change.text or '',
        raised=_time(change.raised_ns),
    )
    message.header.stamp = _time(change.time_ns)
    return message


def _time(time_ns: int) -> Time:
    return Time(sec=time_ns // 1_000_000_000, nanosec=time_ns % 1_000_000_000)
