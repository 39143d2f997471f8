"""Metrics of an action: how its newest goal is doing."""

from __future__ import annotations

from operator import itemgetter

from action_msgs.msg import GoalStatus

from twinsight_recorder.metrics.topic_metrics import Place
from twinsight_store.cdr.fields import CdrRows
from twinsight_store.metrics.columns import SampleColumns

_ID_BYTES = 16
_FIELDS = (
    *(f'goal_info.goal_id.uuid[{number}]' for number in range(_ID_BYTES)),
    'goal_info.stamp.sec', 'goal_info.stamp.nanosec', 'status',
)

STATES = {
    getattr(GoalStatus, name): name.removeprefix('STATUS_')
    for name in dir(type(GoalStatus)) if name.startswith('STATUS_')
}
"""Number of a state → its name, for example EXECUTING."""


class ActionStatusMetrics:
    """
    Takes the state of the goal that was accepted last: ``<action>.state`` and ``.status``.

    state is its name, status its number. Both are stored when they change, and with a new goal.
    """

    def __init__(self, place: Place) -> None:
        self._rows = CdrRows(place.cls, [f'status_list[].{field}' for field in _FIELDS])
        self._state = place.number('state', '', 'status_list[].status')
        self._status = place.number('status', '', 'status_list[].status')
        self._last: list[int] | None = None

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """Make samples of a message; raises RecordError where it is damaged."""
        [goals] = self._rows.read(data)
        if not goals:
            return
        newest = max(goals, key=itemgetter(slice(_ID_BYTES, -1)))  # by its stamp
        out.counts.values += 2
        if newest == self._last:
            out.counts.unchanged += 2
            return
        status = newest[-1]
        stored = out.add(self._state, receive_ns, STATES.get(status, str(status)))
        if out.add(self._status, receive_ns, status) and stored:
            self._last = newest

    def forget(self) -> None:
        """Store again what is stored on change only."""
        self._last = None
