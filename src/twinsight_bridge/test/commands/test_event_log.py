"""Events on their way into real stores, which go and come back."""

import json
import socket
import time

import psycopg
from pytest_ros import wait_until
import redis

from twinsight_bridge.commands.event_log import EventLog
from twinsight_bridge.commands.event_table import EventTable
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.fact import Event


def event(number, **data):
    return Event('robot_05', 'dawn', time.time_ns(), 'command', 'info', f'event {number}', data)


def messages(url):
    with psycopg.connect(url) as connection:
        return [each for each, in connection.execute('SELECT message FROM event ORDER BY time')]


def test_what_waits_is_bounded_counted_and_written_once_in_order(postgres_server):
    log = EventLog(EventTable(PostgresSettings(postgres_server.url)), most_waiting=3)
    log.add(event(0))
    wait_until(lambda: log.counts().written == 1)
    postgres_server.kill()
    log.add(event(1))
    wait_until(lambda: log.counts().problem)
    for number in range(2, 7):
        log.add(event(number))
    assert (log.counts().waiting, log.counts().lost) == (3, 3)
    postgres_server.restart()
    wait_until(lambda: log.counts() == (4, 0, 3, ''))
    assert messages(postgres_server.url) == [
        'event 0', *(f'event {each}' for each in sorted(
            int(text.split()[1]) for text in messages(postgres_server.url)[1:]
        )),
    ]
    assert 'event 6' in messages(postgres_server.url)
    log.close(5)


def test_what_the_store_refuses_is_counted_and_holds_up_nobody(postgres_url):
    log = EventLog(EventTable(PostgresSettings(postgres_url)))
    log.add(event(1))
    log.add(event('with NUL \0'))
    log.add(event(2))
    wait_until(lambda: log.counts() == (2, 0, 1, ''))
    assert messages(postgres_url) == ['event 1', 'event 2']
    with psycopg.connect(postgres_url) as connection:  # nobody asked how long samples are kept
        assert connection.execute('SELECT FROM history_policy').rowcount == 0
    log.close(5)


def test_at_the_end_it_is_written_or_lost_within_the_time_that_is_given(postgres_url):
    log = EventLog(EventTable(PostgresSettings(postgres_url)))
    for number in range(300):
        log.add(event(number))
    log.close(30)
    assert log.counts() == (300, 0, 0, '')
    nobody = EventLog(EventTable(PostgresSettings('postgresql://x@127.0.0.1:1/x')))
    nobody.add(event(1))
    nobody.close(0.5)
    assert nobody.counts()[:3] == (0, 0, 1)


def test_at_the_end_a_database_that_hangs_is_not_waited_for():
    with socket.create_server(('127.0.0.1', 0)) as silent:
        silent.settimeout(30)
        url = f'postgresql://x@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=3600'
        log = EventLog(EventTable(PostgresSettings(url)))
        log.add(event(1))
        with silent.accept()[0]:
            log.close(0.5)
            assert log.counts()[:3] == (0, 0, 1)


def test_redis_tells_them_at_once(redis_url):
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as channel:
        channel.subscribe('twinsight:events:robot_05')
        channel.get_message(timeout=30)
        log = EventLog(LiveSink(RedisSettings(redis_url)))
        log.add(event(1, name='stop'))
        told = json.loads(channel.get_message(timeout=30)['data'])
        assert (told['message'], told['data']) == ('event 1', {'name': 'stop'})
        assert client.hkeys('twinsight:robots') == []  # that it is asked is no sign of life
        log.close(5)
