"""Metrics of kind tf: where a frame is in another."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
import math

from twinsight_recorder.metrics.tf_position import TfPosition, Transform
from twinsight_recorder.metrics.topic_metrics import Place
from twinsight_recorder.rate_limit import RateLimit
from twinsight_store.cdr.fields import CdrRows
from twinsight_store.metrics.columns import SampleColumns

TYPE = 'tf2_msgs/msg/TFMessage'

_PATIENCE_NS = 5_000_000_000
_FIELDS = (
    'header.stamp.sec', 'header.stamp.nanosec', 'header.frame_id', 'child_frame_id',
    *(f'transform.translation.{each}' for each in 'xyz'),
    *(f'transform.rotation.{each}' for each in 'xyzw'),
)
_UNITS = {'x': 'm', 'y': 'm', 'z': 'm', 'yaw': 'rad'}
_MOST_NAMED = 20


class TfMetrics:
    """
    Takes x, y, z and yaw of a frame out of all topics of transforms; one for each rule.

    The transforms that come when a sample is due make it; between two samples they are
    remembered only.
    """

    def __init__(self, place: Place) -> None:
        rule = place.rule
        self._place = place
        self._rows = CdrRows(place.cls, [f'transforms[].{field}' for field in _FIELDS])
        self._tf = TfPosition(rule.parent, rule.child)
        self._limit = RateLimit(round(1e9 / rule.rate))
        source = f'{rule.parent} → {rule.child}'
        self._numbers = array('I', [
            place.number(name, unit, source) for name, unit in _UNITS.items()
        ])
        self._began_ns: int | None = None
        self._told = False

    def take(self, data: bytes, receive_ns: int, out: SampleColumns) -> None:
        """Make a sample where one is due; raises RecordError where a message is damaged."""
        if not self._tf.see(self._transforms(data)):
            self._complain(receive_ns)
            return
        values = self._tf.position()
        if values is None:
            return
        out.counts.values += len(self._numbers)
        if not self._limit.takes(receive_ns):
            out.counts.rate_limited += len(self._numbers)
            return
        time_ns = receive_ns
        if self._place.rule.time == 'stamp' and values.stamp_ns:
            time_ns = values.stamp_ns
        if math.isfinite(sum(values)):
            out.add_numbers(self._numbers, time_ns, list(values[:4]))
            return
        for number, value in zip(self._numbers, values, strict=False):
            out.add(number, time_ns, value)

    def forget(self) -> None:
        """Do nothing: all is stored anyway."""

    def _transforms(self, data: bytes) -> Iterator[Transform]:
        [rows] = self._rows.read(data)
        for sec, nanosec, parent, child, x, y, z, qx, qy, qz, qw in rows:
            yield Transform(
                parent.lstrip('/'), child.lstrip('/'), (x, y, z), (qx, qy, qz, qw),
                sec * 1_000_000_000 + nanosec,
            )

    def _complain(self, receive_ns: int) -> None:
        """Tell once, after some seconds, that the frames do not hang together."""
        if self._told or self._tf.is_connected:
            return
        if self._began_ns is None:
            self._began_ns = receive_ns
        if receive_ns - self._began_ns < _PATIENCE_NS:
            return
        self._told = True
        rule, frames = self._place.rule, self._tf.frames
        more = f' and {len(frames) - _MOST_NAMED} more' if len(frames) > _MOST_NAMED else ''
        self._place.problem(
            f'rule {self._place.rule_name}: no transforms lead from {rule.parent} to '
            f'{rule.child}; the frames are {", ".join(frames[:_MOST_NAMED])}{more}'
        )
