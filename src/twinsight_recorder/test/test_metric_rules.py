"""Which topics become metrics and under which names, and what is said of mistakes."""

from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from pydantic import Field
import pytest
from rclpy.serialization import serialize_message
from std_msgs.msg import Float64, String
import yaml

from twinsight_recorder.metrics.ready_made import ALL, DESCRIPTION, ReadyMade
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_store.errors import ConfigurationError
from twinsight_store.field_path import type_name
from twinsight_store.message_types import UnknownTypeError
from twinsight_store.metrics.columns import SampleColumns
from twinsight_store.parameters import Settings, validated

ODOMETRY, FLOAT, STRING = 'nav_msgs/msg/Odometry', 'std_msgs/msg/Float64', 'std_msgs/msg/String'
VALUE = '{value: {field: data}}'


class NodeSettings(Settings):
    rules: dict[str, MetricRuleSettings] = Field({}, description='names, each with a rule')
    ready_made: ReadyMade = Field(ALL, description=DESCRIPTION)


def flat(tree, before=''):
    """Return a tree as ROS has it: dotted names."""
    found = {}
    for key, value in tree.items():
        name = f'{before}{key}'
        found |= flat(value, f'{name}.') if isinstance(value, dict) else {name: value}
    return found


def settings(text, arguments=()):
    return validated(NodeSettings, flat(yaml.safe_load(text) or {}), arguments)


class Rules(MetricRules):
    """Rules written as in a parameter file; ``problems`` holds what they told."""

    def __init__(self, text='', namespace='/'):
        self.problems = []
        given = settings(text)
        super().__init__(given.rules, given.ready_made, self.problems.append, namespace)

    def metrics(self, topic, message):
        """Return name → value of the samples of one message."""
        columns = SampleColumns(self.names)
        extractor = self.extractor(topic, type_name(type(message)))
        extractor.take(serialize_message(message), 5, columns)
        batch = columns.sealed('r', 'm')
        return {
            batch.series[number].name: batch.texts.get(row, float(batch.values[row]))
            for row, number in enumerate(batch.numbers)
        }


def test_a_topic_of_a_known_type_is_wanted_without_any_rule():
    rules = Rules()
    assert rules.wants('/odom', ODOMETRY)
    assert rules.wants('/navigate/_action/status', 'action_msgs/msg/GoalStatusArray')
    assert not rules.wants('/scan', 'sensor_msgs/msg/LaserScan')
    assert not rules.wants('/tf', 'tf2_msgs/msg/TFMessage')
    assert not rules.wants('/_hidden', FLOAT)


def test_the_robots_model_is_no_metric():
    rules = Rules()
    assert rules.wants('/state', STRING)
    assert not rules.wants('/robot_05/robot_description', STRING)
    assert not rules.wants('/robot_description_semantic', STRING)


def test_the_robots_namespace_is_not_part_of_a_name():
    rules = Rules(namespace='/robot_05')
    assert rules.metrics('/robot_05/arm/load', Float64(data=1.5)) == {'arm/load': 1.5}


def test_topics_of_another_robot_are_metrics_only_by_a_rule():
    rules = Rules(f'rules: {{a: {{topics: [/fleet/load], metrics: {VALUE}}}}}', '/robot_05')
    assert not rules.wants('/robot_051/load', FLOAT)
    assert not rules.wants('/load', FLOAT)
    assert rules.metrics('/fleet/load', Float64(data=3.5)) == {'fleet/load': 3.5}


def test_a_rule_names_topics_by_patterns_that_match_whole_names():
    rules = Rules(f'rules: {{a: {{topics: ["/wheel_.", /load], metrics: {VALUE}}}}}\n'
                  'ready_made: false')
    assert [topic for topic in ('/wheel_1', '/wheel_12', '/load', '/load/raw', '/a/load')
            if rules.wants(topic, FLOAT)] == ['/wheel_1', '/load']


def test_one_topic_needs_no_list():
    assert Rules(f'rules: {{a: {{topics: /load, metrics: {VALUE}}}}}').wants('/load', FLOAT)


def test_a_rule_with_topics_and_type_means_both():
    rules = Rules('rules: {a: {topics: ["/a.*"], type: std_msgs/msg/Float64, '
                  f'metrics: {VALUE}}}}}\nready_made: false')
    assert rules.wants('/ab', FLOAT)
    assert not rules.wants('/ab', STRING)
    assert not rules.wants('/b', FLOAT)


def test_a_rule_by_type_holds_for_all_topics_of_it():
    rules = Rules('rules: {speed: {type: geometry_msgs/msg/Twist, metrics: '
                  '{v: {field: norm(linear)}, turn: {field: angular.z}}}}')
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.angular.z = 3.0, 4.0, 0.5
    assert rules.metrics('/cmd_vel', twist) == {'cmd_vel.v': 5.0, 'cmd_vel.turn': 0.5}
    assert rules.metrics('/joy/cmd_vel', twist) == {'joy/cmd_vel.v': 5.0, 'joy/cmd_vel.turn': 0.5}


def test_a_users_rule_replaces_the_ready_made_metrics_of_its_topics():
    rules = Rules('rules: {a: {topics: [/odom], metrics: {speed: {field: twist.twist.linear.x}}}}')
    assert list(rules.metrics('/odom', Odometry())) == ['odom.speed']
    assert 'odom2.yaw' in rules.metrics('/odom2', Odometry())


def test_a_users_rule_may_add_to_the_ready_made_metrics():
    rules = Rules('rules: {a: {topics: [/odom], with_ready_made: true, '
                  'metrics: {speed: {field: twist.twist.linear.x}}}}')
    assert {'odom.speed', 'odom.x', 'odom.yaw'} <= set(rules.metrics('/odom', Odometry()))


@pytest.mark.parametrize(('ready_made', 'wanted'), [
    ('true', [ODOMETRY, FLOAT]), ('false', []), ('[float64, imu]', [FLOAT]),
    ('odometry', [ODOMETRY]), ('[]', []),
])
def test_the_user_chooses_among_the_ready_made_metrics(ready_made, wanted):
    rules = Rules(f'ready_made: {ready_made}')
    assert [kind for kind in (ODOMETRY, FLOAT) if rules.wants('/topic', kind)] == wanted


def test_a_rule_may_name_its_metrics_otherwise():
    rules = Rules('rules: {a: {topics: [/f], name: Load of arm, '
                  'metrics: {value: {field: data}, percent: {field: data, scale: 100}}}}')
    assert rules.metrics('/f', Float64(data=0.5)) == {
        'Load of arm': 0.5, 'Load of arm.percent': 50.0,
    }


def test_what_a_metric_is_is_told_once():
    rules = Rules('rules: {a: {topics: [/f], name: load, metrics: '
                  '{value: {field: data, unit: kg}}}}')
    rules.metrics('/f', Float64())
    [info] = rules.names.new_infos('robot_05')
    assert (info.robot_id, info.name, info.unit, info.topic, info.field) == (
        'robot_05', 'load', 'kg', '/f', 'data')
    rules.metrics('/f', Float64())
    assert rules.names.new_infos('robot_05') == []


def test_two_topics_do_not_become_the_same_metric():
    rules = Rules(f'rules: {{a: {{topics: [/f, /g], name: load, metrics: {VALUE}}}}}')
    rules.metrics('/f', Float64())
    with pytest.raises(ConfigurationError, match=(
        r'rule a, topic /g \(std_msgs/msg/Float64\): metric load is already made of /f by rule a'
    )):
        rules.metrics('/g', Float64())
    assert rules.metrics('/f', Float64(data=2.0)) == {'load': 2.0}  # as when it comes back


def test_two_rules_do_not_make_the_same_metric():
    rules = Rules('rules: {odometry: {topics: [/odom], with_ready_made: true, '
                  'metrics: {x: {field: pose.pose.position.y}}}}')
    rules.metrics('/odom', Odometry())
    [line] = rules.problems
    assert line.startswith('rule ready-made odometry, topic /odom') and (
        'metric odom.x is already made of /odom by rule odometry' in line)


def test_a_rule_may_have_the_name_of_a_ready_made_one():
    rules = Rules('rules: {odometry: {kind: tf}}')
    assert rules.wants('/tf', 'tf2_msgs/msg/TFMessage')
    rules.extractor('/tf', 'tf2_msgs/msg/TFMessage')
    assert 'odom.x' in rules.metrics('/odom', Odometry())


def test_a_topic_may_come_back_with_another_type():
    rules = Rules()
    assert rules.metrics('/load', Float64(data=1.5)) == {'load': 1.5}
    assert rules.metrics('/load', String(data='high')) == {'load': 'high'}
    assert rules.problems == []


@pytest.mark.parametrize(('rule', 'message', 'said'), [
    ('metrics: {x: {field: pose.pose.position.q}}', Odometry(),
     'geometry_msgs/msg/Point has no q; accepted here: x, y, z'),
    ('metrics: {x: {field: pose.pose}}', Odometry(), 'in it: pose.pose.position, pose.pose.or'),
    ('metrics: {x: {field: yaw(pose.pose.position)}}', Odometry(),
     'yaw(...) takes a message with x, y, z, w: '),
    ('metrics: {x: {field: norm(child_frame_id)}}', Odometry(), 'is a string, it has no x'),
    ('metrics: {x: {field: data, scale: 2.0}}', String(), 'metric x: scale and offset are for'),
    ('metrics: {x: {field: data}}\n    time: stamp', Float64(), 'does not begin with a header'),
])
def test_a_rule_that_does_not_fit_a_type_is_one_line(rule, message, said):
    rules = Rules(f'rules:\n  a:\n    topics: [/t]\n    {rule}')
    with pytest.raises(ConfigurationError) as error:
        rules.metrics('/t', message)
    [line] = str(error.value).splitlines()
    assert line.startswith(f'rule a, topic /t ({type_name(type(message))}): ') and said in line


def test_a_rule_that_does_not_fit_does_not_keep_others_from_the_topic():
    rules = Rules('rules: {a: {topics: [/f], metrics: {x: {field: wrong}}}, '
                  f'b: {{topics: [/f], metrics: {VALUE}}}}}')
    assert rules.metrics('/f', Float64(data=1.0)) == {'f': 1.0}
    [line] = rules.problems
    assert line.startswith('rule a, topic /f') and 'has no wrong' in line


def test_a_type_that_is_not_installed_is_told():
    rules = Rules(f'rules: {{a: {{topics: [/x], metrics: {VALUE}}}}}')
    with pytest.raises(UnknownTypeError, match='install package acme_msgs'):
        rules.extractor('/x', 'acme_msgs/msg/Thing')


@pytest.mark.parametrize(('text', 'said'), [
    ('rules: {a: {topics: ["("], metrics: {x: {field: data}}}}',
     "rules.a.topics: '(': not a regular expression"),
    ('rules: {a: {topic: /f, metrics: {x: {field: data}}}}',
     'rules.a.topic: unknown key; accepted here are child, kind, largest_step, max_rate'),
    ('rules: {a: {topics: [/f], metrics: {x: {field: data, scal: 2.0}}}}',
     'rules.a.metrics.x.scal: unknown key; accepted here are field, max_rate, offset'),
    ('rules: {a: {topics: [/f], metrics: {x: {unit: m}}}}',
     'rules.a.metrics.x.field: missing; accepted: a path to a number or text'),
    ('rules: {a: {topics: [/f], metrics: {x: {field: "data["}}}}',
     "rules.a.metrics.x.field: 'data[': position 5"),
    ('rules: {a: {topics: [/f], metrics: {x: {field: heading(q)}}}}',
     'heading is no function; there are yaw, pitch, roll, norm, distance'),
    ('rules: {a: {topics: [/f], metrics: {x: {field: data, max_rate: 0.0}}}}',
     'rules.a.metrics.x.max_rate: 0.0: '),
    ('rules: {a: {topics: [/f], on_change: -1.0, metrics: {x: {field: data}}}}',
     'rules.a.on_change: -1.0: '),
    ('rules: {a: {topics: [/f], time: sent, metrics: {x: {field: data}}}}',
     "rules.a.time: 'sent': Input should be 'receive' or 'stamp'"),
    ('rules: {a: {type: Odometry, metrics: {x: {field: data}}}}',
     "rules.a.type: 'Odometry': not the name of a message type; accepted: a message type, for"),
    ('rules: {a: {topics: [/f], name: " x", metrics: {x: {field: data}}}}',
     "rules.a.name: ' x': metric ' x': a name has 1 to 200 printable characters"),
    ('rules: {a: {topics: [/f]}}', 'rules.a: '),
    ('rules: {a: {metrics: {x: {field: data}}}}', 'neither topics nor type is given'),
    ('rules: {a: {kind: tf, max_rate: 5.0}}', 'max_rate is not for kind tf'),
    ('rules: {a: {kind: tf, parent: map, child: map}}', 'parent and child are the same frame'),
    ('rules: {a: {kind: odometer}}', "rules.a.kind: 'odometer': Input should be 'fields', 'diag"),
    ('ready_made: [odometry, gps]', 'there is no gps; accepted: true, false, or a list of names:'),
])
def test_a_wrong_parameter_is_one_line_with_its_key(tmp_path, text, said):
    file = tmp_path / 'metrics.yaml'
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': yaml.safe_load(text)}}))
    with pytest.raises(ConfigurationError) as error:
        settings(text, ['--params-file', str(file)])
    [line] = str(error.value).splitlines()
    assert line.startswith(f'{file}: ') and said in line


def test_a_metrics_own_limits_go_before_those_of_its_rule():
    rule = settings('rules: {a: {topics: [/f], max_rate: 2.0, on_change: true, metrics: {'
                    'x: {field: x}, y: {field: y, max_rate: 5.0, on_change: false}, '
                    'z: {field: z, on_change: 0.5}}}}').rules['a']
    limits = {
        name: (rule.max_rate_of(each), rule.on_change_of(each))
        for name, each in rule.metrics.items()
    }
    assert limits == {'x': (2.0, 0.0), 'y': (5.0, None), 'z': (2.0, 0.5)}


def test_a_least_difference_may_be_a_whole_number():
    found = settings('rules: {a: {topics: [/f], on_change: 1, metrics: {x: {field: x}}}}')
    assert found.rules['a'].on_change == 1.0


def test_a_name_that_is_too_long_is_told():
    assert Rules().metrics('/' + 'a' * 200, Float64()) == {'a' * 200: 0.0}
    with pytest.raises(ConfigurationError, match='a name has 1 to 200 printable characters'):
        Rules().metrics('/' + 'a' * 201, Float64())
