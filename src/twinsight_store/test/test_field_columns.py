"""Fields of messages as Arrow columns."""

from __future__ import annotations

import struct
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
import numpy as np
import pyarrow as pa
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState, LaserScan
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from twinsight_store import field_columns
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.field_columns import FieldColumns
from twinsight_store.field_path import type_name
from twinsight_store.message import Message
from twinsight_store.message_definition import definition

T0 = 1_763_900_000_000_000_001
INSTANT = pa.timestamp('ns', 'UTC')


def channel_of(cls: type) -> Channel:
    return Channel('/topic', type_name(cls), *definition(type_name(cls)))


def stored(*messages: Any, robot: str = 'r1') -> list[Message]:
    return [
        Message(channel_of(type(each)), T0 + number, 0, 0, serialize_message(each),
                {'robot_id': robot})
        for number, each in enumerate(messages)
    ]


def table(messages: list[Message], *fields: str, labels: tuple[str, ...] = ()) -> pa.Table:
    columns = FieldColumns([messages[0].channel], {each: each for each in fields}, labels)
    for message in messages:
        columns.add(message)
    return columns.table()


def odometry(x: float, stamp_s: int = 0) -> Odometry:
    message = Odometry()
    message.header.stamp.sec = stamp_s
    message.pose.pose.position.x = x
    message.pose.covariance[7] = x
    return message


def test_numbers_stand_beside_their_times_to_the_nanosecond() -> None:
    found = table(
        stored(odometry(1.5, 7), odometry(-2.0, 8)), 'pose.pose.position.x', 'header.stamp.sec',
        labels=('robot_id',),
    )
    assert found.schema == pa.schema([
        ('time', INSTANT), ('stamp', INSTANT), ('robot_id', pa.string()),
        ('pose.pose.position.x', pa.float64()), ('header.stamp.sec', pa.int32()),
    ])
    assert found['time'].cast(pa.int64()).to_pylist() == [T0, T0 + 1]
    assert found['stamp'].cast(pa.int64()).to_pylist() == [7_000_000_000, 8_000_000_000]
    assert found['robot_id'].to_pylist() == ['r1', 'r1']
    assert found['pose.pose.position.x'].to_pylist() == [1.5, -2.0]
    assert found['header.stamp.sec'].to_pylist() == [7, 8]


def test_a_type_without_header_has_no_stamp() -> None:
    found = table(stored(String(data='a'), String(data='ü')), 'data')
    assert found.column_names == ['time', 'data']
    assert found['data'].to_pylist() == ['a', 'ü']


def test_arrays_are_lists_of_a_fixed_size_and_sequences_are_lists() -> None:
    found = table(stored(odometry(1.0), odometry(2.0)), 'pose.covariance', 'pose.covariance[7]')
    assert found.schema.field('pose.covariance').type == pa.list_(pa.float64(), 36)
    assert [row[7] for row in found['pose.covariance'].to_pylist()] == [1.0, 2.0]
    assert found['pose.covariance[7]'].to_pylist() == [1.0, 2.0]

    scans = [LaserScan(ranges=[1.0, 2.0]), LaserScan(), LaserScan(ranges=[3.0])]
    found = table(stored(*scans), 'ranges', 'ranges[-1]')
    assert found.schema.field('ranges').type == pa.list_(pa.float32())
    assert found['ranges'].to_pylist() == [[1.0, 2.0], [], [3.0]]
    assert found['ranges[-1]'].to_pylist() == [2.0, None, 3.0]

    names = [JointState(name=['a', 'b']), JointState()]
    assert table(stored(*names), 'name')['name'].to_pylist() == [['a', 'b'], []]


def test_an_element_is_found_by_its_key_and_null_where_there_is_none() -> None:
    def status(name: str, level: int, voltage: str) -> DiagnosticArray:
        values = [KeyValue(key='voltage', value=voltage)]
        return DiagnosticArray(
            status=[DiagnosticStatus(name=name, level=bytes([level]), values=values)]
        )

    found = table(
        stored(status('battery', 2, '21.9'), status('arm', 1, '5'), status('battery', 200, '')),
        'status[name=battery].level', 'status[name=battery].values[key=voltage].value',
    )
    assert found.columns[2].to_pylist() == [2, None, 200]
    assert found.columns[3].to_pylist() == ['21.9', None, '']
    moves = TFMessage(transforms=[TransformStamped(header=Header(frame_id='odom'))])
    path = 'transforms[header.frame_id=odom].transform.rotation.w'
    assert table(stored(moves), path)[path].to_pylist() == [1.0]


def test_lists_of_a_part_that_may_lack_are_null_there() -> None:
    schema = b'x/Scan[] scans\n' + b'=' * 80 + b'\nMSG: x/Scan\nuint8[] hits\nbyte[2] marks\n'
    channel = Channel('/topic', 'x/msg/Scans', 'ros2msg', schema)
    full = b'\0\1\0\0' + struct.pack('<II3s2s', 1, 3, b'\1\2\xff', b'\7\xc8')
    messages = [
        Message(channel, T0, T0, 0, data, {}) for data in (full, b'\0\1\0\0' + bytes(4), full)
    ]
    found = table(messages, 'scans[0].hits', 'scans[0].marks')
    assert found['scans[0].hits'].to_pylist() == [[1, 2, 255], None, [1, 2, 255]]
    assert found['scans[0].marks'].to_pylist() == [[7, 200], None, [7, 200]]
    whole = table(messages[:1], 'scans[0].hits', 'scans[0].marks')
    assert whole == found.slice(0, 1)


@pytest.mark.parametrize('bound', ['_BLOCK_BYTES', '_BLOCK_ROWS'])
def test_many_messages_are_packed_in_blocks_that_hold_their_data_no_longer(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = [LaserScan(ranges=[float(number)] * 3) for number in range(10)]
    whole = table(stored(*scans), 'ranges', 'range_max')
    size = len(serialize_message(scans[0]))
    monkeypatch.setattr(field_columns, bound, 4 if bound == '_BLOCK_ROWS' else 4 * size)
    found = table(stored(*scans), 'ranges', 'range_max')
    assert found == whole
    assert [len(chunk) for chunk in found['ranges'].chunks] == [4, 4, 2]


@pytest.mark.parametrize(('cls', 'field', 'reason'), [
    (Odometry, 'pose.pose.positon.x', 'geometry_msgs/msg/Pose has no positon; accepted here: '
                                      'position, orientation; did you mean position?'),
    (Odometry, 'twist.twist.linear', 'twist.twist.linear is a geometry_msgs/msg/Vector3, not one '
                                     'value; in it: twist.twist.linear.x, twist.twist.linear.y, '
                                     'twist.twist.linear.z'),
    (Odometry, 'child_frame_id.x', 'child_frame_id is one string; it has no x'),
    (Odometry, 'child_frame_id[0]', 'child_frame_id is one string'),
    (Odometry, 'pose.covariance[36]', 'pose.covariance has no [36]: it has 36 elements'),
    (Odometry, 'pose.covariance[a=b]', 'pose.covariance is a list of float64'),
    (LaserScan, 'ranges.x', 'ranges is a list of float32; it has no x'),
    (TFMessage, 'transforms', 'transforms is a list of geometry_msgs/msg/TransformStamped: '
                              'select an element with [0], [-1] or [FIELD=TEXT]'),
    (TFMessage, 'transforms[frame=odom].child_frame_id', 'geometry_msgs/msg/TransformStamped has '
     'no frame; accepted here: header, child_frame_id, transform'),
    (Odometry, 'pose..x', "position 6 ('.'): the name of a field is expected"),
])
def test_a_field_that_is_none_is_refused_with_what_there_is(
    cls: type, field: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FieldColumns([channel_of(cls)], {'value': field})
    assert str(raised.value) == f'field {field!r}: {reason}'


def test_a_topic_without_definition_is_named() -> None:
    with pytest.raises(RecordError, match=r'^/t \(x/msg/T\): its definition is not stored'):
        FieldColumns([Channel('/t', 'x/msg/T')], {'value': 'x'})


def test_a_message_that_cannot_be_decoded_leaves_the_others() -> None:
    first, second, third = stored(odometry(1.0), odometry(2.0), odometry(3.0))
    columns = FieldColumns([first.channel], {'x': 'pose.pose.position.x'})
    columns.add(first)
    with pytest.raises(RecordError, match=r'^/topic \(nav_msgs/msg/Odometry\) at '):
        columns.add(second._replace(data=second.data[:40]))
    columns.add(third)
    assert columns.table()['x'].to_pylist() == [1.0, 3.0]


def test_definitions_may_change_but_not_the_type_of_the_field() -> None:
    def one(schema: bytes, form: str, *values: Any) -> Message:
        channel = Channel('/topic', 'x/msg/Point', 'ros2msg', schema)
        return Message(channel, T0, T0, 0, b'\0\1\0\0' + struct.pack(form, *values), {})

    new = one(b'float64 x\n', '<d', 1.5)
    columns = FieldColumns([new.channel], {'x': 'x'})
    columns.add(one(b'float64 y\nfloat64 x\n', '<dd', 7.0, 2.5))
    columns.add(new)
    assert columns.table()['x'].to_pylist() == [2.5, 1.5]
    with pytest.raises(ConfigurationError, match="^field 'x': /topic has it as double, .* float"):
        columns.add(one(b'float32 x\n', '<f', 1.5))
    with pytest.raises(ConfigurationError, match="^field 'x': x/msg/Point has no x; "):
        columns.add(one(b'float64 y\n', '<d', 1.5))
    assert columns.table().num_rows == 2


def test_a_column_of_numbers_is_numpys_without_a_copy() -> None:
    found = table(stored(odometry(1.0), odometry(2.0)), 'pose.covariance')
    (chunk,) = found['pose.covariance'].chunks
    assert chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, 36)[1, 7] == 2.0
    assert np.asarray(found['time'].chunks[0].cast(pa.int64())).tolist() == [T0, T0 + 1]
