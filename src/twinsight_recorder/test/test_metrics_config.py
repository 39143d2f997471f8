"""The parameter files of the metrics: they say what holds without them."""

from pathlib import Path
import re

import pytest
import yaml

from twinsight_recorder.alerting.settings import alert_rules
from twinsight_recorder.kafka.writer_settings import MetricsWriterSettings
from twinsight_recorder.metrics.ready_made import READY_MADE
from twinsight_recorder.metrics.rule_settings import MetricRuleSettings, MetricSettings
from twinsight_recorder.metrics.rules import MetricRules
from twinsight_recorder.metrics.settings import MetricsSettings
from twinsight_store.parameters import validated

CONFIG = Path(__file__).resolve().parents[3] / 'config'
WITHOUT_A_FILE = MetricsSettings(robot_id='robot_05')
NOT_IN_THE_FILE = {
    'robot_id', 'mission_id',  # on the command line
    'alerts',  # in a file of their own
}
TYPES = {
    'tf': 'tf2_msgs/msg/TFMessage',
    'diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
    'action_status': 'action_msgs/msg/GoalStatusArray',
}


def dotted(tree, above=''):
    """Name parameters as ROS does."""
    found = {}
    for key, value in tree.items():
        inner = dotted(value, f'{above}{key}.') if isinstance(value, dict) else None
        found |= inner if inner is not None else {f'{above}{key}': value}
    return found


def parameters(text):
    return dotted(yaml.safe_load(text)['/**']['ros__parameters'])


def of_file(name):
    return parameters((CONFIG / name).read_text())


def metrics_settings(**given):
    return validated(MetricsSettings, {'robot_id': 'robot_05', **given}, [])


def uncommented():
    """Return metrics.yaml with its example, from ``# rules:`` to the next line without a #."""
    text = (CONFIG / 'metrics.yaml').read_text()
    example = re.search(r'^    # rules:\n(    #.*\n)+', text, re.MULTILINE)[0]
    return text.replace(example, re.sub(r'^    # ', '    ', example, flags=re.MULTILINE))


EXAMPLES = metrics_settings(**parameters(uncommented())).rules


def test_metrics_yaml_says_what_holds_without_it():
    assert metrics_settings(**of_file('metrics.yaml')) == WITHOUT_A_FILE


def test_metrics_yaml_names_every_parameter():
    every = dotted(WITHOUT_A_FILE.model_dump(exclude=NOT_IN_THE_FILE))
    assert set(parameters(uncommented())) >= set(every)


def test_metrics_yaml_names_every_ready_made_rule():
    text = ' '.join((CONFIG / 'metrics.yaml').read_text().replace('#', '').split())
    text = text.replace('int8 to int64', 'int8, int16, int32, int64')
    text = text.replace('uint8 to uint64', 'uint8, uint16, uint32, uint64')
    listed = re.search(r'The names are ([a-z0-9_, ]+)\.', text)[1]
    assert sorted(listed.split(', ')) == sorted(READY_MADE)


@pytest.mark.parametrize('name', EXAMPLES)
def test_each_example_in_metrics_yaml_makes_metrics_of_its_topic(name):
    rule, problems = EXAMPLES[name], []
    topics = rule.topics or ('/tf' if rule.kind == 'tf' else '/any',)
    topic, type_name = topics[0].replace('.*', 'some'), rule.type or TYPES[rule.kind]
    rules = MetricRules({name: rule}, (), problems.append)
    assert rules.wants(topic, type_name)
    rules.extractor(topic, type_name)
    assert problems == []


def test_the_examples_show_every_key_of_a_rule_and_of_a_metric():
    keys = set().union(*(rule.model_fields_set for rule in EXAMPLES.values()))
    assert keys == set(MetricRuleSettings.model_fields)
    metrics = [metric for rule in EXAMPLES.values() for metric in rule.metrics.values()]
    keys = set().union(*(metric.model_fields_set for metric in metrics))
    assert keys == set(MetricSettings.model_fields)


def test_the_metrics_recorder_takes_alerts_yaml_beside_metrics_yaml():
    settings = metrics_settings(**of_file('metrics.yaml'), **of_file('alerts.yaml'))
    assert {rule.name for rule in alert_rules(settings.alerts)} == set(
        yaml.safe_load((CONFIG / 'alerts.yaml').read_text())['/**']['ros__parameters']['alerts']
    )
    assert settings.model_copy(update={'alerts': {}}) == WITHOUT_A_FILE


def test_metrics_writer_yaml_says_what_holds_without_it():
    given = of_file('metrics_writer.yaml')
    assert validated(MetricsWriterSettings, given, []) == MetricsWriterSettings()
    assert set(given) == set(dotted(MetricsWriterSettings().model_dump()))
