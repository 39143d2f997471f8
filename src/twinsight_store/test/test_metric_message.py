"""The messages of the history are, byte for byte, those that ROS would write."""

import json
import math
import subprocess
import sys

import pytest
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.validate_full_topic_name import validate_full_topic_name

from twinsight_interfaces.msg import Alert, Event, Metric
from twinsight_store.history.message_bytes import alert_data, event_data, EventRow, MetricForm
from twinsight_store.history.message_channels import (
    ALERTS,
    EVENTS,
    metric_channel,
    metric_topic,
)
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class
from twinsight_store.metrics.metric import Series
from twinsight_store.ros_qos import to_yaml

T0 = 1_780_000_000_123_456_000
TEXTS = ['', 'a', 'ab', 'abc', 'abcd', 'Größe', '日本', '\U0001f916 "x"\n']
OF_ALERT = {'rule': 'low', 'metric': 'battery', 'value': 1.5, 'text': None, 'raised_ns': T0 - 5}


def stamped(message, time_ns=T0):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, 10**9)
    return message


def assert_written(data, message):
    """Assert that the bytes are those of a message; ROS leaves in gaps what was in memory."""
    expected = serialize_message(message)
    assert len(data) == len(expected)
    assert all(ours in (theirs, 0) for ours, theirs in zip(data, expected, strict=True))
    assert repr(deserialize_message(data, type(message))) == repr(message)


def event(kind='anomaly', severity='warn', message='', data='{}', time_ns=T0, owner=('r1', 'm')):
    return EventRow(time_ns, *owner, kind, severity, message, data)


def test_the_sources_need_no_ros():
    absent = ('rclpy', 'ament_index_python', 'rosidl_parser', 'twinsight_interfaces')
    program = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))
import twinsight_store.history.event_source
import twinsight_store.history.metric_source
"""
    subprocess.run([sys.executable, '-c', program], check=True)


@pytest.mark.parametrize('channel', [metric_channel('a'), EVENTS, ALERTS])
def test_a_channel_has_the_definition_of_the_installed_package(channel):
    assert definition(channel.type_name) == (channel.schema_encoding, channel.schema)
    assert channel.stamped and not channel.latched
    assert channel.offered_qos == to_yaml([QoSProfile(depth=10)])
    assert message_class(channel.type_name).__name__ in channel.type_name


@pytest.mark.parametrize('text', TEXTS)
@pytest.mark.parametrize('value', [0.1, -0.0, math.nan, math.inf, 5e-324])
def test_a_metric_is_written_as_ros_does(text, value):
    for place in range(3):
        ids = ['r1', 'mission', 'odom.x']
        ids[place] = text
        for told in ('', text):
            message = stamped(Metric(
                robot_id=ids[0], mission_id=ids[1], name=ids[2], value=value, text=told
            ))
            assert_written(MetricForm(Series(*ids)).data(T0, value, told), message)


def test_a_sample_without_a_text_has_an_empty_one():
    form = MetricForm(Series('r', 'm', 'a'))
    assert form.data(T0, 1.0, None) == form.data(T0, 1.0, '') != form.data(T0, 1.0, ' ')


@pytest.mark.parametrize(('time_ns', 'seconds', 'nanoseconds'), [
    (0, 0, 0),
    (-1000, -1, 999_999_000),
    ((1 << 31) * 10**9 - 1000, (1 << 31) - 1, 999_999_000),
    ((1 << 31) * 10**9 + 1000, (1 << 31) - 1, 1000),
    (-(1 << 31) * 10**9, -(1 << 31), 0),
    (-(1 << 31) * 10**9 - 1000, -(1 << 31), 999_999_000),
])
def test_a_time_that_no_stamp_holds_has_the_nearest_second(time_ns, seconds, nanoseconds):
    for data, kind in (
        (MetricForm(Series('r', 'm', 'a')).data(time_ns, 1.0, None), Metric),
        (event_data(event(time_ns=time_ns)), Event),
    ):
        stamp = deserialize_message(data, kind).header.stamp
        assert (stamp.sec, stamp.nanosec) == (seconds, nanoseconds)


@pytest.mark.parametrize('text', TEXTS)
@pytest.mark.parametrize(('severity', 'number'), [
    ('info', Event.INFO), ('warn', Event.WARN), ('error', Event.ERROR), ('fatal', Event.WARN),
])
def test_an_event_is_written_as_ros_does(text, severity, number):
    data = json.dumps({'of': text}, ensure_ascii=False)
    message = stamped(Event(
        robot_id='r1', mission_id=text, kind='anomaly', severity=number, message=text, data=data
    ))
    row = event('anomaly', severity, text, data, owner=('r1', text))
    assert_written(event_data(row), message)


@pytest.mark.parametrize('text', TEXTS)
@pytest.mark.parametrize('value', [0.1, 3, None])
@pytest.mark.parametrize(('kind', 'active'), [('alert_raised', True), ('alert_cleared', False)])
def test_an_alert_is_written_as_ros_does(text, value, kind, active):
    data = {
        'rule': text, 'metric': 'm' + text, 'value': value, 'text': text or None,
        'raised_ns': T0 - 3 * 10**9,
    }
    message = stamped(Alert(
        robot_id='r1', mission_id='dawn', rule=text, metric='m' + text, severity=Alert.ERROR,
        active=active, message=text, value=math.nan if value is None else float(value), text=text,
    ))
    message.raised.sec, message.raised.nanosec = divmod(T0 - 3 * 10**9, 10**9)
    row = event(kind, 'error', text, json.dumps(data), owner=('r1', 'dawn'))
    assert_written(alert_data(row), message)


@pytest.mark.parametrize('change', [
    {'rule': None}, {'rule': 5}, {'metric': []}, {'value': 'high'}, {'value': True},
    {'text': 5}, {'raised_ns': None}, {'raised_ns': '5'}, {'raised_ns': 1.5}, {'raised_ns': True},
])
def test_data_that_tells_no_alert_is_none(change):
    assert alert_data(event('alert_raised', data=json.dumps(OF_ALERT))) is not None
    assert alert_data(event('alert_raised', data=json.dumps({**OF_ALERT, **change}))) is None


@pytest.mark.parametrize('key', ['rule', 'metric', 'raised_ns'])
def test_an_alert_needs_what_tells_it_from_others(key):
    data = {name: value for name, value in OF_ALERT.items() if name != key}
    assert alert_data(event('alert_raised', data=json.dumps(data))) is None


@pytest.mark.parametrize('data', ['[]', '5', 'null', '"text"', '[' * 5000 + ']' * 5000])
def test_data_that_is_no_object_tells_no_alert(data):
    assert alert_data(event('alert_raised', data=data)) is None


def test_an_alert_may_have_neither_value_nor_text():
    data = {name: OF_ALERT[name] for name in ('rule', 'metric', 'raised_ns')}
    found = deserialize_message(alert_data(event('alert_raised', data=json.dumps(data))), Alert)
    assert math.isnan(found.value) and found.text == ''


@pytest.mark.parametrize(('name', 'topic'), [
    ('battery.percentage', '/metrics/battery/percentage'),
    ('speed', '/metrics/speed'),
    ('odom/speed', '/metrics/odom/speed'),
    ('motor-left.temp °C', '/metrics/motor_left/temp__C'),
    ('2d.3.x4', '/metrics/_2d/_3/x4'),
    ('.a..b.', '/metrics/a/b'),
    ('/a/', '/metrics/a'),
    ('', '/metrics/_'),
    ('...', '/metrics/_'),
    ('٣', '/metrics/_'),
    ('a{b}~*?[c]\n', '/metrics/a_b_____c__'),
    ('x' * 238, '/metrics/' + 'x' * 238),
    ('x' * 239, '/metrics/' + 'x' * 238),
    ('x' * 237 + '.y', '/metrics/' + 'x' * 237),
    ('x' * 236 + '.y', '/metrics/' + 'x' * 236 + '/y'),
])
def test_a_metric_has_a_topic_that_ros_takes(name, topic):
    assert metric_topic(name) == topic
    assert validate_full_topic_name(topic)
