"""The metrics writer between a real Kafka, a real PostgreSQL and a real Redis."""

from __future__ import annotations

from dataclasses import dataclass
import json
from pathlib import Path
import signal
import sys
import time
import uuid

from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient
import numpy as np
import psycopg
import pytest
from pytest_ros import wait_until
import redis

from twinsight_interfaces.msg import MetricSinkStatus, MetricsStatus
from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series

NOW_NS = time.time_ns()
SECOND_NS = 1_000_000_000
CONFIG = Path(__file__).resolve().parents[3] / 'config' / 'metrics_writer.yaml'


def delivery(number, robot='robot_01', samples=5, begin_ns=NOW_NS):
    """Make a delivery of samples whose values count on from one delivery to the next."""
    values = number * samples + np.arange(samples)
    return Delivery(f'{robot}/metrics_recorder/1', number, MetricBatch(
        [Series(robot, 'dawn', 'count')], begin_ns + values * 1_000_000,
        np.zeros(samples, np.uint32), values.astype(np.float64),
    ))


def command(*parameters):
    words = [word for each in parameters for word in ('-p', each)]
    module = [sys.executable, '-m', 'twinsight_recorder.metrics_writer']
    return [*module, '--ros-args', *words]


@dataclass
class Plant:
    """Kafka with a topic of the test's own, a database, a Redis, and writers between them."""

    ros: object
    kafka: KafkaSettings
    postgres_url: str
    redis_url: str

    def writer(self, *parameters):
        own = (f'kafka.topic:={self.kafka.topic}', f'group:={self.kafka.topic}')
        return self.ros.run(
            'metrics_writer', command(*own, *parameters), TWINSIGHT_KAFKA=self.kafka.servers,
            TWINSIGHT_POSTGRES_URL=self.postgres_url, TWINSIGHT_REDIS_URL=self.redis_url,
        )

    @property
    def groups(self):
        return f'{self.kafka.topic}.timescaledb', f'{self.kafka.topic}.redis'

    def send(self, *deliveries):
        sink = KafkaSink(self.kafka)
        sink.write(deliveries)
        sink.close()

    def table(self, robot='robot_01'):
        """Return a robot's values in the database; none where there is no table yet."""
        with psycopg.connect(self.postgres_url) as connection:
            try:
                rows = connection.execute(
                    'SELECT value FROM metric WHERE robot_id = %s ORDER BY time', [robot]
                ).fetchall()
            except psycopg.errors.UndefinedTable:
                return []
        return [value for value, in rows]

    def stream(self, robot='robot_01'):
        with redis.Redis.from_url(self.redis_url) as connection:
            entries = connection.xrange(f'twinsight:metrics:{robot}')
        return [json.loads(data[b'data'])['values']['count'] for _, data in entries]

    def both_have(self, values, robot='robot_01'):
        return self.table(robot) == values and self.stream(robot) == values

    def shares(self, group):
        """Return the sets of partitions of the members of a group."""
        admin = AdminClient({'bootstrap.servers': self.kafka.servers})
        found = admin.describe_consumer_groups([group])[group].result(30)
        return [
            {each.partition for each in member.assignment.topic_partitions
             if each.topic == self.kafka.topic}
            for member in found.members
        ]

    def committed(self, group):
        """Return how many messages of the topic the group has committed."""
        admin = AdminClient({'bootstrap.servers': self.kafka.servers})
        asked = [ConsumerGroupTopicPartitions(group)]
        found = admin.list_consumer_group_offsets(asked)[group].result(30).topic_partitions
        return sum(max(0, each.offset) for each in found if each.topic == self.kafka.topic)


@pytest.fixture
def plant(ros, shared_kafka_broker, postgres_url, redis_url):
    topic = f'test.{uuid.uuid4().hex[:12]}'
    return Plant(ros, KafkaSettings(shared_kafka_broker.url, topic=topic), postgres_url, redis_url)


def row(writer, sink):
    """Return the numbers of a sink's row in the summary."""
    [line] = [line for line in writer.text().splitlines() if line.startswith(f'│ {sink} ')]
    return [int(cell) for cell in line.split('│')[2:-1]]


def test_what_is_in_kafka_comes_into_both_stores_once_and_is_committed(plant):
    plant.send(*(delivery(number) for number in range(40)))
    plant.send(*(delivery(number) for number in range(35, 60)))  # some of them again
    first = plant.writer()
    values = [float(value) for value in range(300)]
    wait_until(lambda: plant.both_have(values))
    assert first.end(30, ask=signal.SIGINT) == 0, first.text()
    # messages, unreadable, samples, refused, behind
    assert row(first, 'timescaledb') == row(first, 'redis') == [65, 0, 325, 0, 0]
    assert [plant.committed(group) for group in plant.groups] == [65, 65]

    plant.send(delivery(60))
    second = plant.writer()
    wait_until(lambda: plant.both_have([*values, 300.0, 301.0, 302.0, 303.0, 304.0]))
    assert second.end(30, ask=signal.SIGTERM) == 0, second.text()
    assert row(second, 'timescaledb') == row(second, 'redis') == [1, 0, 5, 0, 0]


def is_halved(shares):
    return [len(share) for share in shares] == [6, 6] and set.union(*shares) == set(range(12))


def test_another_writer_with_the_same_parameters_takes_half_of_the_partitions(plant):
    writers = [plant.writer()]
    for group in plant.groups:
        wait_until(lambda: plant.shares(group) == [set(range(12))])  # noqa: B023
    writers.append(plant.writer())
    for group in plant.groups:
        wait_until(lambda: is_halved(plant.shares(group)))  # noqa: B023
    robots = [f'robot_{number:02d}' for number in range(24)]
    plant.send(*(delivery(number, robot) for number in range(3) for robot in robots))
    values = [float(value) for value in range(15)]
    wait_until(lambda: all(plant.both_have(values, robot) for robot in robots))
    for writer in writers:
        assert writer.end(30, ask=signal.SIGTERM) == 0, writer.text()
    parts = [row(writer, 'redis')[0] for writer in writers]
    assert all(parts) and sum(parts) == 72


def test_a_message_that_is_no_batch_is_told_with_its_place_and_skipped(plant):
    plant.send(delivery(0))
    producer = Producer({'bootstrap.servers': plant.kafka.servers})
    places = []
    for data in (b'not a batch', None):
        producer.produce(
            plant.kafka.topic, data, partition=3,
            on_delivery=lambda error, message: places.append((error, message.offset())),
        )
    producer.flush(30)
    assert places == [(None, 0), (None, 1)]
    plant.send(delivery(1))
    writer = plant.writer()
    wait_until(lambda: plant.both_have([float(value) for value in range(10)]))
    wait_until(lambda: all(plant.committed(group) == 4 for group in plant.groups))
    assert writer.end(30, ask=signal.SIGINT) == 1
    assert row(writer, 'redis') == row(writer, 'timescaledb') == [4, 2, 10, 0, 0]
    told = [line for line in writer.text().splitlines() if 'skipped' in line]
    assert len(told) == 1
    assert f'{plant.kafka.topic} partition 3 offset 0: skipped: metrics: 11 bytes' in told[0]


def test_a_database_that_is_away_does_not_hold_up_the_live_values(plant, postgres_server):
    plant.postgres_url = postgres_server.url
    postgres_server.kill()
    statuses = []
    node = plant.ros.node('listener')
    node.create_subscription(MetricsStatus, '/metrics_writer/status', statuses.append, 10)
    plant.send(*(delivery(number) for number in range(20)))  # it takes them all at once
    writer = plant.writer()
    values = [float(value) for value in range(100)]
    wait_until(lambda: plant.stream() == values)

    def sinks():
        return {each.name: each for each in statuses[-1].sinks} if statuses else {}

    plant.ros.spin(
        node, lambda: sinks() and (sinks()['timescaledb'].waiting, sinks()['redis'].written)
        == (100, 100)
    )
    assert sinks()['timescaledb'].state == MetricSinkStatus.WAITING
    assert 'PostgreSQL' in sinks()['timescaledb'].message
    assert sinks()['timescaledb'].lag_s > 0
    assert sinks()['redis'].state == MetricSinkStatus.OK

    postgres_server.restart()
    wait_until(lambda: plant.table() == values)
    plant.ros.spin(node, lambda: sinks()['timescaledb'].state == MetricSinkStatus.OK)
    assert writer.end(30, ask=signal.SIGINT) == 0, writer.text()
    said = [line for line in writer.text().splitlines() if 'does not answer' in line]
    reasons = [line.partition('does not answer')[2] for line in said]
    assert reasons and len(set(reasons)) == len(reasons)  # at the end it may be just starting up
    assert 'timescaledb answers again' in writer.text()


def test_a_mission_whose_robot_vanished_is_ended(plant):
    writer = plant.writer('history.lost_after:=2.0')
    plant.send(delivery(0, begin_ns=NOW_NS - 60 * SECOND_NS))

    def ends():
        with psycopg.connect(plant.postgres_url) as connection:
            return connection.execute('SELECT ended_by, ended = last_seen FROM mission').fetchall()

    wait_until(lambda: plant.table() and ends() == [('lost', True)])
    assert writer.end(30, ask=signal.SIGINT) == 0, writer.text()


def test_without_a_broker_it_says_so_once_and_waits_and_ends_when_asked(ros):
    writer = ros.run(
        'metrics_writer', [*command(), '--params-file', str(CONFIG)],
        TWINSIGHT_KAFKA='127.0.0.1:9',
        TWINSIGHT_POSTGRES_URL='postgresql://robot@127.0.0.1:9/x',
        TWINSIGHT_REDIS_URL='redis://127.0.0.1:9',
    )
    writer.wait_for('does not answer')
    time.sleep(2)  # both threads have met it by then
    assert writer.running
    assert writer.text().count('Kafka at 127.0.0.1:9 does not answer') == 1
    assert writer.end(30, ask=signal.SIGTERM) == 0
    assert row(writer, 'redis') == row(writer, 'timescaledb') == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(('parameter', 'said'), [
    ('grup:=x', 'grup: unknown key; accepted here are batch, diagnostics, group'),
    ('sinks:=[redis, influx]', "sinks: 'influx': Input should be 'timescaledb' or 'redis'"),
    ('session_timeout:=1s', 'session_timeout: 1.0: Input should be greater than or equal to 6'),
    ('kafka.topic:=a b', "Kafka topic 'a b': accepted are 1 to 249 letters"),
])
def test_a_wrong_parameter_is_one_line(ros, parameter, said):
    writer = ros.run('metrics_writer', command(parameter), TWINSIGHT_KAFKA='127.0.0.1:9')
    assert writer.end(20) == 2
    [line] = writer.text().strip().splitlines()
    assert line.startswith('metrics_writer: ') and said in line


def test_without_the_address_of_kafka_it_says_what_to_set(ros):
    writer = ros.run('metrics_writer', command(), TWINSIGHT_KAFKA='')
    assert writer.end(20) == 2
    assert writer.text().startswith('metrics_writer: TWINSIGHT_KAFKA is not set')
