"""Parameters and command line of the replay node, without a node."""

import math
from pathlib import Path

import pytest
import yaml

from twinsight_replay.play_options import PlayOptions
from twinsight_replay.replay_arguments import given, parser
from twinsight_replay.replay_settings import ReplaySettings, settings_of
from twinsight_store.errors import ConfigurationError
from twinsight_store.selection import Selection

CONFIG = Path(__file__).resolve().parents[3] / 'config' / 'replay.yaml'


def settings(*arguments, parameters=None, ros=()):
    return settings_of(parameters or {}, given(parser().parse_args(list(arguments))), ros)


def test_the_parameter_file_holds_every_parameter_with_its_default():
    parameters = yaml.safe_load(CONFIG.read_text())['/**']['ros__parameters']
    made = settings(parameters=parameters)
    assert made.model_copy(update={'bucket': ()}) == ReplaySettings()
    assert made.buckets == ReplaySettings().buckets
    known = {field.alias or name for name, field in ReplaySettings.model_fields.items()}
    assert known - parameters.keys() == {'duration'}


def test_every_option_of_the_command_line_is_a_parameter():
    made = settings(
        '--robot', 'r', '--mission', 'm', '--mission', 'n', '--sensor', 'lidar', '--topic', '/a*',
        '--label', 'site=x', '--from', '1763900000', '--to', '1763900060', '--bucket', 'b',
        '--no-metrics', '--align', 'start', '--rate', '2', '--start-paused', '--loop', '--stay',
        '--no-latched', '--start-offset', '1.5', '--duration', '2min', '--until', '1763900030',
        '--delay', '500ms', '--read-ahead', '10MB', '--prefix', '/p', '--remap', '/a:=/b', '--now',
        '--clock', '--clock-topics', '/odom', '--clock-topics-all', '--discovery-time', '0',
        '--wait-for-subscribers', '7', '--disable-keyboard-controls', '--no-real-time',
    )
    assert made.selection == Selection(
        robots=('r',), missions=('m', 'n'), sensors=('lidar',), topics=('/a*',),
        labels={'site': 'x'}, from_ns=1_763_900_000 * 10**9, to_ns=1_763_900_060 * 10**9,
    )
    assert made.options == PlayOptions(
        rate=2.0, paused=True, loop=True, stay=True, latched=False, offset_ns=1_500_000_000,
        duration_ns=120 * 10**9, until_ns=1_763_900_030 * 10**9, delay_ns=500_000_000,
    )
    assert (made.buckets, made.metrics, made.align) == (('b',), False, 'start')
    assert (made.prefix, made.remap, made.now, made.keyboard) == ('/p', ('/a:=/b',), True, False)
    assert (made.clock, made.clock_topics, made.clock_topics_all) == (40.0, ('/odom',), True)
    assert (made.discovery_time, made.wait_for_subscribers) == (0.0, 7.0)
    assert int(made.read_ahead) == 10_000_000
    assert made.real_time is False
    unset = ReplaySettings()
    assert [
        name for name in ReplaySettings.model_fields
        if getattr(made, name) == getattr(unset, name)
    ] == []


def test_the_command_line_stands_before_parameters():
    parameters = {'robot': ['a', 'b'], 'rate': 3.0, 'paused': True, 'mission': ''}
    made = settings('--robot', 'c', '--rate', 'inf', parameters=parameters)
    assert (made.robot, made.rate, made.paused, made.mission) == (('c',), math.inf, True, ())


@pytest.mark.parametrize(('arguments', 'said'), [
    (('--delay', 'soon'), "--delay 'soon': not a duration; accepted: seconds, or a number"),
    (('--delay', '-1'), '--delay -1.0: Input should be greater than or equal to 0'),
    (('--clock', '-5'), '--clock -5.0: '),
    (('--read-ahead', 'much'), "--read-ahead 'much': "),
])
def test_a_wrong_option_is_named(arguments, said):
    with pytest.raises(ConfigurationError) as error:
        settings(*arguments)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(('parameters', 'said'), [
    ({'delay': 'soon'}, "delay: 'soon': not a duration"),
    ({'algin': 'start'}, 'algin: unknown key; accepted here are'),
    ({'align': 'end'}, "align: 'end': "),
    ({'paused': 'perhaps'}, "paused: 'perhaps': "),
])
def test_a_wrong_parameter_is_named_with_its_file(tmp_path, parameters, said):
    file = tmp_path / 'mine.yaml'
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
    with pytest.raises(ConfigurationError) as error:
        settings(parameters=parameters, ros=['--params-file', str(file)])
    assert str(error.value).startswith(f'{file}: {said}')


def play(selection, options):
    """Do nothing; making its arguments is what is tried."""


@pytest.mark.parametrize(('parameters', 'said'), [
    ({'from': 'noon'}, "--from: time 'noon': accepted are ISO 8601"),
    ({'until': 'noon'}, "--until: time 'noon': accepted are ISO 8601"),
    ({'label': 'x'}, "--label 'x': accepted is NAME=VALUE"),
    ({'robot': ['']}, '--robot is empty'),
])
def test_what_is_no_selection_is_named(parameters, said):
    made = settings(parameters=parameters)
    with pytest.raises(ConfigurationError) as error:
        play(made.selection, made.options)
    assert str(error.value).startswith(said)
