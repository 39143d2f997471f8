"""
What it costs to take the ready-made metrics out of one message of each type.

Once by building the whole message and reading its attributes, once by reading the fields from
the bytes; and what a message costs altogether until its samples lie in their columns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import math
import sys
import timeit
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovarianceStamped,
    TransformStamped,
    Twist,
    TwistStamped,
)
from nav_msgs.msg import Odometry
from rclpy.serialization import serialize_message
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import BatteryState, Imu, NavSatFix
from std_msgs import msg as std
from tf2_msgs.msg import TFMessage

from twinsight_recorder.metrics.functions import Source
from twinsight_recorder.metrics.ready_made import ALL, READY_MADE
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_store.cdr.fields import CdrFields, CdrRows
from twinsight_store.field_path import decode, FieldPath, type_name
from twinsight_store.metrics.columns import SampleColumns

_REPEATS = 5
_GAP_NS = 20_000_000


def _stamped(message: Any) -> Any:
    message.header.frame_id = 'base_link'
    return message


def _diagnostics() -> DiagnosticArray:
    values = [KeyValue(key=key, value='21.90') for key in ('voltage', 'percentage', 'current')]
    return _stamped(DiagnosticArray(status=[
        DiagnosticStatus(name=name, message='ok', hardware_id='robot_05', values=values)
        for name in ('battery', 'motors', 'lidar', 'navigation')
    ]))


def _transforms() -> TFMessage:
    return TFMessage(transforms=[
        TransformStamped(header=std.Header(frame_id=parent), child_frame_id=child)
        for parent, child in (('map', 'odom'), ('odom', 'base_link'), ('base_link', 'lidar'))
    ])


_MESSAGES = [
    _stamped(Odometry(child_frame_id='base_link')), _stamped(PoseStamped()),
    _stamped(PoseWithCovarianceStamped()), _stamped(Imu()), _stamped(NavSatFix()),
    _stamped(BatteryState(voltage=24.0, temperature=math.nan, location='base')),
    Twist(), _stamped(TwistStamped()), std.Float64(), std.Int64(), std.Bool(),
    std.String(data='DRIVING'), _diagnostics(),
    GoalStatusArray(status_list=[GoalStatus() for _ in range(3)]), _transforms(),
]

_ROWS = {
    DiagnosticArray: ('status', ('level', 'name', 'message'), 'values', ('key', 'value')),
    GoalStatusArray: ('status_list', ('goal_info.stamp.sec', 'status'), '', ()),
    TFMessage: ('transforms', ('header.frame_id', 'child_frame_id', *(
        f'transform.{field}' for field in (
            'translation.x', 'translation.y', 'translation.z',
            'rotation.x', 'rotation.y', 'rotation.z', 'rotation.w'))), '', ()),
}
"""Of types that are lists: the list, fields of its elements, a list in each, fields of those."""


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog='python -m bench.metrics.cdr_fields',
                                     description=__doc__.strip().splitlines()[0])
    parser.add_argument('--messages', type=int, default=2000, help='of each type and repeat')
    options = parser.parse_args()
    table = Table('type', 'bytes', 'built µs', 'read µs', 'ratio', 'read by',
                  'in all µs', 'samples', title='One message, best of 5')
    for column in table.columns[1:]:
        column.justify = 'right'
    for message in _MESSAGES:
        table.add_row(*_row(message, options.messages))
    Console(width=120).print(table)
    return 0


def _row(message: Any, count: int) -> list[str]:
    cls, data = type(message), serialize_message(message)
    build, read, kind = _ways(cls, data)
    built_us, read_us = _best_us(build, count), _best_us(read, count)
    all_us, samples = _extraction(cls, data, count)
    return [type_name(cls), str(len(data)), f'{built_us:.2f}', f'{read_us:.2f}',
            f'{built_us / read_us:.1f}', kind, f'{all_us:.2f}', f'{samples:.1f}']


def _ways(cls: type, data: bytes) -> tuple[Callable[[], Any], Callable[[], Any], str]:
    if cls in _ROWS:
        name, fields, inner, inner_fields = _ROWS[cls]
        paths = [FieldPath.parse(field) for field in fields]
        inner_paths = [FieldPath.parse(field) for field in inner_fields]

        def build() -> Any:
            return [
                [path.value(element) for path in paths] + [
                    [path.value(each) for path in inner_paths]
                    for each in (getattr(element, inner) if inner else ())
                ]
                for element in getattr(decode(data, cls), name)
            ]

        rows = CdrRows(cls, [f'{name}[].{field}' for field in fields] + [
            f'{name}[].{inner}[].{field}' for field in inner_fields])
        return build, lambda: rows.read(data), 'rows'
    [rule] = [each for each in READY_MADE.values() if each.type == type_name(cls)]
    found = [path for each in rule.metrics.values() for path in Source.parse(each.field).paths]
    leaves = list(dict.fromkeys(found))
    reader = CdrFields(cls, leaves)

    def build_fields() -> Any:
        message = decode(data, cls)
        return [path.value(message) for path in leaves]

    if list(reader.read(data)) != build_fields() and cls is not BatteryState:  # NaN is not NaN
        raise AssertionError(type_name(cls))
    return build_fields, lambda: reader.read(data), 'building' if reader.whole else 'plan'


def _extraction(cls: type, data: bytes, count: int) -> tuple[float, float]:
    """Return µs a message up to the columns, and samples a message."""
    rules = MetricRules({'position': MetricRuleSettings(kind='tf', rate=1000.0)}, ALL, print)
    columns = SampleColumns(rules.names, 1_000_000)
    topic = '/tf' if cls is TFMessage else '/topic'
    extractor = rules.extractor(topic, type_name(cls))
    receive_ns = 0

    def take() -> None:
        nonlocal receive_ns
        receive_ns += _GAP_NS
        extractor.take(data, receive_ns, columns)

    spent_us = []
    for _ in range(_REPEATS):
        spent_us.append(timeit.timeit(take, number=count) / count * 1e6)
        columns.sealed('robot_05', 'bench')
    return min(spent_us), columns.counts.samples / columns.counts.messages


def _best_us(call: Callable[[], Any], count: int) -> float:
    return min(timeit.repeat(call, number=count, repeat=_REPEATS)) / count * 1e6


if __name__ == '__main__':
    sys.exit(main())
