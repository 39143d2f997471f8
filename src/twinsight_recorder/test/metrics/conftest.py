"""A robot's node, and a metrics recorder beside it, with stores of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
import signal
import time
from typing import Any

import psycopg
import pytest
from pytest_ros import wait_until
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile
import redis
import yaml

from twinsight_interfaces.msg import Alert, MetricsStatus

DEEP = QoSProfile(depth=1000)
LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def stamp_ns(status: MetricsStatus) -> int:
    """Return when a recorder told it (Unix ns)."""
    return status.header.stamp.sec * 10**9 + status.header.stamp.nanosec


class Metrics:
    """
    A robot's node, served in a thread, and what a metrics recorder writes of it.

    statuses, alerts  all that the recorder published
    """

    def __init__(self, ros: Any, folder: Path, postgres_url: str, redis_url: str) -> None:
        self.ros = ros
        self.folder = folder
        self.postgres_url = postgres_url
        self.redis_url = redis_url
        self.environment = {
            'TWINSIGHT_POSTGRES_URL': postgres_url, 'TWINSIGHT_REDIS_URL': redis_url,
        }
        self.node = ros.node('robot')
        self.statuses: list[MetricsStatus] = []
        self.alerts: list[Alert] = []
        self.node.create_subscription(
            MetricsStatus, '/metrics_recorder/status', self.statuses.append, 100
        )
        self.node.create_subscription(
            Alert, '/metrics_recorder/alerts', self.alerts.append, LATCHED
        )
        ros.serve(self.node)
        ros.tell('status', lambda: f'{self.status}\nof {len(self.statuses)}')

    def start(self, *extra: str, settings: dict[str, Any] | None = None, **given: object) -> Any:
        """Start a metrics recorder; settings go into a parameter file, ``given`` are ``-p``."""
        parameters = {
            'robot_id': 'robot_05', 'mission_id': 'A', 'mission_wait': 0.1, 'diagnostics': 'false',
            **given,
        }
        words = [
            word for name, value in parameters.items() if value != ''
            for word in ('-p', f'{name}:={value}')
        ]
        if settings:
            file = self.folder / 'metrics.yaml'
            beside = self.folder / 'metrics.yaml.new'
            beside.write_text(yaml.safe_dump({'/**': {'ros__parameters': settings}}))
            beside.replace(file)  # at once: one that was started before may be reading it
            words += ['--params-file', str(file)]
        return self.ros.start(
            'twinsight_recorder', 'metrics_recorder', '--ros-args', *words, *extra,
            **self.environment,
        )

    def publisher(self, topic: str, kind: type, qos: QoSProfile = DEEP) -> Publisher:
        """Return a publisher."""
        return self.node.create_publisher(kind, topic, qos)

    def wait_for_subscriber(self, *publishers: Publisher) -> None:
        """Return when the recorder is subscribed to each."""
        wait_until(lambda: all(each.get_subscription_count() for each in publishers))

    def subscribers(self, publisher: Publisher) -> set[tuple[int, ...]]:
        """Return who is subscribed; one that was killed stays among them for a while."""
        found = self.node.get_subscriptions_info_by_topic(publisher.topic_name)
        return {tuple(each.endpoint_gid) for each in found}

    @property
    def status(self) -> MetricsStatus:
        """Return the newest status; an empty one before the first."""
        return self.statuses[-1] if self.statuses else MetricsStatus()

    def wait_until_taking(self) -> None:
        """Return when a recorder that was just started has taken messages that stream in."""
        now_ns = time.time_ns()  # what one before it told may still be on its way
        wait_until(lambda: any(
            status.messages and stamp_ns(status) > now_ns for status in list(self.statuses)
        ))

    def ask(self, name: str, kind: Any, **fields: object) -> Any:
        """Return the answer of a service."""
        return self.ros.call(self.node, name, kind, **fields)

    def end(self, recorder: Any) -> None:
        """End the recorder, which must have written all."""
        assert recorder.end(30, ask=signal.SIGINT) == 0, recorder.text()

    def last_status(self, recorder: Any) -> MetricsStatus:
        """End the recorder, which must have written all; return what it told at its end."""
        wait_until(lambda: self.statuses)
        asked_ns = time.time_ns()
        self.end(recorder)
        wait_until(lambda: stamp_ns(self.status) > asked_ns and not any(
            sink.waiting for sink in self.status.sinks
        ))
        return self.status

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return what the database answers; nothing before the first write made its tables."""
        with self.connection() as connection:
            try:
                return connection.execute(statement, values).fetchall()
            except psycopg.errors.UndefinedTable:
                return []

    def connection(self) -> psycopg.Connection[Any]:
        """Return a connection to the database."""
        return psycopg.connect(self.postgres_url)

    def history(self, name: str, robot_id: str = 'robot_05') -> list[Any]:
        """Return the values, or texts, of a metric in the order of time."""
        return [
            text if value is None else value for value, text in self.rows(
                'SELECT value, text FROM metric WHERE robot_id = %s AND name = %s ORDER BY time',
                robot_id, name,
            )
        ]

    def latest(self, robot_id: str = 'robot_05') -> dict[str, Any]:
        """Return what Redis has as the latest values."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            found = client.hgetall(f'twinsight:live:{robot_id}')
        return {name: json.loads(text) for name, text in found.items()}

    def stream(self, name: str, robot_id: str = 'robot_05') -> list[Any]:
        """Return the values of a metric in Redis' stream, in its order."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            entries = client.xrange(f'twinsight:metrics:{robot_id}')
        groups = [json.loads(fields['data'])['values'] for _, fields in entries]
        return [group[name] for group in groups if name in group]


@pytest.fixture
def metrics(
    ros: Any, tmp_path: Path, postgres_url: str, redis_url: str
) -> Metrics:
    """Give a robot's node and stores, for a metrics recorder that the test starts."""
    return Metrics(ros, tmp_path, postgres_url, redis_url)


@pytest.fixture
def own_metrics(
    ros: Any, tmp_path: Path, postgres_server: Any, redis_server: Any
) -> Metrics:
    """Give a robot's node, and servers of the test's own that it may end."""
    bench = Metrics(ros, tmp_path, postgres_server.url, redis_server.url)
    bench.postgres, bench.redis = postgres_server, redis_server
    return bench
