"""Messages are decoded by their stored definition as the middleware decodes them."""

from __future__ import annotations

from collections.abc import Callable
import gc
from pathlib import Path
import random
import re
from typing import Any
import weakref

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from mcap.reader import make_reader
from nav_msgs.msg import OccupancyGrid, Odometry
from nav_msgs.msg import Path as PathMessage
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import AbstractNestedType, BasicType
from sensor_msgs.msg import CameraInfo, Image, Imu, JointState, LaserScan, PointCloud2
from std_msgs.msg import Bool, Byte, Char, Empty, Float32, Float64MultiArray, Int64, String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker

from twinsight_interfaces.msg import Metric
from twinsight_store.cdr.plan import class_of, fields_of
from twinsight_store.channel import Channel
from twinsight_store.decoder import decoder_of
from twinsight_store.errors import RecordError
from twinsight_store.field_path import type_name
from twinsight_store.message import Message
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class, UnknownTypeError

TYPES = [
    Bool, Byte, Char, Float32, Int64, String, Float64MultiArray, PoseStamped, Odometry,
    PathMessage, Imu, LaserScan, JointState, CameraInfo, Image, PointCloud2, OccupancyGrid,
    DiagnosticArray, TFMessage, Marker, Metric,
]
T0 = 1_763_900_000_000_000_000
SEPARATOR = '=' * 80
POINT = b'float64 x\nfloat64 y\n'
ONE_POINT = bytes([0, 1, 0, 0]) + np.array([1.5, -2.5]).tobytes()

RandomMessage = Callable[[type, random.Random], Any]


def as_idl(name: str) -> bytes:
    """Return a type's definition as rosbag2 stores it where there is IDL only."""
    waiting, parts = [name], {}
    while waiting:
        each = waiting.pop(0)
        if each not in parts:
            package, _, rest = each.partition('/')
            parts[each] = Path(get_package_share_directory(package), f'{rest}.idl').read_text()
            waiting += re.findall(r'#include "(.*)\.idl"', parts[each])
    return ''.join(f'{SEPARATOR}\nIDL: {each}\n{text}' for each, text in parts.items()).encode()


def message(
    data: bytes, schema: bytes = POINT, encoding: str = 'ros2msg', name: str = 'x/msg/Point',
    message_encoding: str = 'cdr',
) -> Message:
    channel = Channel('/point', name, encoding, schema, message_encoding)
    return Message(channel, T0, T0, 0, data, {'robot_id': 'r1', 'mission_id': 'dawn'})


def plain(found: Any, kind: Any) -> Any:
    """Return a value of either library's message in a form to compare."""
    if isinstance(kind, AbstractNestedType):
        return [plain(each, kind.value_type) for each in found]
    if isinstance(kind, BasicType):
        if kind.typename == 'octet':
            return found[0] if isinstance(found, bytes) else int(found) & 0xFF
        return found.item() if hasattr(found, 'item') else found
    return found if isinstance(found, str) else all_of(found, class_of(kind))


def all_of(found: Any, cls: type) -> dict[str, Any]:
    return {name: plain(getattr(found, name), kind) for name, kind in fields_of(cls)}


def assert_same(found: Any, expected: Any) -> None:
    # NaN is not equal to itself, and both write it alike.
    assert repr(all_of(found, type(expected))) == repr(all_of(expected, type(expected)))


@pytest.mark.parametrize('encoding', ['ros2msg', 'ros2idl'])
@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_random_messages_of_both_byte_orders_decode_as_the_middleware_does(
    cls: type, encoding: str, random_message: RandomMessage,
    written: Callable[[Any, str], bytes],
) -> None:
    name = type_name(cls)
    schema = definition(name)[1] if encoding == 'ros2msg' else as_idl(name)
    rng = random.Random(name)
    for _ in range(10):
        made = random_message(cls, rng)
        for data in (serialize_message(made), written(made, '>')):
            found = message(data, schema, encoding, name).decoded()
            assert_same(found, deserialize_message(data, cls))


@pytest.mark.parametrize('name', ['nissan', 'husky', 'sick_lidar', 'camera', 'arm_bench'])
def test_real_recordings_decode_as_the_middleware_does(
    name: str, recording: Callable[[str], Path]
) -> None:
    seen: dict[str, int] = {}
    compared = 0
    with next(recording(name).glob('*.mcap')).open('rb') as stream:
        for schema, channel, record in make_reader(stream).iter_messages():
            seen[channel.topic] = seen.get(channel.topic, 0) + 1
            if seen[channel.topic] > 100:
                continue
            found = message(record.data, schema.data, schema.encoding, schema.name).decoded()
            try:
                cls = message_class(schema.name)
            except UnknownTypeError:
                continue
            assert_same(found, deserialize_message(record.data, cls))
            compared += 1
    assert compared > 0


def test_a_type_that_is_installed_nowhere_is_decoded_by_its_stored_idl(
    recording: Callable[[str], Path]
) -> None:
    with next(recording('arm_bench').glob('*.mcap')).open('rb') as stream:
        messages = make_reader(stream).iter_messages(topics=['/robot/joint_override'])
        schema, _, record = next(messages)
    assert schema.encoding == 'ros2idl'
    found = message(record.data, schema.data, schema.encoding, schema.name).decoded()
    assert found.name[0] == 'C1_A'
    assert found.joint_enable.tolist() == [True] * 12
    assert found.position[10] == pytest.approx(2.0, abs=1e-4)
    assert found.header.stamp.sec == 0


def test_a_message_without_fields_takes_a_byte() -> None:
    assert message(serialize_message(Empty()), b'', name='std_msgs/msg/Empty').decoded()
    schema = b'x/Nothing[2] nothing\nuint8 after\n' + f'{SEPARATOR}\nMSG: x/Nothing\n'.encode()
    found = message(b'\0\1\0\0\0\0\7\0', schema).decoded()
    assert found.after == 7
    assert len(found.nothing) == 2


def test_numeric_arrays_are_views_of_the_messages_data() -> None:
    data = serialize_message(LaserScan(ranges=[1.0, 2.0, 3.0]))
    schema = definition('sensor_msgs/msg/LaserScan')[1]
    found = message(data, schema, name='sensor_msgs/msg/LaserScan').decoded()
    assert np.shares_memory(found.ranges, np.frombuffer(data, np.uint8))
    assert not found.ranges.flags.writeable


@pytest.mark.parametrize('name', ['nav_msgs/Odometry', 'nav_msgs/msg/Odometry'])
def test_windows_lines_and_names_without_msg_are_read(name: str) -> None:
    schema = definition('nav_msgs/msg/Odometry')[1].replace(b'\n', b'\r\n')
    data = serialize_message(Odometry(child_frame_id='base_link'))
    assert message(data, schema, name=name).decoded().child_frame_id == 'base_link'


@pytest.mark.parametrize(('broken', 'reason'), [
    ({'encoding': '', 'schema': b''}, 'its definition is not stored'),
    ({'encoding': 'protobuf'}, 'its definition is protobuf: accepted are ros2msg and ros2idl'),
    ({'schema': b'float64[ x\n'}, 'its ros2msg definition cannot be read'),
    ({'schema': b'\xff\xfe'}, 'its ros2msg definition cannot be read'),
    ({'schema': b'module x {', 'encoding': 'ros2idl'}, 'its ros2idl definition cannot be read'),
    ({'schema': b'x/Point[] again\n'}, 'its ros2msg definition cannot be read'),
    ({'schema': b'y/Other other\n'}, 'its definition lacks y/msg/Other'),
    ({'schema': b'wstring text\n'}, 'its definition has a wstring'),
    ({'message_encoding': 'json'}, 'its messages are json, not cdr'),
    ({'data': ONE_POINT[:-1]}, 'its 19 bytes cannot be decoded'),
    ({'data': b'\0\xff' + ONE_POINT[2:]}, r"its 20 bytes are no CDR: they begin with b'\x00\xff'"),
    ({'data': b''}, "its 0 bytes are no CDR: they begin with b''"),
])
def test_what_cannot_be_decoded_is_one_line_with_topic_type_and_time(
    broken: dict[str, Any], reason: str
) -> None:
    for _ in range(2):  # the second time it is known already
        with pytest.raises(RecordError) as raised:
            message(**{'data': ONE_POINT, **broken}).decoded()
        text = str(raised.value)
        assert text.startswith('/point (x/msg/Point) at 2025-11-23 12:13:20.000 UTC: ' + reason)
        assert '\n' not in text
    assert message(ONE_POINT).decoded().x == 1.5


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_cut_and_damaged_bytes_give_a_message_or_an_error(
    cls: type, random_message: RandomMessage
) -> None:
    name = type_name(cls)
    rng = random.Random(name)
    decoder = decoder_of(message(b'', definition(name)[1], name=name).channel)
    data = serialize_message(random_message(cls, rng))
    errors = 0
    for length in range(len(data)):
        try:  # what Fast DDS leaves behind the last field may be lacking
            assert_same(decoder.decode(data[:length]), deserialize_message(data, cls))
        except RecordError:
            errors += 1
    assert errors > 4
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            damaged[at] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        try:
            found = decoder.decode(bytes(damaged))
        except RecordError:
            continue
        assert type(found).__name__ == name.replace('/', '__')


def test_one_topics_messages_decode_by_the_definition_that_each_was_recorded_with() -> None:
    old, new = message(ONE_POINT), message(ONE_POINT, b'float64 y\nfloat64 x\n')
    assert [each.decoded().x for each in (old, new, old)] == [1.5, -2.5, 1.5]


def test_definitions_do_not_pile_up_in_memory() -> None:
    first = weakref.ref(decoder_of(message(b'', b'int32 first\n').channel))
    assert first() is not None
    for number in range(300):
        decoder_of(message(b'', f'int32 field_{number}\n'.encode()).channel)
    gc.collect()
    assert first() is None


def test_a_message_tells_whose_it_is_and_what() -> None:
    one = message(ONE_POINT)
    assert (one.topic, one.type_name) == ('/point', 'x/msg/Point')
    assert (one.robot_id, one.mission_id) == ('r1', 'dawn')
    assert (one._replace(labels={}).robot_id, one._replace(labels={}).mission_id) == ('', '')
