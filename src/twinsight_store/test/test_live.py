"""Reading live values: the latest, the last ones, those to come; who is online."""

from __future__ import annotations

from collections import deque
import os
import signal
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import redis

from twinsight_store.errors import RecordError, StoreRefusedError, StoreUnavailableError
from twinsight_store.live import read as live
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.read import LiveLink, LiveRobot, LiveValue
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Alive, MetricInfo
from twinsight_store.metrics.metric import Series

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND


class Robot:
    """Writes what one robot measures, each delivery once a second by its clock."""

    def __init__(self, settings, robot_id='robot_01'):
        self.robot_id = robot_id
        self._sink = LiveSink(settings)
        self._number = 0

    def tell(self, values, time_ns=None, facts=(), mission='dawn'):
        """Write a sample of each of some metrics."""
        time_ns = BEGIN + self._number * SECOND if time_ns is None else time_ns
        self._number += 1
        count = len(values)
        numbers = [each if isinstance(each, float) else np.nan for each in values.values()]
        self._sink.write([Delivery(f'{self.robot_id}/metrics/1', self._number, MetricBatch(
            [Series(self.robot_id, mission, name) for name in values],
            np.full(count, time_ns), np.arange(count, dtype=np.uint32), np.array(numbers),
            {row: each for row, each in enumerate(values.values()) if isinstance(each, str)},
            facts,
        ))])
        return time_ns


@pytest.fixture
def settings(redis_url):
    return RedisSettings(redis_url)


@pytest.fixture
def robot(settings):
    return Robot(settings)


class Listener:
    """Listens in a thread, so that a test may wait for what it hears."""

    def __init__(self, listen, *given, **more):
        self.heard = deque()
        self.failure = None
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=[listen(*given, stop=self._stop, **more)], daemon=True
        )
        self._thread.start()

    def _run(self, updates):
        try:
            for update in updates:
                self.heard.append(update)
        except Exception as error:
            self.failure = error

    def take(self, count=1):
        """Return the next so many of what it hears."""
        end = time.monotonic() + 20
        while len(self.heard) < count:
            assert self._thread.is_alive() and time.monotonic() < end, list(self.heard)
            time.sleep(0.005)
        return [self.heard.popleft() for _ in range(count)]

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return list(self.heard)


@pytest.fixture
def listen():
    listeners = []

    def start(*given, **more):
        listeners.append(Listener(*given, **more))
        return listeners[-1]

    yield start
    for each in listeners:
        each.stop()


def test_the_latest_values_have_time_mission_and_unit(settings, robot):
    robot.tell({'speed': 1.0, 'state': 'docked'}, facts=[
        MetricInfo('robot_01', 'speed', 'm/s', '/odom', 'twist.twist.linear.x')
    ])
    robot.tell({'speed': 2.5}, mission='dusk')
    assert live.latest(settings, ['robot_01']) == {'robot_01': {
        'speed': LiveValue(BEGIN + SECOND, 2.5, None, 'dusk', 'm/s'),
        'state': LiveValue(BEGIN, None, 'docked', 'dawn', ''),
    }}


def test_the_latest_of_all_robots_are_those_of_each(settings):
    for number in range(250):
        Robot(settings, f'robot_{number:03}').tell({'speed': float(number)})
    found = live.latest(settings)
    assert list(found) == [f'robot_{number:03}' for number in range(250)]
    assert [values['speed'].value for values in found.values()] == list(range(250))
    two = live.latest(settings, ['robot_007', 'nobody'])
    assert two == {'robot_007': found['robot_007'], 'nobody': {}}


def test_a_robot_is_online_until_it_was_silent_for_the_time_out(settings, robot):
    robot.tell({'speed': 1.0})
    Robot(settings, 'robot_02').tell({}, facts=[Alive('robot_02', 'dusk', BEGIN + 5 * SECOND)])
    at = {
        seconds: [each.online for each in live.robots(settings, 10.0, BEGIN + seconds * SECOND)]
        for seconds in (0, 10, 11, 15, 16)
    }
    assert at == {
        0: [True, True], 10: [True, True], 11: [False, True], 15: [False, True],
        16: [False, False],
    }
    assert live.robots(settings, 10.0, BEGIN + 12 * SECOND) == [
        LiveRobot('robot_01', BEGIN, 'dawn', False),
        LiveRobot('robot_02', BEGIN + 5 * SECOND, 'dusk', True),
    ]


def test_now_is_the_clock_of_this_machine(settings, robot):
    robot.tell({'speed': 1.0}, time.time_ns())
    Robot(settings, 'robot_02').tell({'speed': 1.0}, time.time_ns() - 20 * SECOND)
    assert [each.online for each in live.robots(settings)] == [True, False]


def test_recent_gives_the_newest_in_the_order_in_which_they_were_written(settings, robot):
    now_ns = time.time_ns()
    for second in range(10):
        robot.tell({'speed': float(second), 'state': 'a'}, now_ns + (second - 9) * SECOND)
    found = live.recent(settings, 'robot_01', 3)
    assert [each.values for each in found] == [
        {'speed': second, 'state': 'a'} for second in (7.0, 8.0, 9.0)
    ]
    assert found[-1][:3] == ('robot_01', now_ns, 'dawn')
    since = live.recent(settings, 'robot_01', since_ns=now_ns - 4 * SECOND)
    assert [each.values['speed'] for each in since] == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert [each.time_ns for each in live.recent(
        settings, 'robot_01', 2, since_ns=now_ns - 4 * SECOND + 1
    )] == [now_ns - SECOND, now_ns]
    assert live.recent(settings, 'nobody') == []


def test_recent_reads_on_over_many_pages(settings):
    sink = LiveSink(settings)
    count = 3500
    sink.write([Delivery('a', 1, MetricBatch(
        [Series('robot_01', 'dawn', 'speed')], BEGIN + np.arange(count),
        np.zeros(count, np.uint32), np.arange(count, dtype=float),
    ))])
    sink.close()
    found = live.recent(settings, 'robot_01', 3200)
    assert [each.values['speed'] for each in found] == list(range(300, 3500))


def test_follow_hears_what_is_written_from_now_on(settings, robot, listen):
    robot.tell({'speed': 0.0})
    listener = listen(live.follow, settings, ['robot_01'])
    assert listener.take() == [LiveLink(True)]
    other = Robot(settings, 'robot_02')
    for number in range(1, 4):
        robot.tell({'speed': float(number), 'state': 'a "b"\n'})
        other.tell({'speed': -1.0})
    assert [(each.robot_id, each.time_ns - BEGIN, each.values) for each in listener.take(3)] == [
        ('robot_01', number * SECOND, {'speed': float(number), 'state': 'a "b"\n'})
        for number in (1, 2, 3)
    ]
    assert listener.stop() == []


def test_follow_of_nobody_hears_all(settings, listen):
    listener = listen(live.follow, settings)
    assert listener.take() == [LiveLink(True)]
    for robot_id in ('robot_01', 'robot *', 'Ü'):
        Robot(settings, robot_id).tell({'speed': 1.0})
    assert [each.robot_id for each in listener.take(3)] == ['robot_01', 'robot *', 'Ü']


def test_follow_says_when_it_hears_nothing_and_when_it_hears_again(redis_server, listen):
    settings = RedisSettings(redis_server.url)
    listener = listen(live.follow, settings, ['robot_01'])
    assert listener.take() == [LiveLink(True)]
    redis_server.kill()
    (lost,) = listener.take()
    assert not lost.connected
    assert f'Redis at 127.0.0.1:{redis_server.port} does not answer' in lost.problem
    redis_server.restart()
    assert listener.take() == [LiveLink(True)]
    Robot(settings).tell({'speed': 1.0})
    assert [each.values for each in listener.take()] == [{'speed': 1.0}]


class Patience:
    """
    Lets time pass for a listener only where nothing came, and let it wait long for an answer.

    So a server that is slow, on a busy machine, is not taken for one that hangs.
    """

    def __init__(self, monkeypatch):
        self.answers = 0
        self.expected = True
        self._asked_by = None
        self._now_s = 0.0
        self._get_message = redis.client.PubSub.get_message
        self._ping = redis.client.PubSub.ping
        monkeypatch.setattr(live, 'time', SimpleNamespace(monotonic=lambda: self._now_s))
        monkeypatch.setattr(redis.client.PubSub, 'ping', lambda channels: self.ping(channels))
        monkeypatch.setattr(
            redis.client.PubSub, 'get_message',
            lambda channels, timeout: self.get_message(channels),
        )

    def ping(self, channels):
        self._asked_by = channels
        self._ping(channels)

    def get_message(self, channels):
        wait_s = 20 if self._asked_by is channels and self.expected else 0.05
        message = self._get_message(channels, timeout=wait_s)
        if message is None:
            self._now_s += 3.0
        elif message['type'] == 'pong':
            self.answers += 1
            self._asked_by = None
        return message


def test_follow_stays_connected_where_nothing_is_said_and_notices_a_server_that_hangs(
    redis_server, listen, monkeypatch
):
    patience = Patience(monkeypatch)
    listener = listen(live.follow, RedisSettings(redis_server.url, timeout_s=5), ['robot_01'])
    assert listener.take() == [LiveLink(True)]
    end = time.monotonic() + 20
    while patience.answers < 3:
        assert not listener.heard
        assert time.monotonic() < end, 'it does not ask whether the server is there'
        time.sleep(0.01)
    assert not listener.heard
    patience.expected = False
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        (lost,) = listener.take()
        assert 'silent for 5 s' in lost.problem
    finally:
        patience.expected = True
        os.kill(redis_server.pid, signal.SIGCONT)
    assert listener.take() == [LiveLink(True)]


def test_tail_misses_nothing_over_an_outage(redis_server, listen):
    settings = RedisSettings(redis_server.url)
    robot = Robot(settings)
    robot.tell({'speed': 0.0})
    listener = listen(live.tail, settings, 'robot_01')
    assert listener.take() == [LiveLink(True)]
    robot.tell({'speed': 1.0})
    (first,) = listener.take()
    assert first.values == {'speed': 1.0}
    with redis.Redis.from_url(redis_server.url) as admin:
        # Away and back, with something written before the reader is there again.
        admin.client_kill_filter(_type='normal', skipme=True)
        robot.tell({'speed': 2.0})
    redis_server.kill()
    redis_server.restart()
    robot.tell({'speed': 3.0})
    heard = []
    while heard[-1:] != [3.0]:
        (each,) = listener.take()
        if not isinstance(each, LiveLink):
            heard.append(each.values['speed'])
    assert heard == [2.0, 3.0]
    again = listen(live.tail, settings, 'robot_01', first.entry_id)
    assert [each.values['speed'] for each in again.take(3)[1:]] == [2.0, 3.0]


def test_tail_from_the_begin_gives_all_there_is(settings, robot, listen):
    for number in range(5):
        robot.tell({'speed': float(number)})
    listener = listen(live.tail, settings, 'robot_01', '0')
    assert [each.values['speed'] for each in listener.take(6)[1:]] == list(range(5))


def test_whoever_is_refused_is_told_and_does_not_try_for_ever(settings, listen):
    with redis.Redis.from_url(settings.url) as admin:
        admin.config_set('requirepass', 'hunter2')
    listener = listen(live.follow, settings, ['robot_01'])
    listener._thread.join(30)
    assert isinstance(listener.failure, StoreRefusedError)
    assert 'it wants a password' in str(listener.failure)
    for ask in (live.latest, live.robots):
        with pytest.raises(StoreRefusedError, match='put it into TWINSIGHT_REDIS_URL'):
            ask(settings)


def test_what_is_not_ours_is_named(settings, robot):
    robot.tell({'speed': 1.0})
    with redis.Redis.from_url(settings.url) as admin:
        admin.hset('twinsight:live:robot_01', 'speed', 'fast')
        with pytest.raises(RecordError, match="Redis: twinsight:live:robot_01 holds b'fast'"):
            live.latest(settings, ['robot_01'])
        admin.hset('twinsight:robots', 'robot_01', '{}')
        with pytest.raises(RecordError, match='Redis: twinsight:robots holds'):
            live.robots(settings)
        admin.xadd('twinsight:metrics:robot_01', {'note': 'mine'})
        with pytest.raises(RecordError, match='Redis: twinsight:metrics:robot_01 holds'):
            live.recent(settings, 'robot_01')


def test_nobody_there_is_told(redis_server):
    settings = RedisSettings(redis_server.url)
    redis_server.stop()
    for ask in (live.latest, live.robots):
        with pytest.raises(StoreUnavailableError, match='start it, or set TWINSIGHT_REDIS_URL'):
            ask(settings)
