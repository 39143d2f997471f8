"""Kafka, the writer and the stores frozen and killed while metrics flow: nothing lost or twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
import uuid

from confluent_kafka import Consumer
import numpy as np
import psycopg
from pytest_ros import wait_until
import redis

from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_store.errors import TwinsightError
from twinsight_store.metrics.batch import decode, Delivery, MetricBatch
from twinsight_store.metrics.metric import Series

NOW_NS = 1_790_000_000_000_000_000
SAMPLES = 5
ROBOTS = [f'robot_{number:02d}' for number in range(4)]


def source_of(robot):
    return f'{robot}/metrics_recorder/1'


def delivery(number, robot, samples=SAMPLES):
    """Make a delivery of samples whose values count on from one delivery to the next."""
    values = number * samples + np.arange(samples)
    return Delivery(source_of(robot), number, MetricBatch(
        [Series(robot, 'dawn', 'count')], NOW_NS + values * 1_000_000,
        np.zeros(samples, np.uint32), values.astype(np.float64),
    ))


class Robot:
    """
    Writes deliveries 0, 1, 2, … into Kafka in a thread, as the outbox of a robot does.

    What is not acknowledged is sent again, together with what has come since.
    """

    def __init__(self, robot, servers, topic, samples=SAMPLES):
        self.name = robot
        self.acknowledged = 0
        self.failures = 0
        self._samples = samples
        self._sink = KafkaSink(KafkaSettings(servers, topic=topic, timeout_s=2.0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self):
        """Return once all that it made is acknowledged."""
        self._stop.set()
        self._thread.join()

    def _run(self):
        made = 0
        while not self._stop.is_set() or self.acknowledged < made:
            if not self._stop.is_set():
                made += 1
            waiting = range(self.acknowledged, min(made, self.acknowledged + 100))
            batch = [delivery(number, self.name, self._samples) for number in waiting]
            try:
                self._sink.write(batch)
                self.acknowledged = waiting.stop
            except TwinsightError:
                self.failures += 1
            self._stop.wait(0.02)
        self._sink.close()


def first_times(servers, topic, robots):
    """Return of each robot the numbers in the order in which each came for the first time."""
    consumer = Consumer({
        'bootstrap.servers': servers, 'group.id': uuid.uuid4().hex,
        'auto.offset.reset': 'earliest',
    })
    consumer.subscribe([topic])
    found = {robot.name: {} for robot in robots}
    end = time.monotonic() + 60
    while any(robot.acknowledged - 1 not in found[robot.name] for robot in robots):
        assert time.monotonic() < end, 'the last deliveries are not in Kafka'
        for message in consumer.consume(1000, 0.2):
            assert message.error() is None
            got = decode(message.value())
            assert got.source == source_of(message.key().decode())
            found[message.key().decode()].setdefault(got.number)
    consumer.close()
    return {robot: list(numbers) for robot, numbers in found.items()}


def freeze(server, seconds):
    """Have a server stand still: what was sent to it lies there until it goes on."""
    os.kill(server.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(server.pid, signal.SIGCONT)


def wait_for_more(robots):
    before = [robot.acknowledged for robot in robots]
    wait_until(lambda: all(
        robot.acknowledged > old + 50 for robot, old in zip(robots, before, strict=True)
    ), 90.0)


def test_a_broker_that_hangs_and_is_killed_gets_each_number_in_order(kafka_broker):
    # so large that what has waited is several requests
    robots = [Robot(name, kafka_broker.url, 'hang', samples=2000) for name in ROBOTS]
    wait_for_more(robots)
    freeze(kafka_broker, 3.0)
    wait_for_more(robots)
    kafka_broker.kill()
    time.sleep(1.5)
    kafka_broker.restart()
    wait_for_more(robots)
    for robot in robots:
        robot.end()
    assert all(robot.failures for robot in robots)
    assert first_times(kafka_broker.url, 'hang', robots) == {
        robot.name: list(range(robot.acknowledged)) for robot in robots
    }


class Stores:
    """What has arrived in PostgreSQL and in Redis."""

    def __init__(self, postgres, redis_url):
        self._postgres = postgres
        self._redis = redis.Redis.from_url(redis_url)

    def rows(self):
        """Return how many samples the table has; 0 while it cannot be asked."""
        try:
            with psycopg.connect(self._postgres.url) as connection:
                return connection.execute('SELECT count(*) FROM metric').fetchone()[0]
        except psycopg.Error:
            return 0

    def table(self, robot):
        with psycopg.connect(self._postgres.url) as connection:
            return [value for value, in connection.execute(
                'SELECT value FROM metric WHERE robot_id = %s ORDER BY time', [robot]
            )]

    def stream(self, robot):
        entries = self._redis.xrange(f'twinsight:metrics:{robot}')
        return [json.loads(data[b'data'])['values']['count'] for _, data in entries]

    def entries(self):
        return sum(self._redis.xlen(f'twinsight:metrics:{robot}') for robot in ROBOTS)

    def wait_for_more(self):
        """Return when both have got more, and a moment that is never the same has passed."""
        rows, entries = self.rows(), self.entries()
        wait_until(lambda: self.rows() > rows and self.entries() > entries, 90.0)
        time.sleep(random.random())


def test_each_sample_is_in_the_stores_once_after_all_were_killed(
    ros, kafka_broker, postgres_server, redis_url
):
    stores = Stores(postgres_server, redis_url)

    def start_writer():
        return ros.run(
            'writer', [
                sys.executable, '-m', 'twinsight_recorder.metrics_writer', '--ros-args',
                '-p', 'session_timeout:=6.0',
            ],
            TWINSIGHT_KAFKA=kafka_broker.url, TWINSIGHT_POSTGRES_URL=postgres_server.url,
            TWINSIGHT_REDIS_URL=redis_url,
        )

    robots = ros.run('robots', [sys.executable, __file__, kafka_broker.url, 'twinsight.metrics'])
    writer = start_writer()
    stores.wait_for_more()

    writer.kill()
    writer = start_writer()
    postgres_server.kill()
    postgres_server.restart()
    stores.wait_for_more()

    writer.kill()
    writer = start_writer()
    kafka_broker.kill()
    kafka_broker.restart()
    stores.wait_for_more()

    writer.kill()
    writer = start_writer()
    made = json.loads(robots.finish(90, ask=signal.SIGTERM))
    assert min(made.values()) > 100
    total = SAMPLES * sum(made.values())
    wait_until(lambda: stores.rows() >= total and stores.entries() >= total, 90.0)
    assert writer.end(30, ask=signal.SIGTERM) == 0, writer.text()
    for robot in ROBOTS:
        expected = [float(value) for value in range(SAMPLES * made[robot])]
        assert stores.table(robot) == expected
        assert stores.stream(robot) == expected


def produce(servers, topic):
    """Be the robots until SIGTERM; then print how many deliveries of each are in Kafka."""
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    robots = [Robot(name, servers, topic) for name in ROBOTS]
    while not stop:
        time.sleep(0.1)
    for robot in robots:
        robot.end()
    print(json.dumps({robot.name: robot.acknowledged for robot in robots}))


if __name__ == '__main__':
    produce(*sys.argv[1:])
