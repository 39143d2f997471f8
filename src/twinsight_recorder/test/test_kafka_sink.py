"""Metrics into a real Kafka: keys, order, the topic, and what Kafka does not take."""

from __future__ import annotations

import sys
import time
import uuid

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic
import numpy as np
import pytest

from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.sink import KafkaSink
from twinsight_store.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import decode, Delivery, encode, MetricBatch
from twinsight_store.metrics.fact import Alive
from twinsight_store.metrics.metric import Series

NOW_NS = 1_790_000_000_000_000_000


def delivery(number, robot='robot_01', samples=3, facts=()):
    """Make a delivery whose values do not compress."""
    values = np.random.default_rng(number).random(samples)
    series = [Series(robot, 'dawn', 'odom/speed')] if samples else []
    return Delivery(f'{robot}/metrics_recorder/1', number, MetricBatch(
        series, NOW_NS + np.arange(samples), np.zeros(samples, np.uint32), values, facts=facts,
    ))


@pytest.fixture
def settings(shared_kafka_broker):
    """Return the settings of a topic of the test's own, which is not made yet."""
    return KafkaSettings(shared_kafka_broker.url, topic=f'test.{uuid.uuid4().hex[:12]}')


@pytest.fixture
def sink(settings):
    sink = KafkaSink(settings)
    yield sink
    sink.close()


@pytest.fixture
def make_topic(settings):
    def make(**configuration):
        admin = AdminClient({'bootstrap.servers': settings.servers})
        topic = NewTopic(settings.topic, 3, 1, config=configuration)
        admin.create_topics([topic])[settings.topic].result(30)
    return make


def partitions_of(settings):
    admin = AdminClient({'bootstrap.servers': settings.servers})
    return len(admin.list_topics(settings.topic, 30).topics[settings.topic].partitions)


def messages_in(settings, count):
    """Return so many messages of the topic, which must not have more."""
    consumer = Consumer({
        'bootstrap.servers': settings.servers, 'group.id': uuid.uuid4().hex,
        'auto.offset.reset': 'earliest',
    })
    consumer.subscribe([settings.topic])
    found = []
    end = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < end, f'{len(found)} messages are in the topic'
        found += consumer.consume(count, 0.2)
    found += consumer.consume(1, 0.3)
    consumer.close()
    assert [message.error() for message in found] == [None] * count
    return found


def numbers_in(settings, count):
    return [decode(message.value()).number for message in messages_in(settings, count)]


def test_each_robots_deliveries_are_in_one_partition_in_order_under_its_name(settings, sink):
    robots = ['robot_01', 'robot_02', 'robot_03']
    sent = [delivery(number, robot) for number in range(200) for robot in robots]
    for start in range(0, len(sent), 50):
        written = sink.write(sent[start:start + 50])
        assert written == (150, 0, '')
    found = messages_in(settings, 600)
    for robot in robots:
        own = [message for message in found if message.key() == robot.encode()]
        assert len({message.partition() for message in own}) == 1
        expected = [encode(each) for each in sent if each.source.startswith(f'{robot}/')]
        assert [message.value() for message in own] == expected


def test_what_holds_only_facts_goes_to_the_same_robot(settings, sink):
    alive = Alive('robot_07', 'dawn', NOW_NS)
    assert sink.write([delivery(1, 'robot_07', samples=0, facts=[alive])]) == (0, 0, '')
    [message] = messages_in(settings, 1)
    assert message.key() == b'robot_07'
    assert decode(message.value()).batch.facts == [alive]


def test_the_topic_is_made_with_the_partitions_that_the_settings_name(settings, sink):
    sink.write([delivery(1)])
    assert partitions_of(settings) == 12


def test_a_topic_that_is_there_stays_as_it_is(settings, sink, make_topic):
    make_topic()
    sink.write([delivery(1)])
    assert partitions_of(settings) == 3


def test_a_batch_larger_than_any_message_is_refused_alone(settings, sink):
    large = delivery(2, samples=500_000, facts=[Alive('robot_01', 'dawn', NOW_NS)])
    written = sink.write([delivery(1), large, delivery(3)])
    assert (written.samples, written.refused) == (6, 500_001)
    assert f'takes no message of {len(encode(large))} bytes' in written.problem
    assert 'batch 2 of robot_01/metrics_recorder/1' in written.problem
    assert sink.write([delivery(4)]) == (3, 0, '')
    assert numbers_in(settings, 3) == [1, 3, 4]


def test_what_the_broker_finds_too_large_is_refused_alone_and_the_order_stays(
    settings, sink, make_topic
):
    make_topic(**{'max.message.bytes': '10000'})
    sizes = {1: 3, 2: 300, 3: 2000, 4: 3, 5: 300, 6: 2000, 7: 3}
    written = sink.write([delivery(number, samples=size) for number, size in sizes.items()])
    assert (written.samples, written.refused) == (609, 4000)
    assert written.problem.endswith('raise its max.message.bytes')
    assert sink.write([delivery(8)]) == (3, 0, '')
    assert numbers_in(settings, 6) == [1, 2, 4, 5, 7, 8]


def test_what_is_too_large_only_together_is_all_written_in_order(settings, sink, make_topic):
    # The client sends three of them at once, and the last one behind those alone.
    make_topic(**{'max.message.bytes': '300000'})
    sent = [delivery(number, samples=15_000) for number in range(1, 8)]
    assert sink.write(sent) == (105_000, 0, '')
    assert numbers_in(settings, 7) == [1, 2, 3, 4, 5, 6, 7]


def test_a_topic_that_the_broker_cannot_make_is_one_line(settings):
    sink = KafkaSink(KafkaSettings(settings.servers, topic='..x', partitions=0))
    with pytest.raises(StoreRefusedError, match=r'refuses topic \.\.x: .*partitions'):
        sink.write([delivery(1)])
    sink.close()


def test_a_broker_that_is_not_there_is_one_line():
    sink = KafkaSink(KafkaSettings('127.0.0.1:9'))
    with pytest.raises(StoreUnavailableError) as error:
        sink.write([delivery(1)])
    assert str(error.value) == (
        'Kafka at 127.0.0.1:9 does not answer (Connect to ipv4#127.0.0.1:9 failed: Connection '
        'refused (_TRANSPORT)): start it, or set TWINSIGHT_KAFKA'
    )
    sink.close()


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'confluent_kafka', None)
    with pytest.raises(ConfigurationError, match='pip install confluent-kafka'):
        KafkaSink(KafkaSettings('127.0.0.1:9'))


@pytest.mark.parametrize(('environment', 'said'), [
    ({}, 'TWINSIGHT_KAFKA is not set: give the bootstrap servers'),
    ({'TWINSIGHT_KAFKA': 'kafka'}, "TWINSIGHT_KAFKA='kafka': accepted is HOST:PORT"),
    ({'TWINSIGHT_KAFKA': 'a:1', 'TWINSIGHT_KAFKA_USER': 'u'}, 'set both, or none'),
    ({'TWINSIGHT_KAFKA': 'a:1', 'TWINSIGHT_KAFKA_MECHANISM': 'X'}, 'accepted are PLAIN, SCRAM'),
    ({'TWINSIGHT_KAFKA': 'a:1', 'TWINSIGHT_KAFKA_TLS': 'yes'}, 'accepted are 1 and 0'),
])
def test_a_wrong_environment_is_one_line(environment, said):
    with pytest.raises(ConfigurationError, match='TWINSIGHT_KAFKA') as error:
        KafkaSettings.from_environment(environment)
    assert said in str(error.value)


def test_the_password_reaches_the_client_and_is_not_shown():
    settings = KafkaSettings.from_environment({
        'TWINSIGHT_KAFKA': 'a:1,b:2', 'TWINSIGHT_KAFKA_USER': 'robot',
        'TWINSIGHT_KAFKA_PASSWORD': 'hush', 'TWINSIGHT_KAFKA_MECHANISM': 'SCRAM-SHA-512',
        'TWINSIGHT_KAFKA_TLS': '1',
    })
    client = settings.client()
    assert client['sasl.password'] == 'hush'
    assert client['security.protocol'] == 'SASL_SSL'
    assert 'hush' not in repr(settings)
    KafkaSink(settings).close()
