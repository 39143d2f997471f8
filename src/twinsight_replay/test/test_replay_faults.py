"""The replay command while its stores are killed, fall silent or are not there."""

from contextlib import closing
from itertools import pairwise
import json
from pathlib import Path
import re
import shutil
import signal
import statistics
import time

import numpy as np
import pytest
from pytest_ros import wait_until
from rosbag2_interfaces.srv import Pause

from twinsight_interfaces.msg import ReplayStatus
from twinsight_replay.ros_times import to_ns
from twinsight_store.connection import StoreSettings, URL_VARIABLE
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.postgres import URL_VARIABLE as POSTGRES_VARIABLE
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_store.record_query import WINDOW_BYTES

START_NS = 1_700_000_000_000_000_000
S = 10**9
MB = 1_000_000
SECONDS = 4
ODOM_STEP_NS = S // 50
METRIC_STEP_NS = S // 500
METRIC = 'twinsight_interfaces/msg/Metric'
METRICS = ('a', 'b', 'c', 'd')
STATUS = '/replay/status'
BARELY_AHEAD = ('--read-ahead', '1')
AT_ONCE = ('--wait-for-subscribers', '0', '--discovery-time', '0')


@pytest.fixture
def store_settings(reduct_server):
    """Return the settings of a bucket on a server of the test's own, which it may end."""
    return StoreSettings(reduct_server.url, bucket='test')


@pytest.fixture
def robot(store, channel, text, reduct_server):
    """
    Store some seconds of a robot: numbers on /odom and, between them, 16 MB a second.

    So no more than some seconds are read ahead. Of the 16 MB a second the type is not installed:
    they are read and counted, and nobody has to listen to them.
    """
    odom, image = channel('/odom'), text('x' * 1_600_000)
    camera = channel('/camera', 'strange_msgs/msg/Thing')
    store(
        [(odom, START_NS + n * ODOM_STEP_NS, text(n)) for n in range(SECONDS * 50)]
        + [(camera, START_NS + n * S // 10 + 1, image) for n in range(SECONDS * 10)]
    )
    reduct_server.restart()  # or what was written last is not on the disk yet
    return odom


@pytest.fixture
def metrics(postgres_server):
    """Store 2000 samples a second of the same robot; return the topics."""
    settings, count = PostgresSettings(postgres_server.url), SECONDS * S // METRIC_STEP_NS
    with connect(settings) as connection:
        migrate(connection)
    times = START_NS + np.arange(count) * METRIC_STEP_NS
    with closing(HistorySink(settings)) as sink:
        for number, name in enumerate(METRICS):
            batch = MetricBatch(
                [Series('robot_05', 'mission_42', name)], times, np.zeros(count, np.uint32),
                np.arange(count, dtype=float), {}, [],
            )
            sink.write([Delivery('robot_05', number, batch)])
    return [f'/metrics/{name}' for name in METRICS]


class Victim:
    """
    What happens to a store.

    env     how the replay gets to it
    fail, recover  make it go away, and come back
    """

    def __init__(self, fail, recover, **env):
        self.fail, self.recover, self.env = fail, recover, env


@pytest.fixture
def victim(request, reduct_server, robot, gate):
    """Give a store that goes away as the test's parameter says."""
    if request.param == 'store silent':
        before = gate(reduct_server.url)
        return Victim(before.shut, before.open, **{URL_VARIABLE: before.url})
    server = reduct_server
    env = {}
    if request.param == 'database killed':
        request.getfixturevalue('metrics')
        server = request.getfixturevalue('postgres_server')
        env = {POSTGRES_VARIABLE: server.url}
    return Victim(server.kill, server.start, **env)


def position_ns(status):
    return to_ns(status.position)


def wait_until_played(operator, part_ns):
    wait_until(lambda: position_ns(operator.status) > START_NS + part_ns)


def wait_until_it_stands(operator):
    """Return when it has said for a second that it waits, at one position all the time."""
    since_ns = time.time_ns()

    def stands():
        latest = operator.messages(STATUS, since_ns)[-10:]
        return len(latest) == 10 and {(each.state, position_ns(each)) for each in latest} == {
            (ReplayStatus.WAITING, position_ns(latest[0]))
        }

    wait_until(stands)


def waited_ns(operator):
    """Return for how long it said that it waits, once it had begun to play."""
    told = [each for each in operator.messages(STATUS) if position_ns(each) > START_NS]
    return sum(
        to_ns(after.header.stamp) - to_ns(before.header.stamp)
        for before, after in zip(told, told[1:], strict=False)
        if before.state == after.state == ReplayStatus.WAITING
    )


def longest_silence_ns(operator):
    """Return the longest time between two statuses: more than usual where all was held up."""
    stamps = [to_ns(each.header.stamp) for each in operator.messages(STATUS)]
    return max(after - before for before, after in pairwise(stamps))


def fallen_back(offsets):
    """Return by how much what is played has caught up with its time, at most."""
    highest, fallen = offsets[0], 0
    for offset in offsets:
        highest = max(highest, offset)
        fallen = max(fallen, highest - offset)
    return fallen


def test_what_has_to_catch_up_is_told_from_what_stood_still():
    assert fallen_back([0, 2, 1, 3, 900, 902, 901]) == 1
    assert fallen_back([0, 2, 1, 900, 600, 300, 0]) == 900


@pytest.mark.parametrize(
    'victim', ['store killed', 'store silent', 'database killed'], indirect=True
)
def test_while_a_store_is_away_the_time_stands_and_nothing_is_lost_or_hurried(
    operator, robot, channel, victim, request
):
    steps = {'/odom': ODOM_STEP_NS}
    if POSTGRES_VARIABLE in victim.env:
        steps |= dict.fromkeys(request.getfixturevalue('metrics'), METRIC_STEP_NS)
    operator.watch(robot, *(channel(topic, METRIC) for topic in steps if topic != '/odom'))
    playing = operator.start(*BARELY_AHEAD, '--start-paused', '--json', **victim.env)
    operator.wait_for(ReplayStatus.PAUSED)  # or it might have read all before the store is away
    victim.fail()
    operator.ask('resume')
    wait_until_it_stands(operator)
    victim.recover()
    assert playing.end(60) == 0, playing.text()

    operator.settle(operator.has_finished)
    stood_ns, held_up_ns = waited_ns(operator), longest_silence_ns(operator)
    for topic, step_ns in steps.items():
        messages = operator.messages(topic)
        numbers = [int(each.data if topic == '/odom' else each.value) for each in messages]
        assert numbers == list(range(SECONDS * S // step_ns))
        offsets = [each.source_ns - n * step_ns for n, each in enumerate(operator.seen(topic))]
        assert offsets[-1] - min(offsets) > 0.8 * stood_ns
        assert fallen_back(offsets) < stood_ns / 3 + held_up_ns
        # Over a tenth of a second: from one to the next it depends on how busy the machine is.
        later = offsets[S // 10 // step_ns:]
        errors = [abs(b - a) for a, b in zip(offsets, later, strict=False)]
        assert statistics.median(errors) < S // 20
    report = json.loads(playing.out.read_text())
    in_all = sum(SECONDS * S // step_ns for step_ns in steps.values())
    assert (report['published'], report['not_published']) == (in_all, SECONDS * 10)
    assert report['unreadable'] == 0


@pytest.mark.parametrize(('victim', 'number'), [
    ('store silent', signal.SIGINT), ('database killed', signal.SIGTERM),
], indirect=['victim'])
def test_while_a_store_is_away_it_can_be_interrupted(operator, victim, number):
    playing = operator.start(*AT_ONCE, *BARELY_AHEAD, '--start-paused', **victim.env)
    operator.wait_for(ReplayStatus.PAUSED)  # or it might have read all before the store is away
    victim.fail()
    operator.ask('resume')
    wait_until_it_stands(operator)
    assert playing.end(30, ask=number) == 130, playing.text()
    assert 'Traceback' not in playing.text()


@pytest.mark.parametrize(('variable', 'url', 'said'), [
    (URL_VARIABLE, 'http://127.0.0.1:9', 'ReductStore at http://127.0.0.1:9 does not answer'),
    (POSTGRES_VARIABLE, 'postgresql://x@127.0.0.1:9/x', 'PostgreSQL at 127.0.0.1:9/x does not'),
])
def test_a_store_that_is_dead_at_the_start_is_one_line_and_code_1(
    operator, robot, variable, url, said
):
    playing = operator.start(**{variable: url})
    assert playing.end(60) == 1
    [line] = playing.text().strip().splitlines()
    assert said in line


def test_interrupted_before_it_plays_it_ends_though_somebody_has_asked(operator, robot):
    playing = operator.start('--wait-for-subscribers', '1000')
    pause = operator.node.create_client(Pause, '/replay/pause')
    assert pause.wait_for_service(30)
    asked = [pause.call_async(Pause.Request()) for _ in range(6)]
    time.sleep(0.5)
    assert not any(each.done() for each in asked)  # it obeys when it plays
    assert playing.end(30, ask=signal.SIGINT) == 130


def memory(playing):
    """Return the most bytes of memory that a replay has had."""
    status = Path(f'/proc/{playing._process.pid}/status').read_text()
    [kilobytes] = re.findall(r'VmHWM:\s+(\d+) kB', status)
    return int(kilobytes) * 1024


@pytest.fixture
def three_gigabytes(store, channel, text, reduct_server, tmp_path):
    """Store 30 s of 1 MB at 100 Hz, which are not kept."""
    camera, image = channel('/camera'), text('x' * MB)
    for second in range(30):
        numbers = range(second * 100, second * 100 + 100)
        store([(camera, START_NS + n * S // 100, image) for n in numbers])
    yield
    reduct_server.kill()
    shutil.rmtree(tmp_path / 'reductstore')


def test_paused_no_more_is_in_memory_than_is_to_be_read_ahead(operator, three_gigabytes):
    playing = operator.start(*AT_ONCE, '--start-paused', '--read-ahead', '64MB')
    wait_until(lambda: operator.status.queued_bytes >= 64 * MB)
    full = len(operator.seen(STATUS))
    wait_until(lambda: len(operator.seen(STATUS)) > full + 10)
    operator.ask('resume')
    wait_until_played(operator, S)
    most_bytes = memory(playing)
    assert playing.end(30, ask=signal.SIGINT) == 130
    queued = [each.queued_bytes for each in operator.messages(STATUS)]
    assert max(queued) <= 64 * MB + 4 * WINDOW_BYTES
    assert most_bytes < 400 * MB  # Python and ROS 2, what is queued, and what is played and read
