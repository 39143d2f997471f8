"""Metrics that go through Kafka: the stores end up as if there were nothing between."""

import json
import random
import signal
import time
import uuid

from pytest_ros import wait_until
import redis
from std_msgs.msg import Float64, String, UInt32

from twinsight_interfaces.msg import MetricsStatus

ALERTS = {'high': {'metric': 'speed', 'above': 2.5}}


class KafkaWay:
    """A Kafka topic of the test's own, with recorders that write there, and writers."""

    def __init__(self, metrics, servers):
        self._metrics = metrics
        self._topic = f'test.{uuid.uuid4().hex[:12]}'
        self._kafka = {'TWINSIGHT_KAFKA': servers}

    def recorder(self, **settings):
        """Start a recorder that knows of Kafka only."""
        stores = self._metrics.environment
        self._metrics.environment = {**dict.fromkeys(stores, ''), **self._kafka}
        recorder = self._metrics.start(
            sink='kafka', settings=settings, **{'kafka.topic': self._topic}
        )
        self._metrics.environment = stores
        return recorder

    def writer(self):
        return self._metrics.ros.start(
            'twinsight_recorder', 'metrics_writer', '--ros-args',
            '-p', f'kafka.topic:={self._topic}', '-p', f'group:={self._topic}',
            '-p', 'session_timeout:=6.0', '-p', 'diagnostics:=false',
            **self._metrics.environment, **self._kafka,
        )


def in_database(metrics, robot):
    """Return what all tables say of a robot, but for the times."""
    tables = {
        'metric': 'name, mission_id, value, text FROM metric WHERE robot_id = %s '
                  'ORDER BY name, time',
        'mission': 'mission_id, ended, ended_by, labels FROM mission WHERE robot_id = %s',
        'event': "mission_id, kind, severity, data - 'raised_ns' FROM event WHERE robot_id = %s "
                 'ORDER BY time',
        'metric_info': 'name, unit, topic, field FROM metric_info WHERE robot_id = %s '
                       'ORDER BY name',
    }
    return {name: metrics.rows(f'SELECT {rest}', robot) for name, rest in tables.items()}


def in_redis(metrics, robot):
    """Return what Redis has of a robot, but for the times."""
    with redis.Redis.from_url(metrics.redis_url, decode_responses=True) as client:
        entries = client.xrange(f'twinsight:events:{robot}')
        info = client.hgetall(f'twinsight:info:{robot}')
    events = [json.loads(fields['data']) for _, fields in entries]
    return {
        'streams': {name: metrics.stream(name, robot) for name in info},
        'latest': {
            name: (each['value'], each['text'], each['mission_id'])
            for name, each in metrics.latest(robot).items()
        },
        'events': [(each['kind'], each['data']['value'], each['mission_id']) for each in events],
        'info': info,
    }


def end(writer):
    assert writer.end(30, ask=signal.SIGINT) == 0, writer.text()


def test_through_kafka_the_stores_get_what_they_get_directly(metrics, shared_kafka_broker):
    way = KafkaWay(metrics, shared_kafka_broker.url)
    speed, mode = metrics.publisher('/speed', Float64), metrics.publisher('/mode', String)
    of_direct = []
    metrics.node.create_subscription(MetricsStatus, '/direct/status', of_direct.append, 100)
    recorder, writer = way.recorder(alerts=ALERTS), way.writer()
    direct = metrics.start(
        '-r', '__node:=direct', robot_id='robot_06', settings={'alerts': ALERTS}
    )
    wait_until(lambda: speed.get_subscription_count() == mode.get_subscription_count() == 2)
    for number in range(400):
        speed.publish(Float64(data=number / 100))
        mode.publish(String(data=f'mode {number // 100}'))
        time.sleep(0.001)
    speed.publish(Float64(data=float('nan')))
    speed.publish(Float64(data=1.0))
    wait_until(lambda: metrics.status.messages == 802)
    wait_until(lambda: of_direct and of_direct[-1].messages == 802)
    metrics.end(recorder)
    metrics.end(direct)
    wait_until(lambda: len(in_redis(metrics, 'robot_05')['events']) == 2)
    wait_until(lambda: len(in_database(metrics, 'robot_05')['event']) == 2)
    end(writer)
    assert len(metrics.history('speed')) == 402
    assert metrics.history('mode')[-1] == 'mode 3'
    assert in_database(metrics, 'robot_05') == in_database(metrics, 'robot_06')
    assert in_redis(metrics, 'robot_05') == in_redis(metrics, 'robot_06')


def wait_until_stored(metrics, numbers):
    """Return when both stores have what has been published until now."""
    last = numbers.count - 1
    wait_until(lambda: metrics.latest().get('count', {}).get('value', -1) >= last, 60)
    wait_until(lambda: (metrics.history('count') or [-1])[-1] >= last, 60)
    time.sleep(random.random() / 4)  # so that what follows comes at another moment each time


def test_what_a_recorder_accepted_is_stored_once_in_order_though_all_are_killed(
    metrics, kafka_broker, stream
):
    way = KafkaWay(metrics, kafka_broker.url)
    publisher = metrics.publisher('/count', UInt32)
    recorder, writer = way.recorder(), way.writer()
    metrics.wait_for_subscriber(publisher)
    with stream([publisher], 200) as numbers:
        wait_until_stored(metrics, numbers)
        writer.kill()
        writer = way.writer()
        kafka_broker.kill()
        known = len(metrics.statuses)
        wait_until(lambda: len(metrics.statuses) > known + 1)
        wait_until(lambda: metrics.statuses[-2].samples > 200)
        accepted = metrics.statuses[-2].samples  # a second ago: now in Kafka, or in the spool
        recorder.kill()
        killed_at = numbers.count
        recorder = way.recorder()
        metrics.wait_until_taking()
        kafka_broker.restart()
        wait_until_stored(metrics, numbers)
    wait_until_stored(metrics, numbers)
    metrics.end(recorder)
    end(writer)
    assert 'samples of an earlier recorder' in recorder.text()
    stored = metrics.history('count')
    assert metrics.stream('count') == stored
    of_first = [number for number in stored if number < killed_at]
    of_second = stored[len(of_first):]
    assert len(of_first) >= accepted > 200
    assert of_first == [*range(int(of_first[0]), int(of_first[-1]) + 1)]
    assert of_second == [*range(int(of_second[0]), numbers.count)]
    assert metrics.latest()['count']['value'] == numbers.count - 1
