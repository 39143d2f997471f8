"""Alerts of a live recorder: published, stored, and the same again when tried on the history."""

import json
import os
import subprocess
import time

import pytest
from pytest_ros import wait_until
import redis
from std_msgs.msg import Float64, UInt32
from twinsight_demo.child import executable

from twinsight_interfaces.msg import Alert
from twinsight_interfaces.srv import StartMission

SILENCE_NS = 800_000_000
RULES = {
    'low': {
        'metric': 'level', 'severity': 'error', 'below': 0.2, 'clear': 0.25,
        'message': 'level of {robot} is at {value}',
    },
    'silent': {'metric': 'beat', 'missing_for': '800ms', 'severity': 'warn'},
}


@pytest.fixture
def robot(metrics):
    """A robot with a level and a beat that alert rules look at."""
    metrics.level = metrics.publisher('/level', Float64)
    metrics.beat = metrics.publisher('/beat', UInt32)
    return metrics


def start(robot, **more):
    return robot.start(settings={'alerts': {**RULES, **more}})


def publish(robot, *levels):
    for level in levels:
        robot.level.publish(Float64(data=level))
        time.sleep(0.02)


def last_level(robot):
    return samples(robot, 'level')[-1][1]


def publish_until_stored(robot, level):
    """Return when a recorder that was just started takes the level."""
    wait_until(lambda: publish(robot, level) or last_level(robot) == level)


def wait_for_alerts(robot, count):
    wait_until(lambda: len(robot.alerts) >= count)


def ns(time_message):
    return time_message.sec * 10**9 + time_message.nanosec


def as_told(alert):
    """Return an alert message as the JSON of the command has it."""
    return {
        'time_ns': ns(alert.header.stamp), 'robot_id': alert.robot_id,
        'mission_id': alert.mission_id,
        'kind': 'alert_raised' if alert.active else 'alert_cleared',
        'severity': {Alert.WARN: 'warn', Alert.ERROR: 'error'}[alert.severity],
        'message': alert.message, 'rule': alert.rule, 'metric': alert.metric,
        'value': alert.value, 'text': alert.text or None, 'raised_ns': ns(alert.raised),
    }


def in_table(robot):
    """Return the stored events, in the order of time."""
    names = 'robot_id', 'mission_id', 'kind', 'severity', 'message'
    rows = robot.rows(
        'SELECT (extract(epoch FROM time) * 1000000)::bigint * 1000, data, '
        f'{", ".join(names)} FROM event ORDER BY time'
    )
    return [
        {'time_ns': time_ns, **dict(zip(names, texts, strict=True)), **data}
        for time_ns, data, *texts in rows
    ]


def in_stream(robot):
    """Return the events in Redis, in the order of the stream."""
    with redis.Redis.from_url(robot.redis_url) as client:
        entries = client.xrange('twinsight:events:robot_05')
    found = [json.loads(fields[b'data']) for _, fields in entries]
    return [{'robot_id': 'robot_05', **each.pop('data'), **each} for each in found]


def told_by_command(robot, *arguments):
    done = subprocess.run(
        executable('twinsight_recorder', 'alerts', '--json', '--from', '-5m', *arguments),
        capture_output=True, text=True, timeout=60, env={**os.environ, **robot.environment},
    )
    assert (done.returncode, done.stderr) == (0, '')
    return [json.loads(line) for line in done.stdout.splitlines()]


def told_at_the_end(robot, recorder):
    """End the recorder; return what database, Redis, the command and its trial all tell."""
    robot.end(recorder)
    told = in_table(robot)
    assert told == in_stream(robot)
    assert told == told_by_command(robot)
    assert told == told_by_command(robot, '--rules', str(robot.folder / 'metrics.yaml'))
    return told


def samples(robot, name):
    """Return the times (Unix ns, whole microseconds) and values of a metric."""
    return robot.rows(
        'SELECT (extract(epoch FROM time) * 1000000)::bigint * 1000, value FROM metric '
        'WHERE name = %s ORDER BY time', name,
    )


def changes(alerts):
    return [(alert.rule, alert.active, alert.mission_id, alert.value) for alert in alerts]


def test_an_alert_is_told_once_when_it_begins_and_once_when_it_ends(robot):
    recorder = start(robot)
    robot.wait_for_subscriber(robot.level)
    publish(robot, 0.5, 0.22, 0.19, 0.21, 0.24, 0.18, 0.26)  # low from 0.19 until 0.26
    publish(robot, 0.21, 0.1, 0.2, 0.15)  # and again from 0.1
    wait_for_alerts(robot, 3)
    assert robot.ask('/start_mission', StartMission, mission_id='B').success
    publish(robot, 0.05, 0.25, 0.22, 0.12)  # until 0.25, again from 0.12
    wait_for_alerts(robot, 5)
    assert changes(robot.alerts) == [
        ('low', True, 'A', 0.19), ('low', False, 'A', 0.26), ('low', True, 'A', 0.1),
        ('low', False, 'B', 0.25), ('low', True, 'B', 0.12),
    ]
    assert {alert.robot_id for alert in robot.alerts} == {'robot_05'}
    assert robot.alerts[0].message == 'level of robot_05 is at 0.19'
    assert told_at_the_end(robot, recorder) == [as_told(alert) for alert in robot.alerts]
    # each came at the very time of the sample that made it
    at = {value: time_ns for time_ns, value in samples(robot, 'level')}
    assert [ns(alert.header.stamp) for alert in robot.alerts] == [
        at[value] for value in (0.19, 0.26, 0.1, 0.25, 0.12)
    ]
    assert [ns(alert.raised) for alert in robot.alerts] == [
        at[value] for value in (0.19, 0.19, 0.1, 0.1, 0.12)
    ]


def test_a_topic_that_goes_silent_is_missed_until_it_comes_back(robot, stream):
    recorder = start(robot)
    robot.wait_for_subscriber(robot.beat)
    with stream([robot.beat], 20) as beats:
        wait_until(lambda: len(samples(robot, 'beat')) > 5)
    wait_until_silent_after(robot, beats.count - 1)
    with stream([robot.beat], 20) as beats:
        wait_until(lambda: not robot.alerts[-1].active and beats.count > 5)
    wait_until_silent_after(robot, beats.count - 1)
    expected = silences(samples(robot, 'beat'))  # the two, and where it stalled meanwhile
    assert changes(robot.alerts) == [change for change, _ in expected]
    assert [ns(alert.header.stamp) for alert in robot.alerts] == [at_ns for _, at_ns in expected]
    assert told_at_the_end(robot, recorder) == [as_told(alert) for alert in robot.alerts]


def wait_until_silent_after(robot, last):
    """Return when the last beat that was published is known to be the last."""
    wait_until(lambda: robot.alerts and robot.alerts[-1].active and robot.alerts[-1].value == last)


def silences(beats):
    """Return the alerts that beats (times, values) make, as changes() does, with their times."""
    found = []
    for (last_ns, last), (next_ns, value) in zip(beats, [*beats[1:], (None, None)], strict=True):
        if next_ns is None or next_ns - last_ns >= SILENCE_NS:
            found.append((('silent', True, 'A', last), last_ns + SILENCE_NS))
        if next_ns is not None and next_ns - last_ns >= SILENCE_NS:
            found.append((('silent', False, 'A', value), next_ns))
    return found


def test_a_topic_that_should_be_there_is_missed_from_the_start_on(robot):
    absent = {'metric': 'level', 'missing_for': '800ms', 'expected': True}
    recorder = start(robot, absent=absent)
    wait_until(lambda: in_table(robot))
    robot.wait_for_subscriber(robot.level)
    publish(robot, 0.5)
    wait_until(lambda: len(in_table(robot)) == 3)
    told = told_at_the_end(robot, recorder)
    [(start_ns,)] = robot.rows(
        'SELECT (extract(epoch FROM started) * 1000000)::bigint * 1000 FROM mission'
    )
    [(level_ns, _)] = samples(robot, 'level')
    assert [(each['kind'], each['time_ns'], each['value']) for each in told] == [
        ('alert_raised', start_ns + SILENCE_NS, None), ('alert_cleared', level_ns, 0.5),
        ('alert_raised', level_ns + SILENCE_NS, 0.5),
    ]


def test_a_recorder_that_is_killed_neither_raises_again_nor_forgets_to_clear(robot):
    recorder = start(robot)
    robot.wait_for_subscriber(robot.level, robot.beat)
    publish(robot, 0.5, 0.1)
    robot.beat.publish(UInt32(data=1))
    wait_for_alerts(robot, 2)
    wait_until(lambda: len(in_stream(robot)) == len(in_table(robot)) == 2)
    recorder.kill()
    killed = robot.subscribers(robot.beat)
    recorder = start(robot)
    publish_until_stored(robot, 0.15)  # still low
    wait_until(lambda: robot.subscribers(robot.beat) - killed)
    publish(robot, 0.05, 0.22, 0.3, 0.11, 0.4)
    wait_for_alerts(robot, 5)
    robot.beat.publish(UInt32(data=2))
    wait_for_alerts(robot, 7)
    assert changes(robot.alerts) == [
        ('low', True, 'A', 0.1), ('silent', True, 'A', 1.0),
        ('low', False, 'A', 0.3), ('low', True, 'A', 0.11), ('low', False, 'A', 0.4),
        ('silent', False, 'A', 2.0), ('silent', True, 'A', 2.0),
    ]
    assert robot.alerts[2].raised == robot.alerts[0].raised
    assert robot.alerts[5].raised == robot.alerts[1].raised
    assert told_at_the_end(robot, recorder) == [as_told(alert) for alert in robot.alerts]


def saved_until(robot, rule):
    """Return up to which sample (Unix ns) a rule's state is saved for the next recorder."""
    files = robot.folder.rglob('alerts.json')
    states = [state for file in files for state in json.loads(file.read_text())['states']]
    return max((last_ns for name, _, _, last_ns, *_ in states if name == rule), default=0)


def test_a_recorder_that_was_killed_does_not_miss_what_the_one_before_it_saw(robot, stream):
    stopped = {'metric': 'steps', 'missing_for': 3.2, 'expected': True}
    steps = robot.publisher('/steps', UInt32)
    recorder = start(robot, stopped=stopped)
    robot.wait_for_subscriber(steps)
    with stream([steps], 20) as published:
        wait_until(lambda: published.count > 80)
        seen_ns = time.time_ns()
        wait_until(lambda: saved_until(robot, 'stopped') > seen_ns)
        recorder.kill()
        recorder = start(robot, stopped=stopped)
        robot.wait_until_taking()
    robot.end(recorder)
    times = [time_ns for time_ns, _ in samples(robot, 'steps')]
    raised = [each['time_ns'] for each in in_table(robot) if each['kind'] == 'alert_raised']
    assert not [
        time_ns for alert_ns in raised for time_ns in times
        if alert_ns - 1_000_000_000 < time_ns <= alert_ns
    ]
