"""WebSocket /live: snapshot, values and alerts as they come, bounded whatever the client does."""

import asyncio
from contextlib import contextmanager
import json
import socket
import time

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from twinsight_bridge.web import live_hub
from twinsight_bridge.web.live_outbox import MOST_EVENTS, MOST_VALUES, Outbox
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.read import LiveUpdate
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series


@pytest.fixture
def live(redis_server, make_site):
    """Return a site of a Redis of the test's own."""
    return make_site(None, None, RedisSettings(redis_server.url, timeout_s=20.0))


@contextmanager
def listening(api, query='', **options):
    with connect(f'ws://127.0.0.1:{api.port}/live{query}', **options) as made:
        yield lambda: json.loads(made.recv(timeout=30))


def wait_for(receive, kind):
    while (found := receive())['type'] != kind:
        pass
    return found


def now(site, robot, name, value):
    site.measure(robot, 'm', name, [(0, value)], time.time_ns())


def alert(site, robot, text):
    site.tell(Event(robot, 'm', time.time_ns(), 'alert_raised', 'warn', text, {'rule': 'x'}))


def test_a_snapshot_comes_first_and_then_what_changes(live, serve):
    now(live, 'r1', 'battery', 80.0)
    now(live, 'r2', 'battery', 70.0)
    alert(live, 'r1', 'old')
    with serve(live) as api, listening(api) as receive:
        snapshot = receive()
        assert snapshot['type'] == 'snapshot'
        assert [(each['robot_id'], each['online']) for each in snapshot['robots']] == [
            ('r1', True), ('r2', True),
        ]
        assert snapshot['robots'][0]['metrics']['battery']['value'] == 80
        assert [each['message'] for each in snapshot['events']] == ['old']

        now(live, 'r1', 'battery', 79.0)
        found = receive()
        assert (found['type'], found['robot_id']) == ('values', 'r1')
        assert found['values']['battery']['value'] == 79
        alert(live, 'r2', 'new')
        found = receive()
        assert (found['type'], found['robot_id'], found['message'], found['severity']) == (
            'event', 'r2', 'new', 'warn',
        )
        assert found['data'] == {'rule': 'x'} and found['time'].endswith('Z')


def test_only_the_robots_and_metrics_that_were_asked_for_come(live, serve):
    now(live, 'r1', 'odom.x', 1.0)
    now(live, 'r1', 'battery', 1.0)
    now(live, 'r2', 'odom.x', 1.0)
    with serve(live) as api, listening(api, '?robot=r1&name=odom.*') as receive:
        (robot,) = receive()['robots']
        assert robot['robot_id'] == 'r1' and list(robot['metrics']) == ['odom.x']
        now(live, 'r2', 'odom.x', 2.0)
        now(live, 'r1', 'battery', 2.0)
        alert(live, 'r2', 'not asked for')
        now(live, 'r1', 'odom.x', 3.0)
        found = receive()
        assert (found['robot_id'], list(found['values'])) == ('r1', ['odom.x'])


def test_where_redis_goes_away_it_is_told_and_all_goes_on_when_it_is_back(
    live, serve, redis_server
):
    now(live, 'r1', 'battery', 80.0)
    with serve(live) as api, listening(api) as receive:
        assert receive()['type'] == 'snapshot'
        redis_server.kill()
        found = receive()
        assert (found['type'], found['connected']) == ('link', False)
        assert found['problem'].startswith('Redis at 127.0.0.1:')
        redis_server.restart()
        assert wait_for(receive, 'snapshot')['robots'] is not None
        now(live, 'r1', 'battery', 78.0)
        assert wait_for(receive, 'values')['values']['battery']['value'] == 78


def test_where_redis_is_away_at_first_it_is_told(live, serve, redis_server):
    redis_server.stop()
    with serve(live) as api, listening(api) as receive, listening(api) as other:
        assert receive()['type'] == 'link' and other()['type'] == 'link'
        redis_server.restart()
        assert wait_for(receive, 'snapshot') and wait_for(other, 'snapshot')


def test_a_robot_that_goes_silent_is_told(live, serve, monkeypatch):
    monkeypatch.setattr(live_hub, 'ONLINE_S', 3600.0)
    monkeypatch.setattr(live_hub, '_LOOK_S', 0.1)
    with serve(live) as api, listening(api) as receive:
        assert receive()['robots'] == []
        now(live, 'r1', 'battery', 80.0)
        found = wait_for(receive, 'robot')
        assert (found['robot_id'], found['online']) == ('r1', True)
        monkeypatch.setattr(live_hub, 'ONLINE_S', 0.001)  # for so long it was silent
        found = wait_for(receive, 'robot')
        assert (found['robot_id'], found['online']) == ('r1', False)


def test_a_client_that_does_not_read_holds_up_no_other(live, serve, monkeypatch):
    monkeypatch.setattr('twinsight_bridge.web.live.FRAME_S', 0.001)
    rounds, names = 40, 100
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
    with serve(live) as api:
        small.connect(('127.0.0.1', api.port))
        options = {'sock': small, 'max_queue': 1, 'close_timeout': 0.1}
        with listening(api, compression=None, **options) as stalled, \
                listening(api, compression=None) as receive:
            assert receive()['type'] == 'snapshot'
            for number in range(1, rounds + 1):
                # 400 kB, so that all rounds are more than any buffer on the way.
                texts = dict.fromkeys(range(names), f'{number} ' + 'x' * 4000)
                live.deliver(MetricBatch(
                    [Series('r1', 'm', f'text{each}') for each in range(names)],
                    np.full(names, time.time_ns()), np.arange(names, dtype=np.uint32),
                    np.full(names, np.nan), texts,
                ))
                while newest(wait_for(receive, 'values')) < number:
                    pass
            seen = [0]
            while seen[-1] < rounds:
                seen.append(newest(wait_for(stalled, 'values')))
    assert len(seen) < rounds * 2 / 3
    assert seen == sorted(seen)


def newest(told):
    return max(int(each['value'].split()[0]) for each in told['values'].values())


def test_of_a_slow_client_old_values_of_a_metric_go_and_nothing_else_grows():
    async def work():
        outbox = Outbox((), ())
        for number in range(2 * MOST_VALUES):
            update = LiveUpdate('r', number, 'm', {'same': number, f'own{number}': 1.0})
            outbox.put_values(update)
            outbox.put_event({'number': number})
        return await outbox.take()

    waiting = asyncio.run(work())
    assert len(waiting.values) == MOST_VALUES
    assert waiting.values['r', f'own{2 * MOST_VALUES - 1}'].value == 1.0
    assert [each['number'] for each in waiting.events] == list(
        range(2 * MOST_VALUES - MOST_EVENTS, 2 * MOST_VALUES)
    )
    assert waiting.lost == MOST_VALUES + 1 + 2 * MOST_VALUES - MOST_EVENTS


def test_a_page_of_another_origin_is_refused_where_origins_are_given(live, serve):
    with serve(live, origins=('https://a.example',)) as api:
        with pytest.raises(InvalidStatus), listening(api, origin='https://b.example'):
            pass
        for allowed in ('https://a.example', f'http://127.0.0.1:{api.port}'):  # its own page too
            with listening(api, origin=allowed) as receive:
                assert receive()['type'] == 'snapshot'


def test_without_redis_the_reason_is_told(make_site, serve, site):
    with serve(make_site(site.addresses.records)) as api, listening(api) as receive, \
            pytest.raises(ConnectionClosedError, match='TWINSIGHT_REDIS_URL is not set'):
        receive()


def test_an_unknown_parameter_is_refused(live, serve):
    with serve(live) as api, pytest.raises(InvalidStatus), listening(api, '?robots=r'):
        pass
