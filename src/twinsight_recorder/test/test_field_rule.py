"""Rules on fields of topics: how they are written, what they mean, when they fire."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from lifecycle_msgs.msg import TransitionEvent
import pytest
from sensor_msgs.msg import BatteryState, LaserScan, NavSatStatus
from std_msgs.msg import Float64, String

from twinsight_recorder.raw.field_rule import constants, FieldRule, FieldWatch
from twinsight_store.errors import ConfigurationError


def rule(text, cls):
    return FieldRule.parse('/topic', text).resolved(cls)


def fired(text, cls, values):
    watch = FieldWatch(rule(text, cls))
    return [watch.see(value) for value in values]


@pytest.mark.parametrize(('text', 'cls', 'value'), [
    ('status[0].level == ERROR', DiagnosticArray, 2),
    ('status[name=x].level>=WARN', DiagnosticArray, 1),
    ('status[0].level != 0', DiagnosticArray, 0),
    ('status[0].level == 0x02', DiagnosticArray, 2),
    ('status == STATUS_NO_FIX', NavSatStatus, -1),
    ('goal_state.id == PRIMARY_STATE_ACTIVE', TransitionEvent, 3),
    ('goal_state.label == active', TransitionEvent, 'active'),
    ('goal_state.label == "not active"', TransitionEvent, 'not active'),
    ("status[0].message == 'ERROR'", DiagnosticArray, 'ERROR'),
    ('status[0].message == ERROR', DiagnosticArray, 'ERROR'),
    ('status[0].message == 042', DiagnosticArray, '042'),
    ('present == true', BatteryState, True),
    ('present != False', BatteryState, False),
    ('data < -0.5', Float64, -0.5),
    ('data <= 1e3', Float64, 1000),
    ('data == inf', Float64, float('inf')),
])
def test_the_type_of_the_field_decides_what_a_value_means(text, cls, value):
    resolved = rule(text, cls)
    assert resolved.value == value
    assert isinstance(resolved.value, bool) == isinstance(value, bool)


@pytest.mark.parametrize(('text', 'said'), [
    ('', 'position 1 (its end): the name of a field is expected'),
    ('state', 'no operator follows the field; operators are ==, !=, >=, <=, >, <, changes'),
    ('state = ERROR', "'= ERROR' follows the field"),
    ('state is ERROR', "'is ERROR' follows the field"),
    ('state ==', 'no value follows =='),
    ('state == A B', "'A B' is not one value; a text stands in quotes"),
    ('state == A && x > 3', 'not one value'),
    ('state == "A', 'not one value'),
    ('state ==> 3', 'not one value'),
    ('state changes to 3', 'nothing follows changes'),
    ('state..x > 1', "position 7 ('.'): the name of a field"),
])
def test_a_malformed_rule_is_one_line_that_says_what_is_wrong(text, said):
    with pytest.raises(ConfigurationError) as error:
        FieldRule.parse('/topic', text)
    assert str(error.value).startswith(f'rule {text!r}: ') and said in str(error.value)


@pytest.mark.parametrize(('text', 'cls', 'said'), [
    ('status[0].level == EROR', DiagnosticArray,
     'nor a constant of diagnostic_msgs/msg/DiagnosticStatus; '
     'accepted here: OK, WARN, ERROR, STALE; did you mean ERROR?'),
    ('status[0].level == 1.5', DiagnosticArray, '1.5 is not a whole number'),
    ('status[0].level == true', DiagnosticArray, 'True is not a whole number'),
    ('data > high', Float64, "'high' is not a number, which a field of type double takes"),
    ('data == nan', Float64, "'nan' is not a number"),
    ('present == 1', BatteryState, '1 is not true or false'),
    ('present > false', BatteryState, 'present is a boolean: use == or !='),
    ('data > "a"', String, 'data is a string: use == or !='),
    ('dta > 1', Float64, 'did you mean data?'),
])
def test_a_rule_that_does_not_fit_the_topics_type_is_told_with_the_topic(text, cls, said):
    with pytest.raises(ConfigurationError) as error:
        rule(text, cls)
    assert f'rule {text!r} on /topic: '.replace('"', "'") in str(error.value).replace('"', "'")
    assert said in str(error.value)


def test_constants_of_a_byte_are_numbers():
    assert constants(DiagnosticStatus) == {'OK': 0, 'WARN': 1, 'ERROR': 2, 'STALE': 3}
    assert constants(PoseStamped) == {}


@pytest.mark.parametrize(('text', 'values', 'expected'), [
    ('data == 2', [1, 2, 2, 1, 2], [0, 1, 0, 0, 1]),
    ('data != 2', [2, 1, 3, 2, 1], [0, 1, 0, 0, 1]),
    ('data > 2', [2, 2.0001, 3, 2, 5], [0, 1, 0, 0, 1]),
    ('data >= 2', [1.9999, 2, 3, 1, 2], [0, 1, 0, 0, 1]),
    ('data < 2', [2, 1.9999, 1, 2, 1], [0, 1, 0, 0, 1]),
    ('data <= 2', [2.0001, 2, 1, 3, 2], [0, 1, 0, 0, 1]),
    ('data changes', [1, 1, 2, 2, 1], [0, 0, 1, 0, 1]),
])
def test_a_rule_fires_once_when_its_condition_becomes_true(text, values, expected):
    assert fired(text, Float64, values) == [bool(each) for each in expected]


def test_a_rule_fires_at_the_first_message_that_is_already_true():
    assert fired('data > 2', Float64, [3, 3]) == [True, False]


def test_nothing_measured_is_no_change_to_nothing_measured():
    nan = float('nan')
    assert fired('data changes', Float64, [nan, nan, 1.0, nan]) == [False, False, True, True]
    assert fired('data < 2', Float64, [nan, 1.0, nan, 1.0]) == [False, True, False, True]


def test_an_empty_list_ends_a_condition_on_its_first_element():
    assert fired('status[0].level == ERROR', DiagnosticArray, [2, None, 2]) == [True, False, True]


def test_messages_of_other_publishers_without_the_key_do_not_make_a_rule_fire_again():
    values = [2, None, 2, None, 0, 2]
    assert fired('status[name=battery].level == ERROR', DiagnosticArray, values) == [
        True, False, False, False, False, True,
    ]
    assert not any(fired('status[name=x].level changes', DiagnosticArray, [2, None, 2]))


def test_a_number_of_32_bits_is_compared_as_it_arrives():
    watch = FieldWatch(rule('percentage == 0.2', BatteryState))
    assert watch.see(watch.rule.field.value(BatteryState(percentage=0.25))) is False
    arrived = BatteryState(percentage=0.20000000298023224)
    assert watch.see(watch.rule.field.value(arrived)) is True
    assert rule('ranges[0] == inf', LaserScan).value == float('inf')


def test_a_rule_reads_as_it_was_written():
    for text in ('state == ERROR', 'a[name=x].b < 0.2', 'state != "not ready"', 'z changes'):
        assert str(FieldRule.parse('/topic', text)) == text


def test_a_rule_is_not_watched_before_its_value_is_known():
    with pytest.raises(ValueError, match='not resolved'):
        FieldWatch(FieldRule.parse('/topic', 'state == ERROR'))
