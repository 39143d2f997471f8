"""Paths to values in ROS messages, on real message classes."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped, TransformStamped
import pytest
from rclpy.serialization import serialize_message
from sensor_msgs.msg import BatteryState, CameraInfo, CompressedImage, LaserScan
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Bool, Empty, Header, String
from tf2_msgs.msg import TFMessage

from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.field_path import decode, FieldPath


def diagnostics():
    return DiagnosticArray(status=[
        DiagnosticStatus(name='arm: "left"', level=DiagnosticStatus.WARN),
        DiagnosticStatus(
            name='battery', level=DiagnosticStatus.ERROR, message='low',
            values=[KeyValue(key='current', value='2.5'), KeyValue(key='voltage', value='21.9')],
        ),
        DiagnosticStatus(name='a]b', level=DiagnosticStatus.STALE),
    ])


def transforms():
    return TFMessage(transforms=[
        TransformStamped(header=Header(frame_id=frame), child_frame_id=child)
        for frame, child in (('map', 'odom'), ('odom', 'base_link'))
    ])


def pose():
    message = PoseStamped()
    message.pose.position.x = 1.5
    return message


@pytest.mark.parametrize(('message', 'path', 'value'), [
    (pose(), 'pose.position.x', 1.5),
    (pose(), ' pose.position.x ', 1.5),
    (Bool(data=True), 'data', True),
    (String(data='grün'), 'data', 'grün'),
    (BatteryState(power_supply_status=4), 'power_supply_status', 4),
    (LaserScan(ranges=[1.0, 2.0, 3.0]), 'ranges[0]', 1.0),
    (LaserScan(ranges=[1.0, 2.0, 3.0]), 'ranges[2]', 3.0),
    (LaserScan(ranges=[1.0, 2.0, 3.0]), 'ranges[-3]', 1.0),
    (CameraInfo(k=[float(n) for n in range(9)]), 'k[8]', 8.0),
    (CompressedImage(data=b'\x07\xff'), 'data[1]', 255),
    (transforms(), 'transforms[-1].header.frame_id', 'odom'),
    (transforms(), 'transforms[header.frame_id=odom].child_frame_id', 'base_link'),
    (diagnostics(), 'status[1].level', 2),
    (diagnostics(), 'status[name=battery].level', 2),
    (diagnostics(), 'status[ name = battery ].values[key=voltage].value', '21.9'),
    (diagnostics(), 'status[name="a]b"].level', 3),
    (diagnostics(), "status[name='arm: \"left\"'].level", 1),
    (diagnostics(), 'status[level=3].name', 'a]b'),
    (diagnostics(), 'status[message=].level', 1),
])
def test_a_path_leads_to_its_value(message, path, value):
    parsed = FieldPath.parse(path)
    kind = parsed.check(type(message)).kind
    for found in (
        parsed.value(message), parsed.value_of_cdr(serialize_message(message), type(message)),
    ):
        assert found == value and type(found) is type(value) is kind


@pytest.mark.parametrize(('message', 'path'), [
    (LaserScan(ranges=[1.0, 2.0]), 'ranges[2]'),
    (LaserScan(ranges=[1.0, 2.0]), 'ranges[-3]'),
    (LaserScan(), 'ranges[0]'),
    (diagnostics(), 'status[3].level'),
    (diagnostics(), 'status[name=Battery].level'),
    (diagnostics(), 'status[name=battery].values[key=soc].value'),
    (diagnostics(), 'status[0].values[0].value'),
])
def test_an_element_that_is_not_there_has_no_value(message, path):
    parsed = FieldPath.parse(path)
    parsed.check(type(message))
    assert parsed.value(message) is None


@pytest.mark.parametrize(('text', 'said'), [
    ('', "field '': position 1 (its end): the name of a field is expected"),
    ('pose..x', "field 'pose..x': position 6 ('.'): the name of a field"),
    ('pose.', 'position 6 (its end)'),
    ('pose.1x', "position 6 ('1')"),
    ('pose x', "position 5 (' '): the path ends before this"),
    ('/odom.pose', "position 1 ('/')"),
    ('ranges[', "position 7 ('['): expected is [0], [-1] or [name=text]"),
    ('ranges[x]', "position 7 ('[')"),
    ('ranges[1', "position 7 ('[')"),
    ('status[name="a].level', "position 7 ('[')"),
])
def test_a_malformed_path_is_told_with_its_position(text, said):
    with pytest.raises(ConfigurationError) as error:
        FieldPath.parse(text)
    assert said in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(('cls', 'path', 'said'), [
    (PoseWithCovarianceStamped, 'pose.pose.positon.x',
     'geometry_msgs/msg/Pose has no positon; accepted here: position, orientation; '
     'did you mean position?'),
    (PoseStamped, 'zzz', 'has no zzz; accepted here: header, pose'),
    (PoseStamped, 'pose.position', 'not one value; in it: pose.position.x, pose.position.y'),
    (PoseStamped, 'header.frame_id.x', 'header.frame_id is a string, it has no x'),
    (PoseStamped, 'header[0]', 'header is not a list'),
    (DiagnosticArray, 'status.level', 'select an element with [0], [-1] or [name=...]'),
    (DiagnosticArray, 'status', 'status is a list: select an element'),
    (DiagnosticArray, 'status[nam=battery].level', 'has no nam; accepted here: level, name'),
    (DiagnosticArray, 'status[values=x].level', 'values is a list'),
    (LaserScan, 'ranges', 'ranges is a list: select an element with [0] or [-1]'),
    (LaserScan, 'ranges[name=x]', 'ranges is a list: select an element with [0] or [-1]'),
    (LaserScan, 'ranges[0][0]', 'ranges[0] is not a list'),
    (Empty, 'x', 'std_msgs/msg/Empty has no x; accepted here: nothing'),
])
def test_a_path_that_leads_nowhere_is_told_with_what_there_is(cls, path, said):
    with pytest.raises(ConfigurationError) as error:
        FieldPath.parse(path).check(cls)
    assert said in str(error.value) and path in str(error.value)


@pytest.mark.parametrize(('cls', 'inside', 'outside'), [
    (CameraInfo, 'k[8]', 'k[9]'),
    (CameraInfo, 'k[-9]', 'k[-10]'),
    (SolidPrimitive, 'dimensions[2]', 'dimensions[3]'),
])
def test_an_index_that_can_never_be_there_is_a_mistake(cls, inside, outside):
    FieldPath.parse(inside).check(cls)
    with pytest.raises(ConfigurationError, match='elements at most'):
        FieldPath.parse(outside).check(cls)


@pytest.mark.parametrize(('path', 'holder', 'type_name'), [
    ('status[0].level', DiagnosticStatus, 'octet'),
    ('header.stamp.sec', None, 'int32'),
    ('status[name=x].values[0].value', KeyValue, 'string'),
])
def test_the_class_that_holds_the_field_is_known(path, holder, type_name):
    leaf = FieldPath.parse(path).check(DiagnosticArray)
    assert leaf.type_name == type_name
    assert holder is None or leaf.holder is holder


def test_what_is_no_message_of_the_class_is_told():
    data = serialize_message(pose())
    with pytest.raises(RecordError, match='not a geometry_msgs/msg/PoseStamped'):
        FieldPath.parse('pose.position.x').value_of_cdr(data[:10], PoseStamped)


@pytest.mark.parametrize('data', [
    b'', b'\0', b'\0\1', b'\0\1\0\0', b'\0\0\0\0', b'\0\7\0\0', b'\xff' * 4,
])
def test_bytes_without_a_message_behind_the_encapsulation_are_told(data):
    for cls in (Empty, String, PoseStamped, TFMessage):
        for _ in range(50):  # what the middleware found behind their end was another each time
            with pytest.raises(RecordError, match=rf'\({len(data)} bytes\): it is cut off'):
                decode(data, cls)


def test_paths_are_equal_however_they_are_written():
    assert FieldPath.parse('a[ name = x ].b') == FieldPath.parse('a[name="x"].b')
    assert FieldPath.parse('a[0].b') != FieldPath.parse('a[1].b')
    assert str(FieldPath.parse(' a[0].b ')) == 'a[0].b'
