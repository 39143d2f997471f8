"""tools/up with real processes: its arguments, its output, its end."""

from collections.abc import Callable, Iterator
import contextlib
import json
import os
from pathlib import Path
import pty
import re
import signal
import subprocess
import sys
import time
from typing import Any

import httpx
import psycopg
import pytest
from pytest_foxglove import FoxgloveViewer
from pytest_ros import wait_until
import redis

from twinsight_store.connection import StoreSettings
from twinsight_store.errors import NothingMatchedError
from twinsight_store.read import read
from twinsight_store.selection import Selection
from twinsight_tools.ros_domain import own_ros_domain

ROOT = Path(__file__).resolve().parents[2]
UP = str(ROOT / 'tools' / 'up')
SIMULATOR = ('recorder:=false', 'metrics:=false', 'sim:=true')
TIMEOUT_S = 60.0

Env = dict[str, str]

# Runs the supervisor on shell commands, each with 0.3 s between the signals.
SUPERVISE = """
import os, sys
from stack import Process
from supervisor import Output, Supervisor
def plan(label):
    return Process(label, '', '', (), (), '/**', (), 0.3, 0.3)
commands = [(plan(f'node_{n}'), ['sh', '-c', text]) for n, text in enumerate(sys.argv[1:])]
sys.exit(Supervisor(Output()).run(commands, os.environ))
"""

pytestmark = pytest.mark.skipif(
    not (ROOT / 'install' / 'twinsight_sim').exists(),
    reason='needs the workspace: run `make build`',
)


@pytest.fixture(scope='module')
def env() -> Iterator[Env]:
    """Give an environment in which DDS stays on this machine, in a domain of its own."""
    with own_ros_domain() as number:
        yield {
            **os.environ,
            'ROS_DOMAIN_ID': str(number),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }


class Run:
    """A command under way, whose output is read line by line."""

    def __init__(self, argv: list[str], env: Env) -> None:
        self.popen = subprocess.Popen(
            argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert self.popen.stdout is not None
        self.lines: list[str] = []
        self._rest = self.popen.stdout

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read on until a line matches."""
        for line in self._rest:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f'ended without {pattern!r}:\n{"".join(self.lines)}')

    def end(self) -> int:
        """Read the rest and return the exit code."""
        self.lines += self._rest
        return self.popen.wait(TIMEOUT_S)


Start = Callable[..., Run]


@pytest.fixture
def start(env: Env) -> Iterator[Start]:
    """
    Return a function that starts a command; what still runs at the end is ended.

    What else is given is added to its environment.
    """
    runs: list[Run] = []

    def start(*argv: str, **more: str) -> Run:
        runs.append(Run(list(argv), {**env, **more}))
        return runs[-1]

    yield start
    for run in runs:
        run.popen.terminate()  # which ends the nodes too, where a kill would leave them behind
        run.popen.wait(TIMEOUT_S)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['robot:=robot_05'], "unknown argument 'robot'; accepted: robot_id, mission_id"),
        (['sim'], "'sim' is not of the form NAME:=VALUE; accepted names: robot_id"),
        (['sim:=maybe'], 'sim:=maybe is neither true nor false; accepted: true, 1, false, 0'),
        (['config:=/nowhere.yaml'], 'config:=/nowhere.yaml: no such parameter file'),
        (['dds_profile:=/nowhere.xml'], 'dds_profile:=/nowhere.xml: no such file; give a '),
        ([*SIMULATOR, 'namespace:=5th'], 'namespace:=5th is not a ROS namespace'),
        (['recorder:=false', 'metrics:=false'], 'no part of the stack is on'),
        (['metrics:=true', 'alerts_config:=/no.yaml'], 'alerts_config:=/no.yaml: no such para'),
    ],
)
def test_a_wrong_argument_is_one_line_and_code_2(
    words: list[str], expected: str, env: Env
) -> None:
    done = subprocess.run([UP, *words], env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 2
    assert done.stdout == ''
    assert done.stderr.startswith(f'error: {expected}')
    assert done.stderr.count('\n') == 1


def test_show_args_names_every_argument_with_its_default(env: Env) -> None:
    done = subprocess.run([UP, '-s'], env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0
    assert "    'robot_id':\n" in done.stdout
    assert "(default: 'robot_01')" in done.stdout
    shown = re.findall(r"^    '(\w+)':$", done.stdout, re.MULTILINE)
    assert shown == re.findall(
        r'^- arg:\n    name: (\w+)$', (ROOT / 'launch' / 'stack.yaml').read_text(), re.MULTILINE
    )


def test_help_shows_an_example(env: Env) -> None:
    done = subprocess.run([UP, '--help'], env=env, capture_output=True, text=True)
    assert done.returncode == 0
    assert 'tools/up robot_id:=robot_05' in done.stdout


@pytest.mark.parametrize(('words', 'reads_it'), [((), True), (('dds_profile:=none',), False)])
def test_a_node_reads_the_dds_profile(
    words: tuple[str, ...], reads_it: bool, start: Start, env: Env
) -> None:
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        env.pop(name, None)
    run = start(UP, *SIMULATOR, *words)
    pid = int(run.wait_for(r'^\[up\] sim_robot started, pid (\d+)$')[1])
    run.wait_for(r'^\[sim_robot\] .*until stopped$')
    sizes = re.findall(r'^([0-9a-f]+)-([0-9a-f]+) .* /dev/shm/fastdds_[0-9a-f]+$',
                       Path(f'/proc/{pid}/maps').read_text(), re.MULTILINE)
    largest = max(int(end, 16) - int(begin, 16) for begin, end in sizes)
    assert (largest > 100_000_000) == reads_it, largest


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_node_cleanly(number: signal.Signals, start: Start) -> None:
    run = start(UP, *SIMULATOR, 'namespace:=robot_05')
    pid = int(run.wait_for(r'^\[up\] sim_robot started, pid (\d+)$')[1])
    run.wait_for(r'^\[sim_robot\] .*until stopped$')
    time.sleep(0.5)
    assert is_running(pid)
    run.popen.send_signal(number)
    assert run.end() == 0
    assert not is_running(pid)
    assert re.search(r'^\[sim_robot\] .* messages published', ''.join(run.lines), re.MULTILINE)
    assert run.lines[-1] == '[up] sim_robot ended, exit code 0\n'
    assert all(re.match(r'\[(up|sim_robot)\] ', line) for line in run.lines), run.lines


def test_the_bridge_is_part_of_the_stack(start: Start) -> None:
    run = start(UP, *SIMULATOR, 'bridge:=true', 'bridge_port:=0')
    url = run.wait_for(r'open (ws://127\.0\.0\.1:\d+) in Foxglove$')[1]
    with FoxgloveViewer(url) as viewer:
        viewer.subscribe('/camera/front/image_raw/compressed', '/map')
        wait_until(lambda: {each.topic for each in tuple(viewer.got)} == {
            '/camera/front/image_raw/compressed', '/map'
        })
    run.popen.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert '[up] bridge ended, exit code 0\n' in run.lines


def test_the_api_is_part_of_the_stack(start: Start, redis_url: str) -> None:
    run = start(UP, *SIMULATOR, 'api:=true', 'api_port:=0', TWINSIGHT_REDIS_URL=redis_url)
    url = run.wait_for(r'(http://127\.0\.0\.1:\d+) \(documentation at /docs\)$')[1]
    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:
        offered = client.get('/robots/robot_01/commands').json()['commands']
        assert {'stop', 'go_to_pose'} <= {each['name'] for each in offered}
        stores = {each['store']: each for each in client.get('/health').json()['stores']}
        assert stores['Redis']['state'] == 'ok'
    run.popen.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert '[up] api ended, exit code 0\n' in run.lines


def wait_until_recorded(settings: StoreSettings) -> None:
    """Return when the store has something; fail where it never does."""
    end = time.monotonic() + TIMEOUT_S
    while True:
        try:
            next(iter(read(Selection(), settings)))
            return
        except NothingMatchedError:
            assert time.monotonic() < end, 'nothing is recorded'
            time.sleep(0.1)


def newest_odom(client: redis.Redis) -> dict[str, Any]:
    """Return what Redis has of a metric now, with its mission."""
    return json.loads(client.hget('twinsight:live:robot_05', 'odom.x') or '{}')


def newest_recorded_mission(settings: StoreSettings) -> str:
    """Return the mission of the message that was recorded last."""
    *_, newest = read(Selection(robots=('robot_05',)), settings)
    return newest.labels['mission_id']


def test_metrics_arrive_in_both_stores_with_the_mission_of_the_recorder(
    start: Start, tmp_path: Path, store_settings: StoreSettings, postgres_url: str, redis_url: str
) -> None:
    config = tmp_path / 'recorder.yaml'
    config.write_text(
        '/**: {ros__parameters: {topics: {include: [/robot_05/odom]}, '
        f'store: {{bucket: {store_settings.bucket}}}}}}}'
    )
    run = start(
        UP, 'robot_id:=robot_05', 'namespace:=robot_05', f'config:={config}',
        'metrics:=true', 'sim:=true',
        TWINSIGHT_REDUCT_URL=store_settings.url, TWINSIGHT_POSTGRES_URL=postgres_url,
        TWINSIGHT_REDIS_URL=redis_url, ROS_HOME=str(tmp_path),
    )  # fmt: skip
    run.wait_for(r'^\[metrics_recorder\] .*redis takes metrics$')
    wait_until_recorded(store_settings)
    with redis.Redis.from_url(redis_url) as client:
        end = time.monotonic() + TIMEOUT_S
        while client.xlen('twinsight:metrics:robot_05') < 400:
            assert time.monotonic() < end, 'no metrics'
            time.sleep(0.1)
        # Nobody named a mission. The two agree on one, once they have found each other.
        wait_until(lambda: newest_odom(client).get('mission_id')
                   == newest_recorded_mission(store_settings))
        run.popen.send_signal(signal.SIGINT)
        assert run.end() == 0, ''.join(run.lines)
        latest = newest_odom(client)
    with psycopg.connect(postgres_url) as connection:
        x = connection.execute(
            "SELECT robot_id, mission_id, value FROM metric WHERE name = 'odom.x' ORDER BY time"
        ).fetchall()
    mission = newest_recorded_mission(store_settings)
    assert x[-1][:2] == ('robot_05', mission)
    assert (latest['value'], latest['mission_id']) == (x[-1][2], mission)


def test_the_first_failure_is_the_exit_code_and_the_others_go_on(
    start: Start, tmp_path: Path
) -> None:
    def once(name: str, then: str) -> str:
        return f"until [ -e '{tmp_path}/{name}' ]; do sleep 0.05; done; {then}"

    run = start(
        sys.executable, '-c', SUPERVISE,
        once('second', 'exit 4'), 'exit 3', once('third', 'echo alive'),
    )  # fmt: skip
    run.wait_for(r'^\[up\] node_1 died, exit code 3$')
    (tmp_path / 'second').touch()
    run.wait_for(r'^\[up\] node_0 died, exit code 4$')
    (tmp_path / 'third').touch()
    assert run.end() == 3
    assert '[node_2] alive\n' in run.lines


def test_a_failure_before_ctrl_c_stays_the_exit_code(start: Start) -> None:
    run = start(sys.executable, '-c', SUPERVISE, 'exit 3', 'exec sleep 60')
    run.wait_for('node_0 died')
    run.popen.send_signal(signal.SIGINT)
    assert run.end() == 3


def test_a_node_that_does_not_end_is_terminated_then_killed(start: Start) -> None:
    stubborn = "trap '' INT TERM; echo deaf; while :; do sleep 0.05; done"
    run = start(sys.executable, '-c', SUPERVISE, stubborn)
    pid = int(run.wait_for(r'started, pid (\d+)')[1])
    run.wait_for('deaf')
    run.popen.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert run.lines[-4:] == [
        '[up] stopping node_0\n',
        '[up] node_0 did not end in time, sent SIGTERM\n',
        '[up] node_0 did not end in time, sent SIGKILL\n',
        '[up] node_0 ended, signal SIGKILL\n',
    ]
    assert not is_running(pid)


def all_of(terminal: int) -> str:
    """Return what was written to a terminal that nobody writes to any more."""
    text = b''
    with contextlib.suppress(OSError):  # EIO is its end
        while data := os.read(terminal, 65536):
            text += data
    return text.decode()


def test_names_are_coloured_on_a_terminal_only(start: Start, env: Env) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.run(
        [sys.executable, '-c', SUPERVISE, 'printf "a\\nlast, without newline"'],
        env={name: value for name, value in env.items() if name != 'NO_COLOR'},
        stdout=theirs,
        timeout=TIMEOUT_S,
    )
    os.close(theirs)
    shown = all_of(ours)
    os.close(ours)
    assert process.returncode == 0
    assert '\x1b[33m[node_0]\x1b[0m a\r\n' in shown
    assert '\x1b[33m[node_0]\x1b[0m last, without newline\r\n' in shown

    run = start(sys.executable, '-c', SUPERVISE, 'echo a')
    assert run.end() == 0
    assert '[node_0] a\n' in run.lines
    assert '\x1b' not in ''.join(run.lines)


def test_nodes_end_when_nobody_reads_the_output(env: Env) -> None:
    chatty = 'while :; do echo line; sleep 0.05; done'
    run = subprocess.Popen(
        [sys.executable, '-c', SUPERVISE, chatty], env=env, stdout=subprocess.PIPE
    )
    assert run.stdout is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.wait(TIMEOUT_S) == 0
