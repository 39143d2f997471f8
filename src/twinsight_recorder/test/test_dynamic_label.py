"""Labels that follow the field of a topic."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import BatteryState, LaserScan
from std_msgs.msg import Bool, Float64, String

from twinsight_recorder.raw.dynamic_label import DynamicLabel
from twinsight_store.field_path import FieldPath


def label(field):
    return DynamicLabel('zone', '/zone', FieldPath.parse(field))


def test_a_label_has_the_latest_value_and_tells_when_it_changes():
    zone = label('data')
    assert zone.text is None
    assert [zone.see(String(data=text)) for text in ('dock', 'dock', 'hall')] == [
        True, False, True,
    ]
    assert zone.text == 'hall'


def test_an_empty_text_takes_the_label_away():
    zone = label('data')
    assert zone.see(String(data='')) is False
    zone.see(String(data='dock'))
    assert zone.see(String(data='')) is True
    assert zone.text is None


@pytest.mark.parametrize(('message', 'field', 'text'), [
    (Bool(data=True), 'data', 'true'),
    (Bool(data=False), 'data', 'false'),
    (BatteryState(power_supply_status=0), 'power_supply_status', '0'),
    (BatteryState(percentage=0.2), 'percentage', '0.2'),
    (Float64(data=0.0), 'data', '0.0'),
    (Float64(data=-0.0), 'data', '0.0'),
    (Float64(data=3.0), 'data', '3.0'),
    (Float64(data=1.2345649), 'data', '1.23456'),
    (Float64(data=1.2345651), 'data', '1.23457'),
    (Float64(data=1234567.0), 'data', '1234570.0'),
    (Float64(data=-1e-7), 'data', '-1e-07'),
    (Float64(data=float('inf')), 'data', 'inf'),
    (Float64(data=float('nan')), 'data', None),
    (DiagnosticArray(status=[DiagnosticStatus(level=DiagnosticStatus.WARN)]),
     'status[0].level', '1'),
    (LaserScan(), 'ranges[0]', None),
])
def test_values_as_people_write_them(message, field, text):
    followed = label(field)
    arrived = deserialize_message(serialize_message(message), type(message))
    assert followed.see(arrived) is (text is not None)
    assert followed.text == text


def test_noise_below_six_digits_is_no_change():
    height = label('data')
    assert height.see(Float64(data=1.0000001)) is True
    assert height.see(Float64(data=1.0000002)) is False
    assert height.see(Float64(data=1.00001)) is True


def test_an_element_that_is_gone_takes_the_label_away():
    first = label('ranges[0]')
    first.see(LaserScan(ranges=[1.0]))
    assert first.see(LaserScan()) is True
    assert first.text is None


def test_a_message_of_another_publisher_without_the_key_leaves_the_label():
    level = label('status[name=battery].level')
    level.see(DiagnosticArray(status=[
        DiagnosticStatus(name='battery', level=DiagnosticStatus.ERROR),
    ]))
    assert level.see(DiagnosticArray(status=[DiagnosticStatus(name='arm')])) is False
    assert level.text == '2'
