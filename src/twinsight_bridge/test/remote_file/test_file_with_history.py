"""Metrics, events and alerts in the file, as to_mcap has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series

T0 = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

Tell = Callable[..., None]


@pytest.fixture
def tell(postgres_url: str) -> Iterator[Tell]:
    """Return what stores a metric's samples at some seconds after T0, and an event."""
    settings = PostgresSettings(postgres_url)
    with connect(settings) as connection:
        migrate(connection)
    with closing(HistorySink(settings)) as sink:

        def write(name: str, *seconds: float) -> None:
            times = np.array([T0 + round(each * SECOND) for each in seconds])
            sink.write([Delivery('robot_05', round(seconds[0] * 10), MetricBatch(
                [Series('robot_05', 'mission_42', name)], times,
                np.zeros(len(times), np.uint32), np.arange(len(times), dtype=float), {},
                [Event('robot_05', 'mission_42', int(times[0]), 'note', 'info', name, {})],
            ))])

        yield write


def test_metrics_and_events_are_channels_as_to_mcap_has_them(
    drive: Any, tell: Tell, postgres_url: str, serve: Any, rows: Any, exported: Any
) -> None:
    tell('battery.percentage', *(i / 10 for i in range(300)))
    found = rows(serve(postgres_url).get('/mcap').content)
    assert found == exported(postgres_url=postgres_url)
    assert {row[0] for row in found} > {'/metrics/battery/percentage', '/events', '/odom'}
    camera = serve(postgres_url).get('/mcap?sensor=camera')
    assert camera.status_code == 404


def test_samples_that_come_late_are_not_in_the_file_that_is_open(
    drive: Any, tell: Tell, postgres_url: str, serve: Any, rows: Any
) -> None:
    tell('battery.percentage', *(i / 10 for i in range(300)))
    tell('speed', 1, 2)
    client = serve(postgres_url, chunk_bytes=4000, trusted_s=0)
    opened = client.get('/mcap').content
    tell('speed', 25.05, 28.05)
    for start in (0, len(opened) // 2, len(opened) - 3000):
        answer = client.get('/mcap', headers={'Range': f'bytes={start}-'})
        assert answer.content == opened[start:]
    assert len(rows(client.get('/mcap').content)) == len(rows(opened)) + 3
