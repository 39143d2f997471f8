"""When a feed pauses and looks after other work, with a real Kafka and a sink that keeps count."""

from contextlib import contextmanager
import threading
import time
import uuid

import numpy as np
import pytest
from pytest_ros import wait_until

from twinsight_recorder.kafka.feed import FeedSettings, KafkaFeed
from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_recorder.metrics.notices import Notices
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_store.metrics.sink import Written


def delivery(number):
    return Delivery('robot_01/metrics_recorder/1', number, MetricBatch(
        [Series('robot_01', 'dawn', 'count')], np.array([time.time_ns()]),
        np.zeros(1, np.uint32), np.array([float(number)]),
    ))


class Counting:
    """A sink that takes its time; ``sizes`` are those of its writes."""

    name = 'redis'

    def __init__(self, write_s=0.0):
        self.sizes = []
        self._write_s = write_s

    def write(self, deliveries):
        time.sleep(self._write_s)
        self.sizes.append(len(deliveries))
        return Written(len(deliveries))

    def close(self):
        pass


@pytest.fixture
def kafka(shared_kafka_broker):
    return KafkaSettings(shared_kafka_broker.url, topic=f'test.{uuid.uuid4().hex[:12]}')


@contextmanager
def feed(kafka, sink, most=500, most_bytes=8_000_000, gather_s=0.0, look=lambda running: None):
    settings = FeedSettings(kafka.topic, most, most_bytes, gather_s, 6.0)
    running = KafkaFeed(kafka, settings, sink, Notices(print, print), lambda: look(running))
    running.start()
    yield
    running.finish()
    assert running.join(30)
    assert running.failure is None


@pytest.mark.parametrize('bound', [{'most': 10}, {'most_bytes': 100}])
def test_what_waits_is_written_without_a_pause(kafka, bound):
    with_kafka = KafkaSink(kafka)
    with_kafka.write([delivery(number) for number in range(30)])
    with_kafka.close()
    sink = Counting()
    with feed(kafka, sink, gather_s=3600.0, **bound):
        wait_until(lambda: sum(sink.sizes) == 30)
    assert len(sink.sizes) > 2


@contextmanager
def streaming(kafka):
    """Write a message a hundred times a second."""
    stop = threading.Event()

    def stream():
        source, number = KafkaSink(kafka), 0
        while not stop.wait(0.01):
            source.write([delivery(number)])
            number += 1
        source.close()

    thread = threading.Thread(target=stream)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_lost_missions_are_looked_for_also_while_messages_stream_in(kafka):
    behind = []
    sink = Counting(write_s=0.3)
    with streaming(kafka), \
            feed(kafka, sink, look=lambda running: behind.append(running.tally.behind)):
        wait_until(lambda: any(behind))


def test_nothing_is_looked_for_while_old_messages_are_caught_up_with(kafka, monkeypatch):
    monkeypatch.setattr('twinsight_recorder.kafka.feed._RECENT_NS', 0)
    source = KafkaSink(kafka)
    source.write([delivery(number) for number in range(40)])
    source.close()
    sink, looks = Counting(write_s=0.3), []
    with feed(kafka, sink, most=4, look=lambda _: looks.append(sum(sink.sizes))):
        wait_until(lambda: 40 in looks)
    assert set(looks) <= {0, 40}  # 0 before it is known how much waits
