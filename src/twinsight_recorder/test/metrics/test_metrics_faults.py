"""Stores that are killed, restarted, slow or read-only: every sample arrives once, in order."""

import shutil
import threading
import time

import psycopg
from pytest_ros import wait_until
from std_msgs.msg import Int64

from twinsight_interfaces.msg import MetricSinkStatus
from twinsight_store.metrics.batch import decode
from twinsight_store.spool import METRICS, Spool


class Counter:
    """Publishes 0, 1, 2, ... in a thread, so many a second."""

    def __init__(self, publisher, rate):
        self.next = 0
        self._publisher = publisher
        self._period_s = 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def wait_for(self, more):
        end = self.next + more
        while self.next < end:
            time.sleep(0.01)

    def _run(self):
        while not self._stop.wait(self._period_s):
            self._publisher.publish(Int64(data=self.next))
            self.next += 1


def sink(metrics, name):
    found = [each for each in metrics.status.sinks if each.name == name]
    return found[0] if found else MetricSinkStatus()


def newest_stored(metrics):
    return max(metrics.history('count'), default=-1)


def wait_until_stored(metrics, number):
    wait_until(lambda: newest_stored(metrics) >= number)


def wait_until_live(metrics, number):
    wait_until(lambda: metrics.latest().get('count', {}).get('value', -1) >= number)


def spooled(metrics, copy):
    """Return the values in the spool of a recorder that runs; what is half written is left out."""
    [folder] = {file.parent for file in metrics.folder.rglob('*.spool') if copy != file.parent}
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    spool = Spool(copy, 1_000_000_000, METRICS)
    batches = [decode(bytes(found.payload)).batch for found in spool.read(spool.start)]
    spool.close()
    return [value for batch in batches for value in batch.values]


def assert_all_is_there(metrics, recorder, last):
    metrics.end(recorder)
    history = metrics.history('count')
    assert history == [*range(int(history[0]), last)]
    assert metrics.stream('count') == history


def stop_and_wait_until_written(metrics, counter, recorder):
    wait_until_live(metrics, counter.next - 1)
    wait_until_stored(metrics, counter.next - 1)
    assert_all_is_there(metrics, recorder, counter.next)


def test_stores_that_are_killed_and_restarted_get_every_sample_once_in_order(own_metrics):
    metrics = own_metrics
    publisher = metrics.publisher('/count', Int64)
    recorder = metrics.start()
    metrics.wait_for_subscriber(publisher)
    with Counter(publisher, 200) as counter:
        for _ in range(2):
            counter.wait_for(150)
            metrics.redis.kill()
            counter.wait_for(150)
            wait_until_stored(metrics, counter.next)  # Redis holds up nobody
            metrics.postgres.kill()
            counter.wait_for(100)
            metrics.redis.restart()
            counter.wait_for(100)
            metrics.postgres.restart()
        counter.wait_for(100)
    stop_and_wait_until_written(metrics, counter, recorder)
    assert 'Redis at 127.0.0.1' in recorder.text()
    assert 'PostgreSQL at 127.0.0.1' in recorder.text()
    assert 'Traceback' not in recorder.text()


def test_what_a_killed_recorder_accepted_while_both_stores_were_away_is_written_by_the_next(
    own_metrics, tmp_path,
):
    metrics = own_metrics
    publisher = metrics.publisher('/count', Int64)
    recorder = metrics.start()
    metrics.wait_for_subscriber(publisher)
    for first in (0, 500):
        for number in range(first, first + 500):
            publisher.publish(Int64(data=number))
            time.sleep(0.001)
        wait_until(lambda n=first + 500: metrics.status.samples == n)
        if first == 0:
            wait_until(lambda: len(metrics.history('count')) == 500)
            metrics.redis.kill()
            metrics.postgres.kill()
    wait_until(lambda: spooled(metrics, tmp_path / 'copy')[-1:] == [999])
    recorder.kill()
    metrics.redis.restart()
    metrics.postgres.restart()
    recorder = metrics.start()
    wait_until(lambda: len(metrics.history('count')) == 1000)
    wait_until(lambda: len(metrics.stream('count')) == 1000)
    metrics.end(recorder)
    assert metrics.history('count') == metrics.stream('count') == [*range(1000)]
    assert 'samples of an earlier recorder' in recorder.text()


def test_a_recorder_that_is_killed_over_and_over_doubles_nothing(own_metrics):
    metrics = own_metrics
    publisher = metrics.publisher('/count', Int64)
    with Counter(publisher, 150) as counter:
        for _ in range(4):
            recorder = metrics.start()
            metrics.wait_until_taking()
            counter.wait_for(75)
            recorder.kill()
        recorder = metrics.start()
        metrics.wait_until_taking()
        counter.wait_for(75)
    wait_until_stored(metrics, counter.next - 1)
    metrics.end(recorder)
    history = metrics.history('count')
    assert history == sorted(set(history))
    assert metrics.stream('count') == history
    gaps = [after - before for before, after in zip(history, history[1:], strict=False)]
    assert sum(gap > 1 for gap in gaps) <= 4  # only while no recorder was there


def test_a_database_that_is_read_only_for_a_while_holds_up_neither_redis_nor_the_node(own_metrics):
    metrics = own_metrics
    publisher = metrics.publisher('/count', Int64)
    recorder = metrics.start()
    metrics.wait_for_subscriber(publisher)
    with Counter(publisher, 200) as counter:
        counter.wait_for(100)
        wait_until_stored(metrics, 0)
        set_read_only(metrics, 'on')
        wait_until(lambda: sink(metrics, 'timescaledb').state == MetricSinkStatus.REFUSING)
        stored = metrics.history('count')
        counter.wait_for(200)
        wait_until_live(metrics, counter.next)
        assert metrics.history('count') == stored
        assert 'read-only' in sink(metrics, 'timescaledb').message
        set_read_only(metrics, 'off')
        counter.wait_for(100)
    stop_and_wait_until_written(metrics, counter, recorder)


def test_a_database_that_hangs_is_noticed_and_gets_everything_later(own_metrics):
    metrics = own_metrics
    publisher = metrics.publisher('/count', Int64)
    recorder = metrics.start()
    metrics.wait_for_subscriber(publisher)
    with Counter(publisher, 200) as counter:
        counter.wait_for(100)
        wait_until_stored(metrics, 0)
        with psycopg.connect(metrics.postgres_url) as connection:
            connection.execute('LOCK TABLE metric IN ACCESS EXCLUSIVE MODE')  # nobody may write
            counter.wait_for(400)
            wait_until_live(metrics, counter.next)
            wait_until(lambda: sink(metrics, 'timescaledb').waiting > 200)
            assert metrics.status.dropped == 0
        counter.wait_for(100)
    stop_and_wait_until_written(metrics, counter, recorder)


def set_read_only(metrics, value):
    with psycopg.connect(metrics.postgres_url, autocommit=True) as connection:
        connection.execute('SET default_transaction_read_only = off')
        connection.execute(f'ALTER SYSTEM SET default_transaction_read_only = {value}')
        connection.execute('SELECT pg_reload_conf()')
