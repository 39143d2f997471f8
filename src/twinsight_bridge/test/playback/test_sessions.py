"""How sessions begin, are shared, and end."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys

import pytest
from pytest_ros import wait_until

from twinsight_bridge.playback.errors import (
    NoSessionError,
    QueryError,
    SessionConflictError,
    SessionLimitError,
)
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.session import Session
from twinsight_bridge.playback.session_query import SessionQuery
from twinsight_bridge.playback.session_settings import SessionSettings
from twinsight_bridge.playback.sessions import SessionRules, Sessions
from twinsight_store.connection import URL_VARIABLE
from twinsight_store.errors import (
    ConfigurationError,
    StoreUnavailableError,
)
from twinsight_store.selection import Selection

SECOND = 1_000_000_000


def test_metrics_and_alerts_are_channels(drive, history, new_bridge):
    with new_bridge(drive.settings, postgres_url=history) as bridge:
        topics = ('/metrics/battery/percentage', '/alerts', '/events')
        _, viewer = bridge.watch(*topics, mission='mission_42', paused='true')
        viewer.request(0, rate=20)  # obeyed when all topics are subscribed to
        viewer.state(lambda state: state.status == 3)
        viewer.settle(10)
        assert {'/odom', *topics} <= viewer.channels.keys()
        metrics = viewer.messages(topics[0])
        assert [each.log_ns for each in metrics] == [
            drive.start_ns + second * SECOND for second in range(8)
        ]
        assert viewer.channels['/alerts']['schemaName'] == 'twinsight_interfaces/msg/Alert'
        alert, = viewer.messages('/alerts')
        assert alert.log_ns == drive.start_ns + 3 * SECOND and b'battery low' in alert.data
        assert len(viewer.messages('/events')) == 1


def test_what_is_wrong_is_said_at_once(bridge):
    with pytest.raises(QueryError, match="from: time 'yesterday': accepted are ISO 8601") as wrong:
        bridge.open(from_='yesterday')
    assert wrong.value.field == 'from'
    with pytest.raises(QueryError, match="session: 'evening' does not run"):
        bridge.open(session='evening')
    assert bridge.sessions.describe() == []


def test_a_store_that_is_away_is_said(drive, new_bridge):
    with (
        new_bridge(drive.settings, url='http://127.0.0.1:9') as bridge,
        pytest.raises(StoreUnavailableError, match='127.0.0.1:9 does not answer'),
    ):
        bridge.open(robot='robot_05')


def test_no_store_is_said():
    async def work():
        await Sessions(environment={}).open({})

    with pytest.raises(ConfigurationError, match=f'{URL_VARIABLE} is not set'):
        asyncio.run(work())


def test_joining_and_limits(drive, new_bridge):
    with new_bridge(drive.settings, max_sessions=1) as bridge:
        async def both():
            query = {'robot': ['robot_05'], 'session': ['evening']}
            return await asyncio.gather(*(bridge.sessions.open(query) for _ in range(2)))

        first, second = bridge.ask(both())
        assert first is second is bridge.open(session='evening')
        viewer = bridge.look_at(first)
        with pytest.raises(SessionConflictError, match="'evening' plays --robot robot_05: leave"):
            bridge.open(session='evening', robot='robot_06')
        with pytest.raises(SessionLimitError, match=r'1 replay sessions run.*max_sessions 1'):
            bridge.open(robot='robot_05')
        bridge.ask(bridge.sessions.close('evening'))
        wait_until(lambda: not viewer.is_open)
        with pytest.raises(NoSessionError, match="'evening': there is none"):
            bridge.ask(bridge.sessions.close('evening'))


def test_a_session_that_is_killed_is_over(drive, new_bridge, caplog, children_of, is_running):
    with new_bridge(drive.settings) as bridge:
        session, viewer = bridge.watch('/odom', robot='robot_05', session='evening')
        reading = children_of(session.pid)
        os.kill(session.pid, signal.SIGKILL)
        wait_until(lambda: not viewer.is_open)
        wait_until(lambda: bridge.sessions.describe() == [])
        said = [each.message for each in caplog.records if each.levelno == logging.ERROR]
        assert said == [
            'session evening: the process of the session ended (exit code -9): open it again'
        ]
        wait_until(lambda: not any(map(is_running, reading)))
        with pytest.raises(QueryError, match="'evening' does not run"):
            bridge.open(session='evening')


def test_a_session_without_a_viewer_ends(drive, new_bridge, is_running):
    with new_bridge(drive.settings, grace_s=1.0) as bridge:
        async def look():
            session = await bridge.sessions.open({'robot': ['robot_05']})
            with session.viewer():
                await asyncio.sleep(1.3)
                return session, bridge.sessions.describe()

        session, (described,) = bridge.ask(look())
        assert described['viewers'] == 1 and described['id'] == session.id
        wait_until(lambda: bridge.sessions.describe() == [])
        wait_until(lambda: not is_running(session.pid))


def test_a_process_ends_with_the_one_that_started_it(drive, children_of, is_running):
    settings = SessionSettings('s', Selection(), buckets=(drive.settings.bucket,))
    process = subprocess.Popen(
        [sys.executable, '-m', 'twinsight_bridge.playback.session_process'],
        env={**os.environ, URL_VARIABLE: drive.settings.url},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    with process:
        process.stdin.write(json.dumps(settings.to_json()).encode() + b'\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())['ready']['port'] > 0
        pids = children_of(process.pid)
        process.stdin.close()
        assert process.wait(30) == 0
    wait_until(lambda: not any(map(is_running, pids)))


def test_orders_from_outside(bridge, drive):
    session, viewer = bridge.watch('/odom', robot='robot_05', paused='true')
    viewer.state(lambda state: state.status == 1)
    done = bridge.ask(bridge.sessions.control(
        session.id, play=True, seek_ns=drive.at_ns(200), rate=4.0
    ))
    assert done['state'] == 'playing' and done['rate'] == 4.0
    assert drive.at_ns(200) <= done['position_ns'] < drive.at_ns(240)
    told = viewer.state(lambda state: state.did_seek)
    assert told.time_ns == drive.at_ns(200) and told.request == ''
    viewer.state(lambda state: state.status == 3)
    wait_until(viewer.messages)
    assert int(viewer.messages()[0].data[8:-1]) == 199
    done = bridge.ask(bridge.sessions.control(session.id, play=False, seek_ns=drive.at_ns(10)))
    assert (done['state'], done['position']) == ('paused', '2023-11-14 22:13:20.200 UTC')
    with pytest.raises(QueryError, match=r'seek: 1970-01-01.*accepted is 2023-11-14 22:13:20'):
        bridge.ask(bridge.sessions.control(session.id, seek_ns=0))
    with pytest.raises(NoSessionError):
        bridge.ask(bridge.sessions.control('nobody', play=True))
    described, = bridge.sessions.describe()
    assert described['selection']['robot'] == ['robot_05']
    assert described['span_ns'][0] == drive.start_ns
    assert described['messages'] > 199 and described['topics'] == 5
    json.dumps(described)


class BusyChild:
    """Obeys; it says how it went on before it is asked what came of it."""

    pid = 1
    ready = {'port': 1, 'latched': [], 'span_ns': [0, 9], 'topics': 0}
    state = {'state': 'playing', 'position_ns': 8}

    async def obey(self, order):
        return {'state': 'paused', 'position_ns': order.seek_ns}


def test_the_answer_to_an_order_is_what_came_of_it():
    async def work():
        session = Session('one', SessionQuery.parsed({}), BusyChild(), 60.0, lambda: None)
        return await session.control(Order(play=False, seek_ns=5)), session.describe()

    answer, later = asyncio.run(work())
    assert (answer['state'], answer['position_ns']) == ('paused', 5)
    assert (later['state'], later['position_ns']) == ('playing', 8)


def test_rules_are_checked():
    with pytest.raises(ConfigurationError, match='max_sessions 0: accepted is more than 0'):
        SessionRules(max_sessions=0)
