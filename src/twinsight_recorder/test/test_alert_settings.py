"""Alert rules: what a parameter file may say, and what is said about mistakes."""

from pathlib import Path

import pytest

from twinsight_recorder.alerting.settings import alert_rules, AlertSettings, read_rules
from twinsight_store.errors import ConfigurationError
from twinsight_store.parameters import Settings, validated

EXAMPLE = Path(__file__).parents[3] / 'config' / 'alerts.yaml'


class NodeSettings(Settings):
    alerts: AlertSettings = {}


def rule(**keys):
    given = {f'alerts.battery.{name.rstrip("_")}': value for name, value in keys.items()}
    return alert_rules(validated(NodeSettings, given, []).alerts)[0]


def mistake(**keys):
    with pytest.raises(ConfigurationError) as error:
        rule(**keys)
    return str(error.value)


def text(rule, value, text=None):
    return rule.text('robot_05', 'battery.charge', value, text)


def test_no_rules_is_fine():
    assert alert_rules(validated(NodeSettings, {}, []).alerts) == ()


@pytest.mark.parametrize(('keys', 'value', 'said'), [
    ({'below': 20}, 12.5, 'battery.charge is 12.5, below 20'),
    ({'above': 0.2, 'for_': '2s'}, 0.25, 'battery.charge is 0.25, above 0.2 for 2 s'),
    ({'equals': 'ERROR'}, 'ERROR', 'battery.charge is ERROR'),
    ({'not_equals': 3}, 4.0, 'battery.charge is 4, not 3'),
    ({'not_equals': '{ok}'}, 'bad', 'battery.charge is bad, not {ok}'),
    ({'missing_for': '90s'}, 1.0, 'battery.charge: no sample for 1 min 30 s'),
    ({'rising_faster_than': 2, 'window': 10}, 7.0,
     'battery.charge is 7 and rises by more than 2 a second (over 10 s)'),
    ({'falling_faster_than': 0.5, 'window': '500ms'}, 7.0,
     'battery.charge is 7 and falls by more than 0.5 a second (over 500 ms)'),
])
def test_a_rule_without_a_message_makes_one(keys, value, said):
    made = rule(metric='battery.*', **keys)
    is_text = isinstance(value, str)
    assert text(made, None if is_text else value, value if is_text else None) == said


def test_a_message_may_hold_placeholders_and_braces():
    made = rule(
        metric='*', below=20, for_='1min', message='{{{rule}}} {robot} {metric}={value} ({for})'
    )
    assert text(made, 19.0) == '{battery} robot_05 battery.charge=19 (1 min)'
    assert text(made, None) == '{battery} robot_05 battery.charge=unknown (1 min)'
    assert text(made, 1 / 3).startswith('{battery} robot_05 battery.charge=0.333333 ')


def test_severity_is_warn_unless_it_is_given():
    assert rule(metric='x', above=1).severity == 'warn'
    assert rule(metric='x', above=1, severity='error').severity == 'error'


def test_durations_are_whole_microseconds():
    assert rule(metric='x', above=1, for_=0.0000015).for_ns == 2000
    assert rule(metric='x', missing_for='2min', for_='500ms').silence_ns == 120_500_000_000


@pytest.mark.parametrize(('keys', 'said'), [
    ({'metric': 'x'}, 'it has no condition'),
    ({'metric': 'x', 'above': 3, 'equals': 3}, 'above and equals: a rule has one condition'),
    ({'above': 3}, 'alerts.battery.metric: missing; accepted: the name of a metric'),
    ({'metric': '', 'above': 3}, 'alerts.battery.metric'),
    ({'metric': 'x', 'above': 'hot'}, "alerts.battery.above: 'hot'"),
    ({'metric': 'x', 'above': float('nan')}, 'alerts.battery.above: nan'),
    ({'metric': 'x', 'equals': [1, 2]}, '[1, 2]: neither a text nor a number'),
    ({'metric': 'x', 'below': 20, 'clear': 19.9}, 'clear 19.9 lies on the wrong side'),
    ({'metric': 'x', 'above': 20, 'clear': 20.1}, 'clear 20.1 lies on the wrong side'),
    ({'metric': 'x', 'equals': 20, 'clear': 20}, 'clear goes with above or below only'),
    ({'metric': 'x', 'missing_for': 0}, 'alerts.battery.missing_for: 0'),
    ({'metric': 'x', 'missing_for': '3 weeks'}, 'not a duration; accepted: more than 0: seconds'),
    ({'metric': 'x*', 'missing_for': 1, 'expected': True}, 'without *'),
    ({'metric': 'x', 'above': 1, 'expected': True}, 'expected goes with missing_for only'),
    ({'metric': 'x', 'rising_faster_than': 1}, 'rising_faster_than needs window'),
    ({'metric': 'x', 'falling_faster_than': -1, 'window': 1}, 'falling_faster_than: -1'),
    ({'metric': 'x', 'above': 1, 'window': 1}, 'window goes with rising_faster_than or falling'),
    ({'metric': 'x', 'above': 1, 'for_': -1}, 'alerts.battery.for: -1'),
    ({'metric': 'x', 'above': 1, 'severity': 'fatal'}, 'accepted: info, warn or error'),
    ({'metric': 'x', 'above': 1, 'message': '{sensor}'}, '{sensor} is no placeholder ({robot}'),
    ({'metric': 'x', 'above': 1, 'message': '{value:.1f}'}, '{value:.1f} is no placeholder'),
    ({'metric': 'x', 'above': 1, 'message': '{'}, "Single '{'"),
    ({'metric': 'x', 'abov': 1}, 'alerts.battery.abov: unknown key'),
    ({'metric': 'x', 'abov': 1}, 'did you mean above?'),
])
def test_a_mistake_is_one_line_that_names_the_rule_and_what_is_accepted(keys, said):
    line = mistake(**keys)
    assert said in line
    assert 'alerts.battery' in line
    assert '\n' not in line


def test_a_rule_has_a_plain_name():
    with pytest.raises(ConfigurationError, match="'a b' is not the name of a rule"):
        validated(NodeSettings, {'alerts.a b.metric': 'x', 'alerts.a b.above': 1}, [])


def test_the_clear_value_may_be_the_threshold_itself():
    assert rule(metric='x', above=20, clear=20) == rule(metric='x', above=20)
    assert rule(metric='x', below=20, clear=20) == rule(metric='x', below=20)


def test_rules_are_read_from_the_parameter_file_of_any_node(tmp_path):
    file = tmp_path / 'robot.yaml'
    file.write_text(
        'metrics_recorder:\n  ros__parameters:\n    robot_id: r1\n'
        '    alerts:\n      hot: {metric: temperature, above: 80}\n'
        '    alerts.low.metric: charge\n    alerts.low.below: 20\n'
        'other:\n  ros__parameters: {rate: 3}\n'
    )
    assert [(one.name, one.metric) for one in read_rules(str(file))] == [
        ('hot', 'temperature'), ('low', 'charge'),
    ]


@pytest.mark.parametrize(('content', 'said'), [
    (None, 'cannot be read'),
    ('a: [', 'not YAML'),
    ('/**: {ros__parameters: {robot_id: r1}}', 'it has no rule'),
    ('alerts: {hot: {metric: x, above: 1}}', 'accepted is a ROS parameter file'),
    ('/**: {ros__parameters: {alerts: {hot: {metric: x, above: warm}}}}', 'alerts.hot.above'),
])
def test_a_file_without_usable_rules_is_named(tmp_path, content, said):
    file = tmp_path / 'alerts.yaml'
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError) as error:
        read_rules(str(file))
    assert str(error.value).startswith(f'{file}: ')
    assert said in str(error.value)


def test_the_example_of_the_repository_is_accepted():
    rules = {one.name: one for one in read_rules(str(EXAMPLE))}
    assert {'battery_low', 'lidar_silent', 'state_error', 'motor_hot'} <= rules.keys()
    assert not rules['odometry_silent'].is_expected, 'a robot may have no odometry at all'
    assert rules['battery_low'].condition.clear > rules['battery_low'].condition.limit
