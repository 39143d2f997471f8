"""Values between ROS and viewers: parameters, JSON messages, what is kept of latched topics."""

import json

from geometry_msgs.msg import PoseWithCovarianceStamped, Transform, TransformStamped
import pytest
from rcl_interfaces.msg import ParameterType as Kind
from rcl_interfaces.msg import ParameterValue
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage

from twinsight_bridge.live.json_message import fill
from twinsight_bridge.live.kept import Kept
from twinsight_bridge.live.parameter_values import given, shown
from twinsight_store.static_transforms import TF_TYPE

NOT_SET = Kind.PARAMETER_NOT_SET


@pytest.mark.parametrize(('value', 'kind', 'declared', 'wanted'), [
    (True, None, NOT_SET, ParameterValue(type=Kind.PARAMETER_BOOL, bool_value=True)),
    (2, None, NOT_SET, ParameterValue(type=Kind.PARAMETER_INTEGER, integer_value=2)),
    (2, 'float64', NOT_SET, ParameterValue(type=Kind.PARAMETER_DOUBLE, double_value=2.0)),
    (2, None, Kind.PARAMETER_DOUBLE, ParameterValue(type=Kind.PARAMETER_DOUBLE, double_value=2.0)),
    (2.0, None, Kind.PARAMETER_INTEGER,
     ParameterValue(type=Kind.PARAMETER_INTEGER, integer_value=2)),
    (2.5, None, Kind.PARAMETER_INTEGER,
     ParameterValue(type=Kind.PARAMETER_DOUBLE, double_value=2.5)),
    ('a', None, NOT_SET, ParameterValue(type=Kind.PARAMETER_STRING, string_value='a')),
    (None, None, Kind.PARAMETER_STRING, ParameterValue(type=NOT_SET)),
    ([1, 2.5], None, NOT_SET,
     ParameterValue(type=Kind.PARAMETER_DOUBLE_ARRAY, double_array_value=[1.0, 2.5])),
    ([1, 2], None, NOT_SET,
     ParameterValue(type=Kind.PARAMETER_INTEGER_ARRAY, integer_array_value=[1, 2])),
    ([], None, Kind.PARAMETER_STRING_ARRAY, ParameterValue(type=Kind.PARAMETER_STRING_ARRAY)),
    ('AQI=', 'byte_array', NOT_SET,
     ParameterValue(type=Kind.PARAMETER_BYTE_ARRAY, byte_array_value=[b'\x01', b'\x02'])),
])
def test_what_a_viewer_gives_becomes_what_the_parameter_is(value, kind, declared, wanted):
    assert given(value, kind, declared) == wanted


@pytest.mark.parametrize(('value', 'kind'), [
    ({'a': 1}, None), ([True, 1], None), ([[1]], None), ([], None), ('%', 'byte_array'),
    (7, 'byte_array'),
])
def test_what_no_parameter_can_be_is_refused(value, kind):
    with pytest.raises(ValueError, match='accepted'):
        given(value, kind, NOT_SET)


@pytest.mark.parametrize('value', [True, 7, 2.0, 'text', [1, 2], [1.0], ['a'], [True, False]])
def test_a_shown_parameter_comes_back_as_it_was(value):
    ours = given(value, None, NOT_SET)
    told = json.loads(json.dumps(shown('/node.name', ours)))
    assert given(told['value'], told.get('type'), NOT_SET) == ours


def test_json_fills_what_it_names():
    message = PoseWithCovarianceStamped()
    content = {
        'header': {'stamp': {'sec': 5, 'nsec': 7}, 'frame_id': 'map'},
        'pose': {'pose': {'position': {'x': 1}}, 'covariance': [0.5] * 36},
    }
    fill(message, json.loads(json.dumps(content)))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    assert message.pose.pose.position.x == 1.0
    assert list(message.pose.covariance) == [0.5] * 36
    assert message.pose.pose.orientation.w == 1.0
    with pytest.raises(ValueError, match='36 elements are needed, not 2'):
        fill(message, {'pose': {'covariance': [1, 2]}})


def test_json_fills_sequences_of_messages_and_bytes():
    tree, image = TFMessage(), CompressedImage()
    fill(tree, {'transforms': [{'child_frame_id': 'laser'}, {'child_frame_id': 'camera'}]})
    assert [each.child_frame_id for each in tree.transforms] == ['laser', 'camera']
    fill(image, {'format': 'jpeg', 'data': 'AQI='})
    assert bytes(image.data) == b'\x01\x02'


@pytest.mark.parametrize(('content', 'said'), [
    ({'translation': {'w': 1}}, 'translation: Vector3 has no field w'),
    ({'translation': {'x': 'far'}}, "translation: x: 'far' is no double"),
    ({'translation': 7}, 'translation: Vector3: an object is needed'),
    ([], 'Transform: an object is needed'),
])
def test_json_that_does_not_fit_is_refused_by_field(content, said):
    with pytest.raises(ValueError, match=said):
        fill(Transform(), content)


@pytest.mark.parametrize('content', [
    {'height': -1}, {'height': 2**32}, {'height': 1.5}, {'height': True}, {'is_bigendian': 256},
    {'encoding': 7}, {'data': [256]}, {'data': 'no base64'}, {'data': 5},
])
def test_json_that_a_field_cannot_hold_is_refused(content):
    with pytest.raises(ValueError, match=next(iter(content))):
        fill(Image(), content)


def test_of_a_latched_topic_the_last_of_each_publisher_is_kept():
    kept = Kept('nav_msgs/msg/OccupancyGrid')
    for number, publisher in enumerate((b'one', b'two', b'one')):
        kept.add(publisher, number, b'%d' % number)
    assert list(kept) == [(1, b'1'), (2, b'2')]


def test_of_static_transforms_the_last_of_each_frame_is_kept():
    def transforms(*frames):
        message = TFMessage(transforms=[TransformStamped(child_frame_id=each) for each in frames])
        return serialize_message(message)

    kept = Kept(TF_TYPE)
    kept.add(b'one', 1, transforms('laser'))
    kept.add(b'one', 2, transforms('camera', 'imu'))
    kept.add(b'one', 3, transforms('laser', 'gps'))
    assert [log_ns for log_ns, _ in kept] == [2, 3]
