"""Fields are read from bytes as the middleware reads them, and damaged bytes are told."""

import random
import struct

from action_msgs.msg import GoalStatusArray
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TwistStamped
from nav_msgs.msg import Odometry, Path
import pytest
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import (
    AbstractNestedType,
    AbstractString,
    Array,
    BasicType,
    BoundedSequence,
    NamespacedType,
    UnboundedSequence,
    UnboundedWString,
)
from sensor_msgs.msg import BatteryState, Imu, JointState, LaserScan, NavSatFix
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import (
    Bool,
    Byte,
    Char,
    ColorRGBA,
    Empty,
    Float32,
    Float64,
    Float64MultiArray,
    Header,
    Int8,
    Int64,
    String,
    UInt64,
)
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker

from twinsight_store.cdr.fields import CdrFields, CdrRows
from twinsight_store.cdr.plan import class_of, fields_of
from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.field_path import decode, FieldPath
from twinsight_store.message_types import message_class

TYPES = [
    Bool, Byte, Char, Float32, Float64, Int8, Int64, UInt64, String, Header, ColorRGBA,
    Float64MultiArray, PoseStamped, PoseWithCovarianceStamped, TwistStamped, Odometry, Path, Imu,
    NavSatFix, BatteryState, LaserScan, JointState, DiagnosticArray, GoalStatusArray, TFMessage,
    Marker, SolidPrimitive, ParameterDescriptor,
]


def all_paths(kind, before=()):
    """Return the steps to every leaf; of lists the first, the last and one that may lack."""
    if isinstance(kind, (BasicType, AbstractString)):
        return [before]
    if isinstance(kind, AbstractNestedType):
        if isinstance(kind, Array):
            indices = sorted({0, kind.size - 1})
        elif isinstance(kind, BoundedSequence):
            indices = [0, -kind.maximum_size]
        else:
            indices = [0, -1, 2]
        return [
            path for index in indices for path in all_paths(kind.value_type, (*before, index))
        ]
    cls = kind if isinstance(kind, type) else class_of(kind)
    return [
        path for name, inner in fields_of(cls) for path in all_paths(inner, (*before, name))
    ]


def field_path(steps):
    text = ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in steps)
    return FieldPath.parse(text.lstrip('.'))


def read(cls, data, *paths):
    return list(CdrFields(cls, [FieldPath.parse(path) for path in paths]).read(data))


def diagnostics():
    return DiagnosticArray(status=[
        DiagnosticStatus(name=name, level=bytes([level]), values=[
            KeyValue(key='voltage', value=f'{level}.5'), KeyValue(key='empty'),
        ])
        for level, name in enumerate(('base', 'battery', 'lidar', 'battery'))
    ])


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_every_field_of_random_messages_is_what_the_middleware_says(
    cls, random_message, written
):
    rng = random.Random(cls.__name__)
    paths = [field_path(steps) for steps in all_paths(cls)]
    all_fields = CdrFields(cls, paths)
    assert not all_fields.whole
    for _ in range(15):
        message = random_message(cls, rng)
        data = serialize_message(message)
        built = deserialize_message(data, cls)
        expected = [path.value(built) for path in paths]
        assert list(all_fields.read(data)) == expected
        big = written(message, '>')
        assert deserialize_message(big, cls) == built
        assert list(all_fields.read(big)) == expected
        some = rng.sample(range(len(paths)), min(4, len(paths)))  # in any order
        few = CdrFields(cls, [paths[at] for at in some])
        assert list(few.read(data)) == [expected[at] for at in some]


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_a_message_that_is_cut_anywhere_gives_the_right_values_or_an_error(
    cls, random_message
):
    rng = random.Random(cls.__name__)
    data = serialize_message(random_message(cls, rng))
    paths = [field_path(steps) for steps in all_paths(cls)]
    for fields in (CdrFields(cls, paths), CdrFields(cls, paths[:1])):
        expected = list(fields.read(data))
        errors = 0
        for length in range(len(data)):
            try:
                assert list(fields.read(data[:length])) == expected
            except RecordError:
                errors += 1
        assert errors > 4  # at least where the encapsulation or the first field is cut


def up_to_nul(values):
    return [value.split('\0')[0] if isinstance(value, str) else value for value in values]


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_damaged_bytes_give_what_the_middleware_makes_of_them_or_an_error(
    cls, random_message
):
    rng = random.Random(cls.__name__)
    paths = [field_path(steps) for steps in all_paths(cls)]
    fields = CdrFields(cls, paths)
    good = serialize_message(random_message(cls, rng))
    same = 0
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(4, len(data))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        try:
            found = fields.read(bytes(data))
        except RecordError:
            continue
        for value, leaf in zip(found, fields.leaves, strict=True):
            assert value is None or type(value) is leaf.kind
        try:
            built = decode(bytes(data), cls)
        except RecordError:
            continue  # it looks behind the last field too
        same += 1
        assert repr(up_to_nul(found)) == repr([path.value(built) for path in paths])  # NaN is NaN
    assert same


def test_a_list_longer_than_the_message_is_an_error():
    lengths = struct.pack('<II', 0, 0), struct.pack('<I', 1) + b'\0\0\0\0', b'\xff\xff\xff\xff'
    with pytest.raises(RecordError, match=r'not a diagnostic_msgs/msg/DiagnosticArray \(24 bytes'):
        read(DiagnosticArray, b'\0\1\0\0' + b''.join(lengths), 'status[0].name')


def test_numbers_of_a_list_longer_than_the_message_are_an_error():
    data = struct.pack('<IIII', 0, 0, 2, 0) + struct.pack('<d', 1.5)
    with pytest.raises(RecordError):
        read(Float64MultiArray, b'\0\1\0\0' + data, 'data[0]')


def test_what_lies_behind_the_last_field_is_not_looked_at():
    message = Odometry(child_frame_id='base_link')
    message.pose.pose.position.x = 2.5
    data = serialize_message(message)
    start = data.index(struct.pack('<d', 2.5))
    assert read(Odometry, data[:start + 8], 'pose.pose.position.x') == [2.5]
    with pytest.raises(RecordError):
        read(Odometry, data[:start + 7], 'pose.pose.position.x')


def test_elements_are_found_by_their_keys():
    data = serialize_message(diagnostics())
    assert read(
        DiagnosticArray, data,
        'status[name=lidar].level', 'status[name=battery].level', 'status[name=gps].level',
        'status[name=battery].values[key=voltage].value', 'status[-1].values[key=voltage].value',
        'status[name=battery].values[key=current].value', 'status[level=2].name',
        'status[name=base].values[0].value',
    ) == [2, 1, None, '1.5', '3.5', None, 'lidar', '0.5']


def test_an_index_beyond_either_end_of_a_list_is_no_value():
    data = serialize_message(JointState(name=['a', 'b'], position=[1.0, 2.0]))
    paths = ['position[1]', 'position[2]', 'position[-2]', 'position[-3]', 'velocity[0]',
             'name[-1]', 'name[-3]', 'effort[-1]']
    assert read(JointState, data, *paths) == [2.0, None, 1.0, None, None, 'b', None, None]


def test_the_same_field_may_be_asked_for_twice():
    data = serialize_message(Float64(data=1.5))
    assert read(Float64, data, 'data', 'data') == [1.5, 1.5]


def test_an_array_may_be_counted_from_both_ends():
    message = Odometry()
    message.pose.covariance[35] = 4.0
    data = serialize_message(message)
    paths = 'pose.covariance[35]', 'pose.covariance[-1]', 'twist.twist.linear.x'
    assert read(Odometry, data, *paths) == [4.0, 4.0, 0.0]


@pytest.mark.parametrize(('data', 'text'), [
    (b'\0\0\0\0', ''), (b'\1\0\0\0\0', ''), (b'\3\0\0\0abc', 'abc'), (b'\3\0\0\0ab\0', 'ab'),
    (b'\3\0\0\0\xff\xfe\0', '\ufffd\ufffd'),
])
def test_odd_texts_are_what_the_middleware_makes_of_them(data, text):
    data = b'\0\1\0\0' + data
    assert deserialize_message(data, String).data == text
    assert read(String, data, 'data') == [text]


def test_a_nul_within_a_text_is_kept_though_the_middleware_s_python_ends_the_text_there():
    data = b'\0\1\0\0\4\0\0\0a\0b\0'
    assert deserialize_message(data, String).data == 'a'
    assert read(String, data, 'data') == ['a\0b']


@pytest.mark.parametrize('head', [b'\0\2', b'\0\3', b'\0\7', b'\1\1', b'\xff\xff'])
def test_another_encapsulation_is_refused(head):
    with pytest.raises(RecordError, match=f'Float64: the encapsulation is {head.hex()}'):
        read(Float64, head + b'\0\0' + struct.pack('<d', 1.5), 'data')


@pytest.mark.parametrize('data', [b'', b'\0', b'\0\1', b'\0\1\0\0'])
def test_no_message_at_all_is_an_error(data):
    with pytest.raises(RecordError):
        read(Float64, data, 'data')


def test_a_path_that_leads_nowhere_is_told_with_what_there_is():
    with pytest.raises(ConfigurationError, match='has no z; accepted here: linear, angular'):
        CdrFields(TwistStamped, [FieldPath.parse('twist.z')])


def test_messages_of_a_type_without_a_plan_are_built():
    paths = [FieldPath.parse('k[0]'), FieldPath.parse('k[-9]')]  # one element, written twice
    camera = message_class('sensor_msgs/msg/CameraInfo')
    fields = CdrFields(camera, paths)
    assert fields.whole
    assert fields.read(serialize_message(camera(k=[5.0] + [0.0] * 8))) == [5.0, 5.0]
    with pytest.raises(RecordError):
        fields.read(b'\0\1\0\0')


def test_wide_text_is_left_to_the_middleware_and_what_lies_before_it_is_not():
    class Holder:
        SLOT_TYPES = (BasicType('uint8'), UnboundedWString(), BasicType('uint8'))

        @staticmethod
        def get_fields_and_field_types():
            return dict.fromkeys(('before', 'text', 'behind'))

    assert read(Holder, b'\0\1\0\0\7', 'before') == [7]
    for name in ('text', 'behind'):
        assert CdrFields(Holder, [FieldPath.parse(name)]).whole


def test_elements_of_a_huge_array_are_left_to_the_middleware_and_what_lies_before_is_not():
    class Holder:
        SLOT_TYPES = (
            BasicType('uint8'), Array(NamespacedType(['geometry_msgs', 'msg'], 'Point'), 257),
        )

        @staticmethod
        def get_fields_and_field_types():
            return dict.fromkeys(('before', 'points'))

    assert read(Holder, b'\0\1\0\0\7', 'before') == [7]
    assert CdrFields(Holder, [FieldPath.parse('points[3].x')]).whole


def test_a_message_without_fields_inside_another_has_one_byte():
    class Holder:
        SLOT_TYPES = (NamespacedType(['std_msgs', 'msg'], 'Empty'), BasicType('boolean'))

        @staticmethod
        def get_fields_and_field_types():
            return {'nothing': 'std_msgs/Empty', 'something': 'boolean'}

    deserialize_message(b'\0\1\0\0\0', Empty)
    with pytest.raises(Exception, match='deserialize'):
        deserialize_message(b'\0\1\0\0', Empty)
    assert read(Holder, b'\0\1\0\0\0\1', 'something') == [True]


@pytest.mark.parametrize('count', range(5))
@pytest.mark.parametrize('name', ['RegionOfInterest', 'NavSatStatus', 'Joy', 'CameraInfo'])
def test_a_field_behind_elements_of_any_size_and_alignment_is_found(
    name, count, random_message, written
):
    element = NamespacedType(['sensor_msgs', 'msg'], name)

    class Holder:
        SLOT_TYPES = (BasicType('uint8'), UnboundedSequence(element), BasicType('uint16'))
        before, elements, behind = 1, [], 0xbeef

        @staticmethod
        def get_fields_and_field_types():
            return dict.fromkeys(('before', 'elements', 'behind'))

    rng = random.Random(name)
    holder = Holder()
    holder.elements = [random_message(class_of(element), rng) for _ in range(count)]
    data = written(holder, '>')
    assert read(Holder, data, 'behind') == [0xbeef]


def test_all_elements_of_a_list_are_read(random_message, written):
    rng = random.Random(1)
    message = random_message(TFMessage, rng)
    while len(message.transforms) < 2:
        message = random_message(TFMessage, rng)
    rows = CdrRows(TFMessage, [
        f'transforms[].{path}'
        for path in ('header.stamp.sec', 'child_frame_id', 'transform.rotation.w')
    ])
    expected = [[
        [each.header.stamp.sec, each.child_frame_id, each.transform.rotation.w]
        for each in message.transforms
    ]]
    data = serialize_message(message)
    assert rows.read(data) == expected
    assert rows.read(written(message, '>')) == expected
    for length in range(len(data)):
        with pytest.raises(RecordError):
            rows.read(data[:length])


def test_lists_within_lists_are_rows_within_rows():
    rows = CdrRows(DiagnosticArray, [
        'header.stamp.sec', 'status[].level', 'status[].name', 'status[].values[].key',
        'status[].values[].value',
    ])
    found = rows.read(serialize_message(diagnostics()))
    assert found == [0, [
        [0, 'base', [['voltage', '0.5'], ['empty', '']]],
        [1, 'battery', [['voltage', '1.5'], ['empty', '']]],
        [2, 'lidar', [['voltage', '2.5'], ['empty', '']]],
        [3, 'battery', [['voltage', '3.5'], ['empty', '']]],
    ]]
    assert rows.read(serialize_message(DiagnosticArray())) == [0, []]


def test_rows_are_not_read_by_a_path_that_is_none():
    with pytest.raises(ConfigurationError, match='has no child; accepted here'):
        CdrRows(TFMessage, ['transforms[].child'])


def test_rows_are_not_read_of_another_encapsulation():
    with pytest.raises(RecordError, match='the encapsulation is 0003'):
        CdrRows(TFMessage, ['transforms[].child_frame_id']).read(b'\0\3\0\0\0\0\0\0')
