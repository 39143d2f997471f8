"""Stamps are moved in the bytes as they are moved in the messages, and nothing else is."""

import random
import struct

from action_msgs.msg import GoalStatusArray
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped, Twist
from nav_msgs.msg import MapMetaData, OccupancyGrid, Odometry, Path
import pytest
from rcl_interfaces.msg import Log
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import (
    AbstractNestedType,
    Array,
    BasicType,
    NamespacedType,
    UnboundedSequence,
    UnboundedString,
    UnboundedWString,
)
from sensor_msgs.msg import (
    BatteryState,
    CameraInfo,
    CompressedImage,
    Image,
    Imu,
    JointState,
    LaserScan,
    MultiDOFJointState,
    NavSatFix,
    PointCloud2,
    TimeReference,
)
from std_msgs.msg import Empty, Float64, Header, String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import InteractiveMarkerFeedback, Marker, MarkerArray

from twinsight_store.cdr.plan import fields_of
from twinsight_store.cdr.stamps import Stamps
from twinsight_store.errors import RecordError
from twinsight_store.field_path import decode

TYPES = [
    Time, Header, PoseStamped, PoseWithCovarianceStamped, TransformStamped, TFMessage,
    MapMetaData, OccupancyGrid, Odometry, Path, BatteryState, CameraInfo, CompressedImage, Image,
    Imu, JointState, LaserScan, MultiDOFJointState, NavSatFix, PointCloud2, TimeReference, Marker,
    MarkerArray, InteractiveMarkerFeedback, DiagnosticArray, GoalStatusArray, Log,
]
END_NS = (1 << 31) * 10**9
LITTLE = b'\0\1\0\0'
WIDE = UnboundedWString()
TIME = NamespacedType(['builtin_interfaces', 'msg'], 'Time')
POINT = NamespacedType(['geometry_msgs', 'msg'], 'Point')


def later(ns):
    return ns + 86_400_123_456_789


def to_one_day(ns):
    return 1_700_000_000_000_000_000 + ns % 86_400_000_000_000


def move(message, shift):
    """Move the stamps of a message, and return how many there are."""
    if isinstance(message, Time):
        ns = message.sec * 10**9 + message.nanosec
        if ns and 0 < shift(ns) < END_NS:
            message.sec, message.nanosec = divmod(shift(ns), 10**9)
        return 1
    count = 0
    for name, kind in fields_of(type(message)):
        value = getattr(message, name)
        inner = kind.value_type if isinstance(kind, AbstractNestedType) else kind
        if isinstance(inner, NamespacedType):
            count += sum(move(each, shift) for each in (value if inner is not kind else [value]))
    return count


def holder(**fields):
    """Return a message class of these fields, which no installed package has."""
    class Holder:
        __module__ = 'holder_msgs.msg'
        SLOT_TYPES = tuple(fields.values())

        @staticmethod
        def get_fields_and_field_types():
            return dict.fromkeys(fields)

    return Holder


@pytest.mark.parametrize('shift', [later, to_one_day])
@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_bytes_are_those_of_the_message_with_its_stamps_moved(
    cls, shift, random_message, written
):
    rng = random.Random(cls.__name__)
    stamps = Stamps.of(cls)
    count = moved = 0
    for _ in range(30):
        message = random_message(cls, rng)
        data = serialize_message(message)
        little, big = written(message, '<'), written(message, '>')
        count += move(message, shift)
        found = stamps.shifted(data, shift)
        assert deserialize_message(found, cls) == message
        assert stamps.shifted(little, shift) == written(message, '<')
        assert stamps.shifted(big, shift) == written(message, '>')
        moved += found != data
    assert count >= 10
    assert moved


@pytest.mark.parametrize('cls', [Duration, Empty, Float64, String, Twist])
def test_a_type_without_stamps_has_none(cls):
    assert Stamps.of(cls) is None


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_a_message_that_is_cut_before_its_last_stamp_is_an_error(cls, random_message):
    rng = random.Random(cls.__name__)
    message = random_message(cls, rng)
    while not move(message, to_one_day):
        message = random_message(cls, rng)
    stamps, data = Stamps.of(cls), serialize_message(message)
    seen = []
    whole = stamps.shifted(data, lambda ns: seen.append(ns) or later(ns))
    last = struct.pack('<iI', *divmod(seen[-1], 10**9))
    end = data.rindex(last) + len(last)
    errors = 0
    for length in range(len(data)):
        try:
            assert stamps.shifted(data[:length], later) == whole[:length]
        except RecordError as error:
            assert f'({length} bytes): it is cut off' in str(error) or length < 2
            errors += 1
        else:
            assert length >= end
    assert errors >= end


@pytest.mark.parametrize('cls', TYPES, ids=lambda cls: cls.__name__)
def test_damaged_bytes_are_moved_as_the_middleware_reads_them_or_are_an_error(
    cls, random_message
):
    rng = random.Random(cls.__name__)
    stamps = Stamps.of(cls)
    good = serialize_message(random_message(cls, rng))
    same = 0
    for _ in range(200):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(4, len(data))] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
        try:
            found = stamps.shifted(bytes(data), later)
        except RecordError:
            continue
        try:
            built = decode(bytes(data), cls)
        except RecordError:
            continue  # it looks behind the last stamp too
        same += 1
        move(built, later)
        assert repr(decode(found, cls)) == repr(built)  # NaN is NaN
    assert same


def test_a_stamp_of_zero_stays_and_its_neighbours_move():
    message = TFMessage(transforms=[TransformStamped() for _ in range(3)])
    message.transforms[0].header.stamp = Time(sec=5)
    message.transforms[2].header.stamp = Time(nanosec=1)
    data = Stamps.of(TFMessage).shifted(serialize_message(message), lambda ns: ns + 10**9)
    assert [
        (each.header.stamp.sec, each.header.stamp.nanosec)
        for each in deserialize_message(data, TFMessage).transforms
    ] == [(6, 0), (0, 0), (1, 1)]


@pytest.mark.parametrize(('moved_ns', 'stamp'), [
    (-1, (7, 8)), (0, (7, 8)), (1, (0, 1)),
    (END_NS - 1, ((1 << 31) - 1, 999_999_999)), (END_NS, (7, 8)),
])
def test_a_stamp_that_would_leave_what_stamps_can_say_stays(moved_ns, stamp):
    data = serialize_message(Time(sec=7, nanosec=8))
    moved = deserialize_message(Stamps.of(Time).shifted(data, lambda ns: moved_ns), Time)
    assert (moved.sec, moved.nanosec) == stamp


def test_what_lies_behind_the_last_stamp_is_not_looked_at():
    image = Image(header=Header(stamp=Time(sec=1)), data=bytes(100))
    data = serialize_message(image)[:20]
    moved = Stamps.of(Image).shifted(data, lambda ns: ns + 10**9)
    assert moved == data[:4] + struct.pack('<i', 2) + data[8:]


@pytest.mark.parametrize('head', [b'\0\2', b'\0\3', b'\0\7', b'\1\1', b'\xff\xff', b'\0', b''])
def test_another_encapsulation_is_refused(head):
    with pytest.raises(RecordError, match=f'Time: the encapsulation is {head.hex() or "missing"}'):
        Stamps.of(Time).shifted(head + bytes(10) if len(head) == 2 else head, later)


def test_stamps_in_lists_and_arrays_are_moved():
    stamps = Stamps.of(holder(
        flag=BasicType('uint8'), pair=Array(TIME, 2), names=UnboundedSequence(UnboundedString()),
        times=UnboundedSequence(TIME),
    ))
    head = LITTLE + b'\7\0\0\0'
    between = struct.pack('<II2sxxI', 1, 2, b'a\0', 2)
    data = head + struct.pack('<iIiI', 1, 0, 2, 0) + between
    data += struct.pack('<iIiI', 3, 5, 4, 6)
    expected = head + struct.pack('<iIiI', 11, 0, 12, 0) + between
    expected += struct.pack('<iIiI', 13, 5, 14, 6)
    assert stamps.shifted(data, lambda ns: ns + 10 * 10**9) == expected


@pytest.mark.parametrize('fields', [
    {'text': WIDE, 'stamp': TIME},
    {'texts': UnboundedSequence(WIDE), 'stamp': TIME},
    {'points': Array(POINT, 257), 'stamp': TIME},
    {'stamps': Array(TIME, 257)},
])
def test_a_type_whose_stamps_cannot_be_found_is_told(fields):
    with pytest.raises(RecordError, match='the stamps of holder_msgs/msg/Holder cannot be moved'):
        Stamps.of(holder(**fields))


@pytest.mark.parametrize('odd', [
    WIDE, UnboundedSequence(WIDE), Array(WIDE, 3), Array(POINT, 257),
])
def test_what_no_plan_is_made_of_may_lie_behind_the_last_stamp(odd):
    assert Stamps.of(holder(odd=odd)) is None
    stamps = Stamps.of(holder(stamp=TIME, odd=odd))
    data = LITTLE + struct.pack('<iI', 5, 6) + b'whatever'
    assert stamps.shifted(data, lambda ns: ns + 1) == data[:8] + b'\7' + data[9:]
