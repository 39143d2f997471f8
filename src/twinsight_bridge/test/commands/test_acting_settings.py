"""What the configuration may say, and what it is told where it may not."""

from pathlib import Path

import pytest

from twinsight_bridge.commands.acting_settings import ActingSettings
from twinsight_bridge.commands.catalog import Catalog
from twinsight_bridge.commands.robots import Robots
from twinsight_bridge.commands.template import Template
from twinsight_store.errors import ConfigurationError

CONFIG = Path(__file__).parents[4] / 'config' / 'api.yaml'
STOP = {'topic': '{namespace}/cmd_vel', 'type': 'geometry_msgs/msg/Twist'}


@pytest.fixture
def refusal(write_config):
    """Return what a configuration is refused with, without the file's name."""

    def refused(**parameters):
        file = write_config(**parameters)
        with pytest.raises(ConfigurationError) as raised:
            settings = ActingSettings.from_file(file)
            Catalog(settings.commands, f'{file}: commands')
            Robots(settings.robots, f'{file}: robots')
        text = str(raised.value)
        assert text.startswith(f'{file}: ')
        return text.removeprefix(f'{file}: ')

    return refused


def test_the_configuration_that_comes_with_it_holds():
    settings = ActingSettings.from_file(str(CONFIG))
    catalog = Catalog(settings.commands, 'commands')
    assert [each.name for each in catalog] == [
        'start_mission', 'end_mission', 'go_to_pose', 'stop'
    ]
    started = catalog['start_mission'].message({'mission_id': 'm', 'labels': {'site': 'north'}})
    assert (started.mission_id, started.labels[0].key) == ('m', 'site')
    assert Robots(settings.robots, 'robots').namespace('robot_01') == ''
    assert Robots(settings.robots, 'robots').namespace('robot_05') == '/robot_05'


@pytest.mark.parametrize(('command', 'told'), [
    ({**STOP, 'topik': '/x'}, 'commands.stop.topik: unknown key; accepted here are action'),
    ({'type': STOP['type']}, 'commands.stop: neither topic, service nor action given'),
    ({**STOP, 'service': '/x'}, 'commands.stop: topic and service given: accepted is one of'),
    ({'topic': '/x'}, 'commands.stop.type: missing; accepted: package/msg/Type'),
    ({**STOP, 'type': 'std_srvs/srv/Trigger'}, 'accepted for a topic is package/msg/Type'),
    ({**STOP, 'topic': 'cmd_vel'}, "commands.stop.topic: 'cmd_vel': 'cmd_vel' is no full name"),
    ({**STOP, 'wait': 'soon'}, "commands.stop.wait: 'soon': not a duration; accepted: a duration"),
    ({**STOP, 'time_limit': 3}, 'commands.stop.time_limit: accepted only with action'),
    ({**STOP, 'fields': {'linear.u': 0}}, 'commands.stop.fields: linear: Vector3 has no field u'),
    ({**STOP, 'fields': {'linear.x': 'a'}}, "commands.stop.fields: linear: x: 'a' is no double"),
    ({**STOP, 'fields': {'linear.x': '{robot_id}'}}, "linear: x: 'robot_05' is no double"),
    ({**STOP, 'fields': {'linear.x': '{speed}'}},
     "commands.stop.fields.linear.x: '{speed}': no parameter speed; accepted here: robot_id"),
    ({**STOP, 'fields': {'linear': 1, 'linear.x': 1}}, 'fields.linear.x: linear has a value'),
    ({**STOP, 'parameters': {'speed': {'type': 'float'}}},
     "commands.stop.parameters.speed.type: 'float': Input should be 'number'"),
    ({**STOP, 'parameters': {'speed': {'type': 'number', 'most': 1, 'default': 2}}},
     'commands.stop.parameters.speed.default: 2: Input should be less than or equal to 1'),
    ({**STOP, 'parameters': {'now': {'type': 'number'}}}, 'stop.parameters.now: accepted are'),
])
def test_a_wrong_key_is_named(refusal, command, told):
    assert told in refusal(commands={'stop': command})


def test_wrong_robots_and_addresses_are_named(refusal):
    assert "robots.robot_1: 'robot_1': accepted is a namespace" in refusal(
        robots={'robot_1': 'robot_1'}, recorder_control=True
    )
    assert "bridge_url: 'robots:8765': not of the form http://HOST:PORT" in refusal(
        bridge_url='robots:8765'
    )
    assert 'commands.Stop: accepted are small letters' in refusal(commands={'Stop': STOP})


def test_placeholders_keep_their_type():
    template = Template({
        'a.b': '{x}', 'a': {'c': '{flag}'}, 'text': 'x is {x}, {{so}} {flag}',
        'turn': '{x | quaternion}', 'list': ['{x}', {'key.value': '{x}'}],
        'pairs': '{l|key_values}',
    })
    filled = template.filled({'x': 0, 'flag': True, 'l': {'k': 'v'}})
    assert filled == {
        'a': {'b': 0, 'c': True}, 'text': 'x is 0, {so} true',
        'turn': {'x': 0.0, 'y': 0.0, 'z': 0.0, 'w': 1.0}, 'list': [0, {'key': {'value': 0}}],
        'pairs': [{'key': 'k', 'value': 'v'}],
    }
    assert filled['a']['c'] is True
    for text, told in (
        ('{x | yaw}', 'no function yaw; accepted here: quaternion, key_values'),
        ('{l | quaternion}', 'quaternion takes a number'), ('{x', "'{x'"), ('{x.y}', 'accepted'),
        ('labels {l}', 'stands alone'),
    ):
        with pytest.raises(ConfigurationError, match=r'^field: ') as raised:
            Template({'field': text}).filled({'x': 1, 'l': {}})
        assert told in str(raised.value)
