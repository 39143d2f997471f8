"""Stores with a simulated drive in them, and an api command in front of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
import os
import re
import subprocess
import sys
import time
from typing import Any
import uuid

import numpy as np
import pytest
from pytest_servers import fresh_database

from twinsight_sim.ahead import planned
from twinsight_sim.settings import SimSettings
from twinsight_sim.simulation import Simulation
from twinsight_sim.topics import TOPICS, type_name
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.message_definition import definition
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import (
    Event,
    MetricInfo,
    MissionEnded,
    MissionRecording,
    MissionStarted,
)
from twinsight_store.metrics.metric import Series
from twinsight_store.record_builder import ChunkRules, RecordBuilder
from twinsight_store.sensor_types import sensor_type_of
from twinsight_store.writer import batches, StoreWriter
from twinsight_tools import redis_server
from twinsight_tools.private import PrivateServer

T0 = 1_795_161_600_000_000_000  # 2026-11-20T08:00:00Z
SECOND = 1_000_000_000
DRIVE_S = 12
SCRIPT = '<img src=x onerror="document.title=1">'


class Site:
    """The stores of a site; ``t0`` is when what is stored there begins, Unix ns."""

    t0, drive_s, script = T0, DRIVE_S, SCRIPT

    def __init__(self, reduct: str, postgres: str, redis: str) -> None:
        self.bucket = f'test-{uuid.uuid4().hex[:12]}'
        self.environment = {
            'TWINSIGHT_REDUCT_URL': reduct, 'TWINSIGHT_POSTGRES_URL': postgres,
            'TWINSIGHT_REDIS_URL': redis,
        }
        self._records = StoreSettings(reduct, bucket=self.bucket)
        self._sinks = ((HistorySink, PostgresSettings(postgres)), (LiveSink, RedisSettings(redis)))
        self._source = uuid.uuid4().hex
        self._numbers = iter(range(1_000_000))

    def drive(self, robot: str, mission: str) -> None:
        """Store what the simulated robot publishes while it drives."""
        rates = {'camera': 0, 'imu': 0, 'tf': 0, 'odom': 10}
        simulation = Simulation(SimSettings(seed=1, rates=rates))
        messages: dict[str, list[tuple[int, bytes]]] = {}
        for due_ns, key, data in planned(simulation, T0, DRIVE_S * SECOND):
            messages.setdefault(key, []).append((T0 + due_ns, bytes(data)))
        self._costs = messages['costmap'][0][1]
        for key in ('map', 'costmap', 'odom', 'scan'):
            topic, kind = f'/{TOPICS[key].name}', type_name(TOPICS[key])
            self.record(robot, mission, topic, kind, messages[key])

    def record(
        self, robot: str, mission: str, topic: str, kind: str, messages: list[tuple[int, bytes]]
    ) -> None:
        """Store messages as a recorder does."""
        encoding, text = definition(kind)
        sensor = 'costmap' if topic.endswith('map') else sensor_type_of(kind)
        builder = RecordBuilder(
            robot, Channel(topic, kind, encoding, text),
            label.record_labels(robot, mission, sensor, None), ChunkRules(),
        )
        records = []
        for number, (time_ns, data) in enumerate(messages):
            records += builder.add(time_ns, time_ns, number, data)
        records += builder.flush()

        async def write() -> None:
            async with connect(self._records) as connection:
                writer = StoreWriter(await connection.bucket(create=True), self._records)
                for batch in batches(records):
                    await writer.write(batch)

        asyncio.run(write())

    @contextmanager
    def costmap(self, robot: str, mission: str) -> Iterator[None]:
        """Store the costmap of the start of the drive as one of in a minute, for this block."""
        topic, kind = f'/{TOPICS["costmap"].name}', type_name(TOPICS['costmap'])
        time_us = time.time_ns() // 1000 + 60_000_000  # one of 15 s ago is not shown any more
        self.record(robot, mission, topic, kind, [(time_us * 1000, self._costs)])
        yield

        async def remove() -> None:
            async with connect(self._records) as connection:
                bucket = await connection.bucket()
                await bucket.remove_record(f'{robot}{topic}', time_us)

        asyncio.run(remove())

    def measure(
        self, robot: str, mission: str, values: Mapping[str, float | str],
        time_ns: int | None = None,
    ) -> None:
        """Store one sample of each metric; of now without a time."""
        texts = {row: each for row, each in enumerate(values.values()) if isinstance(each, str)}
        numbers = [np.nan if isinstance(each, str) else each for each in values.values()]
        self._deliver(MetricBatch(
            [Series(robot, mission, name) for name in values],
            np.full(len(values), time_ns or time.time_ns(), np.int64),
            np.arange(len(values), dtype=np.uint32), np.array(numbers, float), texts,
        ))

    def be_online(self) -> None:
        """Store what robot_01 measures now: it stands in the hall."""
        self.measure('robot_01', 'noon', {
            'battery_state.percentage': 0.57, 'battery_state.voltage': 24.6, 'state': 'DRIVING',
            'odom.x': 0.0, 'odom.y': 0.0, 'odom.yaw': 0.0, 'odom.vx': 0.5,
            'on_map.x': 3.0, 'on_map.y': 2.0, 'on_map.yaw': 0.0,
        })

    def tell(self, *facts: Any) -> None:
        """Store facts: missions, events, units."""
        self._deliver(MetricBatch(facts=list(facts)))

    def alert(
        self, robot: str, kind: str, time_ns: int, message: str, rule: str,
        severity: str = 'error', mission: str = 'dawn',
    ) -> None:
        """Store that an alert was raised or cleared, as an alert rule does."""
        self.tell(Event(
            robot, mission, time_ns, f'alert_{kind}', severity, message,
            {'rule': rule, 'metric': 'battery_state.percentage'},
        ))

    def _deliver(self, batch: MetricBatch) -> None:
        delivery = Delivery(self._source, next(self._numbers), batch)
        for kind, settings in self._sinks:
            with closing(kind(settings)) as sink:
                assert not sink.write([delivery]).refused


@contextmanager
def api_command(site: Site, *arguments: str, **environment: str) -> Iterator[str]:
    """Give the address of an api command in front of a site."""
    process = subprocess.Popen(
        [
            sys.executable, '-m', 'twinsight_bridge.api', '--port', '0', '--bucket', site.bucket,
            *arguments,
        ],
        env={**os.environ, **site.environment, **environment}, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r'http://\S+', process.stdout.readline())
        assert found, 'the api command ended'
        yield found[0]
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope='session')
def filled_site(
    shared_reduct_server: PrivateServer, shared_postgres_server: PrivateServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """
    Give a site of two robots, one of whose ids is a script.

    robot_01  drove twelve seconds in mission dawn, which has ended, and is now in noon; online; an
              alert is over and one is active
    SCRIPT    was seen the day before, in mission lost
    """
    program = redis_server.find()
    folder = tmp_path_factory.mktemp('redis')
    with fresh_database(shared_postgres_server.url) as postgres, redis_server.running(
        program, folder / 'redis'
    ) as redis:
        site = Site(shared_reduct_server.url, postgres, redis.url)
        _fill(site)
        yield site


def _fill(site: Site) -> None:
    site.drive('robot_01', 'dawn')
    day = 86_400 * SECOND
    site.tell(
        MissionStarted('robot_01', 'dawn', T0, {'place': 'north'}),
        MissionRecording('robot_01', 'dawn', 'recorder', {'/odom': (120, 86_000)}),
        MissionEnded('robot_01', 'dawn', T0 + DRIVE_S * SECOND),
        MissionStarted('robot_01', 'noon', time.time_ns() - 90 * SECOND),
        MissionStarted(SCRIPT, 'lost', T0 - day),
        MissionEnded(SCRIPT, 'lost', T0 - day + 3600 * SECOND),
        MetricInfo('robot_01', 'battery_state.voltage', 'V', '/battery_state', 'voltage'),
    )
    site.alert('robot_01', 'raised', T0 + 2 * SECOND, 'lidar is silent', 'lidar')
    site.alert('robot_01', 'cleared', T0 + 5 * SECOND, 'lidar is back', 'lidar')
    site.alert(
        'robot_01', 'raised', time.time_ns() - 30 * SECOND, f'battery {SCRIPT} is low', 'low',
        'warn', 'noon',
    )
    site.measure(SCRIPT, 'lost', {'battery_state.percentage': 0.12}, T0 - day)
    site.be_online()


@pytest.fixture(scope='session')
def page_url(filled_site: Site) -> Iterator[str]:
    """Give the address of the page in front of the filled site."""
    with api_command(filled_site) as url:
        yield url


@pytest.fixture
def make_site() -> Callable[..., Site]:
    """Return what makes a site of the addresses of its stores."""
    return Site


@pytest.fixture
def serve() -> Callable[..., Any]:
    """Return what serves a site: a context manager that gives the address."""
    return api_command
