"""An alert that began or ended, and the event that it is in the stores."""

from __future__ import annotations

from typing import NamedTuple

from twinsight_store.metrics.fact import ALERT_CLEARED, ALERT_RAISED, Event


class AlertChange(NamedTuple):
    """
    An alert that began or ended.

    mission_id  of the robot at that moment
    active      true: raised; false: cleared
    time_ns     Unix ns, whole microseconds
    raised_ns   when it was raised; the same in both changes
    value       of the sample that it began or ended with, None where it has none; also text
    """

    rule: str
    robot_id: str
    mission_id: str
    metric: str
    severity: str
    active: bool
    time_ns: int
    raised_ns: int
    message: str
    value: float | None
    text: str | None


def to_event(change: AlertChange) -> Event:
    """Return the event of a change; its kind is ALERT_RAISED or ALERT_CLEARED."""
    return Event(
        change.robot_id, change.mission_id, change.time_ns,
        ALERT_RAISED if change.active else ALERT_CLEARED, change.severity, change.message,
        {
            'rule': change.rule, 'metric': change.metric, 'value': change.value,
            'text': change.text, 'raised_ns': change.raised_ns,
        },
    )
