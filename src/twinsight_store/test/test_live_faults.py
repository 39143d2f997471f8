"""Live values over faults of server and network: every sample once, in its order."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
import random
import shutil
import signal
import socket
import threading
import time

import numpy as np
import pytest
import redis

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.live import step as live_step
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.recent import RecentDeliveries
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_tools import redis_server as programs

ROWS = 20
BEGIN = 1_700_000_000_000_000_000
SPEED = Series('robot_01', 'dawn', 'odom/speed')
STREAM = 'twinsight:metrics:robot_01'


def delivery(number, rows=ROWS):
    """Make a delivery of some samples; over all deliveries their values count up from 0."""
    counted = np.arange(number * rows, (number + 1) * rows)
    return Delivery('robot_01/metrics/1', number, MetricBatch(
        [SPEED], BEGIN + counted * 1_000_000, np.zeros(rows, np.uint32),
        counted.astype(np.float64),
    ))


def stored(url):
    """Return the values in the stream, in its order, once it is sure that the rest fits."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        entries = [json.loads(fields['data']) for _, fields in client.xrange(STREAM)]
        values = [entry['values']['odom/speed'] for entry in entries]
        assert [entry['time_ns'] for entry in entries] == [
            BEGIN + int(value) * 1_000_000 for value in values
        ]
        if values:
            latest = json.loads(client.hget('twinsight:live:robot_01', 'odom/speed'))
            seen = json.loads(client.hget('twinsight:robots', 'robot_01'))
            assert latest['value'] == values[-1]
            assert latest['time_ns'] == seen['last_seen_ns'] == entries[-1]['time_ns']
    return values


class Writer(threading.Thread):
    """Writes delivery after delivery; each again and again until it is acknowledged."""

    def __init__(self, url, rows=ROWS):
        super().__init__(daemon=True)
        self.sink = LiveSink(RedisSettings(url))
        self.rows = rows
        self.written = 0
        self.failures = 0
        self.enough = threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            try:
                one = delivery(self.written, self.rows)
                assert self.sink.write([one]).samples == self.rows
                self.written += 1
            except StoreUnavailableError:
                self.failures += 1
                time.sleep(0.01)
        self.sink.close()

    def wait_for(self, more):
        """Wait until so many more deliveries are acknowledged."""
        goal, end = self.written + more, time.monotonic() + 30
        while self.written < goal:
            assert self.is_alive() and time.monotonic() < end, 'nothing is written any more'
            time.sleep(0.005)

    def wait_for_failures(self, count):
        """Wait until so many deliveries have failed."""
        end = time.monotonic() + 30
        while self.failures < count:
            assert self.is_alive() and time.monotonic() < end, f'only {self.failures} have failed'
            time.sleep(0.005)

    def finish(self):
        """End, and return how many samples were acknowledged."""
        self.enough.set()
        self.join(30)
        assert not self.is_alive()
        return self.written * self.rows


@pytest.fixture
def sink(redis_url):
    made = LiveSink(RedisSettings(redis_url))
    yield made
    made.close()


@pytest.fixture
def admin(redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_over_kills_of_the_server_every_sample_is_there_once(redis_server):
    writer = Writer(redis_server.url)
    chance = random.Random(1)
    writer.wait_for(10)
    for kills in range(1, 7):
        time.sleep(chance.uniform(0.0, 0.1))
        redis_server.kill()
        # One that is back before it is missed would cost its client a new connection only.
        writer.wait_for_failures(kills)
        redis_server.restart()
        writer.wait_for(10)
    acknowledged = writer.finish()
    assert stored(redis_server.url) == list(range(acknowledged))


def test_what_a_crash_takes_back_from_what_was_acknowledged_is_sent_again(redis_server):
    sink = LiveSink(RedisSettings(redis_server.url))
    sink.write([delivery(0), delivery(1)])
    with redis.Redis.from_url(redis_server.url) as admin:
        # What comes now is acknowledged, and only in memory: as with a disk that is slow.
        admin.config_set('appendonly', 'no')
    sink.write([delivery(2)])
    sink.write([delivery(3)])
    redis_server.kill()
    redis_server.restart()
    assert stored(redis_server.url) == list(range(2 * ROWS))
    assert sink.write([delivery(4)]).samples == ROWS
    sink.close()
    assert stored(redis_server.url) == list(range(5 * ROWS))


def test_only_the_last_seconds_are_kept_for_sending_them_again():
    recent = RecentDeliveries(3600.0, 3 * delivery(0).batch.memory_bytes())
    recent.add([delivery(0), delivery(1)])
    recent.add([delivery(2), delivery(3)])
    assert [kept.number for kept in recent.deliveries()] == [1, 2, 3]
    recent = RecentDeliveries(kept_s=0.05)
    recent.add([delivery(0)])
    time.sleep(0.1)
    recent.add([delivery(1)])
    assert [kept.number for kept in recent.deliveries()] == [1]


def test_over_kills_in_the_middle_of_huge_deliveries_every_sample_is_there_once(
    redis_server, monkeypatch
):
    monkeypatch.setattr(live_step, 'STEP_WEIGHT', 50)
    sink = LiveSink(RedisSettings(redis_server.url))
    chance = random.Random(1)
    cut = written = 0
    while cut < 3:
        assert written < 50, 'no kill came in the middle of a delivery'
        end = threading.Timer(chance.uniform(0.0, 0.02), redis_server.kill)
        end.start()
        with contextlib.suppress(StoreUnavailableError):
            sink.write([delivery(written, 1000)])
        end.join()
        redis_server.restart()
        cut += len(stored(redis_server.url)) % 1000 > 0
        assert sink.write([delivery(written, 1000)]).samples == 1000
        written += 1
    sink.close()
    assert stored(redis_server.url) == list(range(written * 1000))


def test_over_lost_connections_every_sample_is_there_once(redis_url, admin):
    writer = Writer(redis_url)
    chance = random.Random(1)
    writer.wait_for(5)
    end = time.monotonic() + 60
    while writer.failures <= 20:
        assert time.monotonic() < end, f'only {writer.failures} deliveries were cut off'
        time.sleep(chance.uniform(0.0, 0.03))
        admin.execute_command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    writer.wait_for(5)
    acknowledged = writer.finish()
    assert stored(redis_url) == list(range(acknowledged))


def test_a_server_that_hangs_is_noticed_and_what_it_took_is_not_doubled(redis_server):
    sink = LiveSink(RedisSettings(redis_server.url))
    sink.write([delivery(0)])
    sink.close()
    os.kill(redis_server.pid, signal.SIGSTOP)
    # So short only while it hangs: on a busy machine a good answer may take longer.
    sink._settings = RedisSettings(redis_server.url, timeout_s=0.3)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match='does not answer .*imed out|imeout'):
                sink.write([delivery(1)])
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)
    sink._settings = RedisSettings(redis_server.url)
    assert sink.write([delivery(1)]).samples == ROWS
    sink.close()
    assert stored(redis_server.url) == list(range(2 * ROWS))


def holds_unread_bytes(server):
    """Tell whether somebody sent a server something that it did not take yet."""
    for line in Path('/proc/net/tcp').read_text().splitlines()[1:]:
        _, local, _, _, queues, *_ = line.split()
        if int(local.split(':')[1], 16) == server.port and int(queues.split(':')[1], 16):
            return True
    return False


def test_a_step_that_was_applied_without_an_answer_is_not_applied_again(
    redis_server, monkeypatch
):
    sink = LiveSink(RedisSettings(redis_server.url, timeout_s=60))
    sink.write([delivery(0)])
    arguments = live_step.Step.arguments
    leaving = threading.Thread(target=lambda: leave_once_it_is_sent(sink, redis_server))

    def server_hangs(step, *given):
        # The server gets the step while it hangs, so it works on it when we are gone.
        os.kill(redis_server.pid, signal.SIGSTOP)
        leaving.start()
        return arguments(step, *given)

    monkeypatch.setattr(live_step.Step, 'arguments', server_hangs)
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        sink.write([delivery(1)])
    leaving.join()
    monkeypatch.undo()
    os.kill(redis_server.pid, signal.SIGCONT)
    end = time.monotonic() + 30
    while len(stored(redis_server.url)) < 2 * ROWS:
        assert time.monotonic() < end, 'the server never had the step'
        time.sleep(0.01)
    assert sink.write([delivery(1), delivery(2)]).samples == 2 * ROWS
    sink.close()
    assert stored(redis_server.url) == list(range(3 * ROWS))


def leave_once_it_is_sent(sink, server):
    """Break the connection that a sink uses just now, once the server has what was sent by it."""
    end = time.monotonic() + 30
    while not holds_unread_bytes(server) and time.monotonic() < end:
        time.sleep(0.005)
    (connection,) = sink._client.connection_pool._in_use_connections
    connection._sock.shutdown(socket.SHUT_RDWR)


def test_a_full_server_refuses_whole_steps_until_it_has_room(redis_url, sink, admin):
    sink.write([delivery(0)])
    admin.config_set('maxmemory', 1)
    heard = admin.pubsub()
    heard.subscribe(STREAM)
    assert heard.get_message(timeout=20)['type'] == 'subscribe'
    for _ in range(2):
        with pytest.raises(StoreRefusedError, match='its memory is full: raise its maxmemory'):
            sink.write([delivery(1)])
    assert heard.get_message(timeout=0.2) is None
    assert stored(redis_url) == list(range(ROWS))
    admin.config_set('maxmemory', 0)
    assert sink.write([delivery(1)]).samples == ROWS
    assert stored(redis_url) == list(range(2 * ROWS))


def test_a_server_that_fills_up_in_the_middle_has_whole_steps_only(redis_url, sink, admin):
    admin.config_set('maxmemory', admin.info('memory')['used_memory'] + 1_000_000)
    written = 0
    with pytest.raises(StoreRefusedError, match='its memory is full'):
        while written < 5000:
            sink.write([delivery(written)])
            written += 1
    assert written > 5
    assert stored(redis_url) == list(range(written * ROWS))
    admin.config_set('maxmemory', 0)
    sink.write([delivery(written)])
    assert stored(redis_url) == list(range((written + 1) * ROWS))


def test_a_replica_refuses_until_it_is_the_primary(
    redis_url, sink, admin, redis_program, tmp_path
):
    sink.write([delivery(0)])
    with programs.running(redis_program, tmp_path / 'primary') as primary:
        sync_at_once(primary.url)
        admin.replicaof('127.0.0.1', primary.port)
        end = time.monotonic() + 20
        while admin.info('replication')['master_link_status'] != 'up':
            assert time.monotonic() < end, 'it never became a replica'
            time.sleep(0.02)
        with pytest.raises(StoreRefusedError, match='read-only replica: set TWINSIGHT_REDIS_URL'):
            sink.write([delivery(1)])
        assert stored(redis_url) == []
        admin.replicaof('NO', 'ONE')
    assert sink.write([delivery(0), delivery(1)]).samples == 2 * ROWS
    assert stored(redis_url) == list(range(2 * ROWS))


def sync_at_once(url):
    with redis.Redis.from_url(url) as primary:
        primary.config_set('repl-diskless-sync-delay', 0)


def test_a_replica_has_what_its_primary_has(redis_url, sink, redis_program, tmp_path):
    sync_at_once(redis_url)
    primary = redis.Redis.from_url(redis_url, socket_timeout=30)
    with programs.running(redis_program, tmp_path / 'replica') as server, \
            redis.Redis.from_url(server.url) as replica:
        replica.replicaof('127.0.0.1', primary.connection_pool.connection_kwargs['port'])
        end = time.monotonic() + 20
        while replica.info('replication')['master_link_status'] != 'up':
            assert time.monotonic() < end, 'it never became a replica'
            time.sleep(0.02)
        with replica.pubsub() as heard:
            heard.subscribe(STREAM)
            assert heard.get_message(timeout=20)['type'] == 'subscribe'
            sink.write([delivery(0)])
            assert primary.wait(1, 20_000) == 1
            assert stored(server.url) == stored(redis_url) == list(range(ROWS))
            told = [heard.get_message(timeout=20)['data'] for _ in range(ROWS)]
        assert told == [fields[b'data'] for _, fields in primary.xrange(STREAM)]
    primary.close()


def test_a_server_without_a_disk_refuses_until_it_has_one(redis_url, sink, admin):
    sink.write([delivery(0)])
    folder = Path(admin.config_get('dir')['dir'])
    admin.config_set('save', '3600 1')
    shutil.rmtree(folder)
    admin.bgsave()
    end = time.monotonic() + 20
    while admin.info('persistence')['rdb_last_bgsave_status'] == 'ok':
        assert time.monotonic() < end, 'the disk never failed'
        time.sleep(0.02)
    with pytest.raises(StoreRefusedError, match='it cannot write to its disk: make room'):
        sink.write([delivery(1)])
    admin.config_set('save', '')
    assert sink.write([delivery(1)]).samples == ROWS
    assert stored(redis_url) == list(range(2 * ROWS))


def test_a_server_that_runs_a_long_script_is_one_that_does_not_answer(redis_url, sink, admin):
    sink.write([delivery(0)])
    admin.config_set('busy-reply-threshold', 20)
    endless = threading.Thread(target=run_endless, args=[redis_url])
    endless.start()
    end = time.monotonic() + 10
    while not is_busy(admin):
        assert time.monotonic() < end, 'it never was busy'
        time.sleep(0.02)
    with pytest.raises(StoreUnavailableError, match='does not answer .*running a script'):
        sink.write([delivery(1)])
    admin.script_kill()
    endless.join(10)
    assert sink.write([delivery(1)]).samples == ROWS
    assert stored(redis_url) == list(range(2 * ROWS))


def run_endless(url):
    with redis.Redis.from_url(url, socket_timeout=20) as client, pytest.raises(
        redis.ResponseError, match='kill'
    ):
        client.eval('while true do end', 0)


def is_busy(client):
    try:
        return not client.ping()
    except redis.ResponseError as error:
        return 'BUSY' in str(error).upper()


def test_a_flushed_script_is_loaded_again(redis_url, sink, admin):
    for number in range(4):
        assert sink.write([delivery(number)]).samples == ROWS
        admin.script_flush()
    assert stored(redis_url) == list(range(4 * ROWS))


def test_a_server_that_lost_all_gets_the_last_seconds_and_what_is_new(redis_url, sink, admin):
    sink.write([delivery(0)])
    admin.flushall()
    assert sink.write([delivery(1)]).samples == ROWS
    assert stored(redis_url) == list(range(2 * ROWS))


def test_a_server_that_lost_all_gets_what_is_new_of_a_new_writer(redis_url, sink, admin):
    sink.write([delivery(0)])
    admin.flushall()
    other = LiveSink(RedisSettings(redis_url))
    assert other.write([delivery(1)]).samples == ROWS
    other.close()
    assert stored(redis_url) == list(range(ROWS, 2 * ROWS))


def test_a_server_that_comes_back_empty_gets_what_is_new(redis_server):
    writer = Writer(redis_server.url)
    writer.wait_for(5)
    with redis.Redis.from_url(redis_server.url) as client:
        folder = Path(client.config_get('dir')['dir'])
    redis_server.kill()
    shutil.rmtree(folder)
    redis_server.restart()
    writer.wait_for(5)
    acknowledged = writer.finish()
    values = stored(redis_server.url)
    assert len(values) >= 5 * ROWS
    assert values == list(range(acknowledged - len(values), acknowledged))


@pytest.mark.parametrize('rights', [
    ['+@all', '~twinsight:*', 'resetchannels'],
    ['+@all', '-xadd', '~twinsight:*', '&*'],
    ['+@all', '-expire', '~twinsight:*', '&*'],
    ['+@all', '-zrem', '~twinsight:*', '&*'],
    ['+@all', '~twinsight:delivered', '~twinsight:robots', '&*'],
    ['+@all', '-evalsha', '~*', '&*'],
])
def test_whoever_lacks_a_right_writes_nothing_at_all(redis_url, admin, rights):
    def permit(*given):
        admin.execute_command('ACL', 'SETUSER', 'robot', 'reset', 'on', '>hunter2', *given)

    permit(*rights)
    sink = LiveSink(RedisSettings(redis_url.replace('//', '//robot:hunter2@')))
    with pytest.raises(StoreRefusedError, match='the right to it') as error:
        sink.write([delivery(0)])
    assert 'hunter2' not in str(error.value)
    assert admin.keys() == []
    permit('+@all', '~twinsight:*', '&twinsight:*')
    assert sink.write([delivery(0)]).samples == ROWS
    sink.close()
    assert stored(redis_url) == list(range(ROWS))


@pytest.mark.parametrize('key', [
    STREAM, 'twinsight:live:robot_01', 'twinsight:events:robot_01', 'twinsight:info:robot_01',
    'twinsight:robots', 'twinsight:delivered', 'twinsight:delivered:times',
])
def test_a_key_that_is_something_else_is_refused_and_nothing_is_half_written(
    redis_url, sink, admin, key
):
    admin.set(key, 'mine')
    with pytest.raises(StoreRefusedError, match='WRONGTYPE.*delete that key'):
        sink.write([delivery(0)])
    assert admin.keys() == [key]
    admin.delete(key)
    assert sink.write([delivery(0)]).samples == ROWS
    assert stored(redis_url) == list(range(ROWS))


def test_a_progress_that_is_none_is_refused_until_it_is_gone(redis_url, sink, admin):
    admin.hset('twinsight:delivered', 'robot_01/metrics/1', 'soon')
    with pytest.raises(StoreRefusedError, match="twinsight:delivered holds b'soon'.*delete it"):
        sink.write([delivery(0)])
    admin.delete('twinsight:delivered')
    assert sink.write([delivery(0)]).samples == ROWS
    assert stored(redis_url) == list(range(ROWS))
