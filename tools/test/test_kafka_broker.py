from __future__ import annotations

from pathlib import Path

from confluent_kafka import Consumer, Producer
import pytest

from twinsight_tools import kafka
from twinsight_tools.messages import ToolError
from twinsight_tools.private import PrivateServer


def send(url: str, value: bytes) -> None:
    producer = Producer({'bootstrap.servers': url, 'acks': 'all'})
    producer.produce('robots', value)
    assert producer.flush(60) == 0


def received(url: str, count: int) -> list[bytes]:
    settings = {'bootstrap.servers': url, 'group.id': 'test', 'auto.offset.reset': 'earliest'}
    consumer = Consumer(settings)
    consumer.subscribe(['robots'])
    messages = consumer.consume(count, timeout=60)
    consumer.close()
    return [message.value() for message in messages]


def test_messages_outlive_a_killed_broker(kafka_broker: PrivateServer) -> None:
    url, pid = kafka_broker.url, kafka_broker.pid
    assert url == f'127.0.0.1:{kafka_broker.port}'
    send(url, b'one')
    kafka_broker.kill()
    assert not kafka.SERVER.ready(url)
    assert not kafka.SERVER.ready('127.0.0.1')
    kafka_broker.restart()
    assert (kafka_broker.url, kafka_broker.pid == pid) == (url, False)
    send(url, b'two')
    assert received(url, 2) == [b'one', b'two']


def test_without_java_and_maven_it_is_not_to_be_had(tmp_path: Path) -> None:
    env = {'PATH': str(tmp_path), 'XDG_CACHE_HOME': str(tmp_path)}
    assert kafka.find(env) is None
    with pytest.raises(ToolError, match=r'default-jre-headless .* and maven'):
        kafka.SERVER.provide(env, tmp_path)
