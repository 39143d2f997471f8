"""record-ctl as a person types it: what it prints, and its exit codes."""

import io
import json
import signal
import sys
from typing import NamedTuple

import pytest
from pytest_ros import wait_until
from rich.console import Console
from std_srvs.srv import Trigger

from twinsight_interfaces.msg import RecorderStatus, TopicStatus
from twinsight_recorder.raw.record_commands import parser
from twinsight_recorder.raw.recorder_view import as_table
from twinsight_recorder.record_ctl import main

PATIENT = ('--timeout', '30s')


class Answer(NamedTuple):
    """Exit code of a command, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def ctl(ros, capsys, monkeypatch):
    """Return a function that runs record-ctl in this process, in the test's own domain."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(ros.id))

    def run(*arguments):
        code = main(['record-ctl', *arguments])
        return Answer(code, *capsys.readouterr())

    return run


def test_each_command_does_what_it_says(bench, ctl):
    numbers, other = bench.publisher('/numbers'), bench.publisher('/other')
    recorder = bench.start(**{'topics.include': '[/numbers]'})
    bench.wait_for_subscriber(numbers)
    bench.publish_received(numbers, range(30))

    def says(*arguments):
        answer = ctl('--node', '/recorder', *PATIENT, *arguments)
        assert answer.code == 0 and not answer.err, answer
        return answer.out.strip()

    assert says('set-mission', 'B') == '/recorder: from now on: robot robot_05, mission B'
    bench.publish_received(numbers, range(30, 40))
    assert says('split') == '/recorder: part 1 of mission B'
    assert says('pause') == '/recorder: paused: what arrives is left out'
    assert says('resume') == '/recorder: recording robot robot_05, mission B'
    assert says('add-topics', '/oth.*') == (
        '/recorder: 2 topics are recorded\n  /numbers\n  /other'
    )
    bench.wait_for_subscriber(other)
    bench.publish_received(other, range(5))
    assert says('drop-topics', '/other', '/numbers') == '/recorder: 0 topics are recorded'
    assert says('stop') == '/recorder: stopped: robot robot_05, mission B'
    started = json.loads(says('--json', 'start', '--mission', 'C'))
    assert started == {
        'recorder': '/recorder', 'success': True, 'mission_id': 'C',
        'message': 'recording robot robot_05, mission C',
    }
    refused = ctl('snapshot', '--before', '30s', '--node', 'recorder', *PATIENT)
    assert refused == (1, '', (
        'record-ctl: /recorder: the recorder stores everything: snapshots need mode: snapshot\n'
    ))
    wait_until(lambda: bench.topic('/numbers').stored == 40)
    status = json.loads(says('status', '--json'))
    assert (status['mission_id'], status['mode'], status['store']) == ('C', 'recording', 'ok')
    [topic] = [each for each in status['topics'] if each['topic'] == '/numbers']
    assert (topic['received'], topic['stored'], topic['lost']) == (40, 40, 0)
    assert status['queue_limit_bytes'] == bench.statuses[-1].queue_limit_bytes
    bench.end(recorder)
    assert bench.numbers('/numbers', missions=('A',)) == [*range(30)]
    assert bench.numbers('/numbers', missions=('B',)) == [*range(30, 40)]
    assert bench.numbers('/other') == [*range(5)]


def test_the_watch_goes_on_until_ctrl_c(ros, bench):
    recorder = bench.start()
    wait_until(lambda: bench.statuses)
    watch = ros.run(
        'watch',
        [sys.executable, '-m', 'twinsight_recorder.record_ctl', 'status', '--watch', '--json'],
    )
    wait_until(lambda: watch.out.read_text().count('\n') >= 2)
    assert watch.running
    assert watch.end(30, ask=signal.SIGINT) == 130
    shown = [json.loads(line)['stamp_ns'] for line in watch.out.read_text().splitlines()]
    assert shown == sorted(set(shown))
    wait_until(lambda: set(shown) <= {  # which come each second
        status.header.stamp.sec * 10**9 + status.header.stamp.nanosec
        for status in list(bench.statuses)
    })
    assert not watch.err.read_text()
    again = ros.run(
        'watch_table',
        [
            sys.executable, '-m', 'twinsight_recorder.record_ctl', 'status', '--watch',
            '--timeout', '5s',
        ],
    )
    again.wait_for('messages/s')
    bench.end(recorder)
    assert again.end(30) == 1  # nothing to watch any more
    assert again.err.read_text() == 'record-ctl: /recorder: no status within 5 s\n'


def test_the_table_shows_what_is_wrong_and_what_became_of_each_topic():
    topics = [
        TopicStatus(
            topic='/scan', received=1200, stored=1000, lost=7, dropped=3, refused=4,
            rate_limited=5, left_out=6, waiting=182, messages_per_s=40.0, bytes_per_s=240e3,
        ),
        TopicStatus(topic='/odom', received=50, stored=50, messages_per_s=50.04),
    ]
    status = RecorderStatus(
        robot_id='robot_05', mission_id='[docking]', mode=RecorderStatus.MODE_PAUSED, part=2,
        store=RecorderStatus.STORE_REFUSING, store_message='token refused', lag_s=12.34,
        queued_bytes=1_500_000, queue_limit_bytes=256_000_000, topics=topics,
    )
    console = Console(width=160, file=io.StringIO())
    console.print(as_table('/recorder', status))
    lines = console.file.getvalue().splitlines()
    head = [line.split(maxsplit=1) for line in lines[:8]]
    assert [(name, text.strip()) for name, text in head[:7]] == [
        ('recorder', '/recorder: paused'), ('robot', 'robot_05'),
        ('mission', '[docking], part 2'), ('store', 'refusing: token refused'),
        ('queue', '1.5 MB of 256.0 MB'), ('spool', 'none'), ('lag', '12.3 s'),
    ]
    rows = [[cell.strip() for cell in line.split('│')[1:-1]] for line in lines if '│' in line]
    counts = ['1200', '1000', '7', '3', '4', '5', '6', '182']
    assert rows == [
        ['/odom', '50.0', '0 bytes', '50', '50', '0', '0', '0', '0', '0', '0'],
        ['/scan', '40.0', '240.0 kB', *counts],
        ['all', '90.0', '240.0 kB', '1250', '1050', *counts[2:]],
    ]


def test_no_recorder_one_elsewhere_and_several(ros, bench, ctl):
    nobody = ctl('status', '--timeout', '1s')
    assert nobody.code == 3 and not nobody.out
    assert nobody.err == (
        'record-ctl: no recorder found within 1 s; is one running, and in this ROS_DOMAIN_ID?\n'
    )
    waiting = bench.start(autostart=False)
    wait_until(lambda: 'recorder' in bench.node.get_node_names())
    idle = ctl('pause')
    assert idle.code == 3 and 'node /recorder is there, but it is not configured' in idle.err
    assert waiting.end(30, ask=signal.SIGINT) == 0

    elsewhere = bench.start('-r', '__ns:=/robot_05')
    there = []
    bench.node.create_subscription(RecorderStatus, '/robot_05/recorder/status', there.append, 1)
    wait_until(lambda: there)
    assert ctl('set-mission', 'B', *PATIENT).out == (
        '/robot_05/recorder: from now on: robot robot_05, mission B\n'
    )
    second = bench.start()
    wait_until(lambda: bench.statuses)
    unclear = ctl('stop', *PATIENT)
    assert unclear.code == 2 and unclear.err == (
        'record-ctl: several recorders run: /recorder, /robot_05/recorder; '
        'choose one with --node\n'
    )
    absent = ctl('pause', '--node', '/robot_06/recorder')
    assert absent.code == 3 and absent.err == (
        'record-ctl: no recorder /robot_06/recorder found within 5 s; '
        'there is /recorder, /robot_05/recorder\n'
    )
    chosen = ctl('--node', '/robot_05/recorder', 'stop', *PATIENT)
    assert chosen.code == 0 and chosen.out.startswith('/robot_05/recorder: stopped')
    assert bench.statuses[-1].mode == RecorderStatus.MODE_RECORDING
    bench.end(second)
    assert elsewhere.end(30, ask=signal.SIGINT) == 0


def test_a_recorder_that_hangs_is_given_up_in_time(ros, ctl):
    hanging = ros.node('recorder')  # nobody serves its callbacks
    hanging.create_publisher(RecorderStatus, '~/status', 1)
    hanging.create_service(Trigger, '~/pause', lambda request, response: response)
    answer = ctl('pause', '--node', '/recorder', '--timeout', '5s')
    assert answer.code == 1 and '/recorder: no answer of ~/pause within 5 s' in answer.err, answer


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        ((), 'COMMAND'),
        (('dance',), "invalid choice: 'dance'"),
        (('add-topics',), 'PATTERN'),
        (('add-topics', '/a('), "'/a(': not a regular expression"),
        (('snapshot', '--before', 'long'), "'long': accepted are seconds, or text with a unit"),
        (('snapshot', '--after', '-3'), "'-3': accepted are seconds"),
        (('status', '--timeout', '0'), "'0': accepted is more than 0 s"),
    ],
)
def test_wrong_usage_is_told(arguments, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    'command',
    [
        (), ('status',), ('start',), ('stop',), ('pause',), ('resume',), ('split',),
        ('set-mission',), ('add-topics',), ('drop-topics',), ('snapshot',),
    ],
)
def test_each_help_has_an_example_that_is_accepted(command, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*command, '--help'])
    assert ended.value.code == 0
    run = 'ros2 run twinsight_recorder record-ctl '
    examples = [
        line.split(run)[1] for line in capsys.readouterr().out.splitlines() if run in line
    ]
    assert examples
    for example in examples:
        words = [word.strip("'") for word in example.split()]
        assert words[:1] == list(command) or not command
        parser().parse_args(words)


@pytest.mark.parametrize(
    ('text', 'seconds'), [('30s', 30.0), ('500ms', 0.5), ('2min', 120.0), ('1.5', 1.5)]
)
def test_a_duration_has_a_unit_or_is_in_seconds(text, seconds):
    options = parser().parse_args(['snapshot', '--before', text, '--after', text])
    assert (options.before, options.after) == (seconds, seconds)
