"""The demo's comparisons: they must not call equal what differs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from rich.console import Console
from twinsight_demo import display
from twinsight_demo.comparison import compare
from twinsight_demo.metrics import metric_rows
from twinsight_demo.sighting import digest_of, Sighting

from twinsight_store.history.missions import missions
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import MetricInfo, MissionRecording
from twinsight_store.metrics.metric import Series
from twinsight_store.selection import Selection

SECOND = 1_000_000_000


def seen(topic: str, *messages: tuple[int, bytes]) -> list[Sighting]:
    return [Sighting(topic, ns, len(data), digest_of(data)) for ns, data in messages]


SENT = seen('/a', (1 * SECOND, b'one'), (2 * SECOND, b'two'), (3 * SECOND, b'three'))
BACK = seen('/replay/a', (11 * SECOND, b'one'), (12 * SECOND + 2, b'two'), (13 * SECOND, b'three'))


def verdict(stored: list[Sighting], replayed: list[Sighting]) -> tuple[bool, str]:
    console = Console(record=True, width=120)
    good = display.show(console, compare(SENT, stored, replayed, '/replay', 1.0), 1.0, 'published')
    return good, console.export_text()


def test_what_came_back_whole_is_called_so_with_its_timing_error() -> None:
    good, text = verdict(SENT, BACK)
    assert good and '3 messages, 0 lost: what came back is byte for byte what was sent.' in text
    [row] = compare(SENT, SENT, BACK, '/replay', 1.0)
    assert list(row.late_ns) == [0, 0, 2]


def test_a_message_that_is_missing_is_lost() -> None:
    good, text = verdict(SENT, BACK[:-1])
    assert not good and '1 messages lost; not what was sent: /a' in text
    good, text = verdict(SENT[1:], BACK)
    assert not good and '1 messages lost' in text


def test_a_changed_byte_and_a_changed_order_are_seen() -> None:
    changed = [BACK[0], *seen('/replay/a', (12 * SECOND, b'twO')), BACK[2]]
    assert not verdict(SENT, changed)[0]
    swapped = seen(
        '/replay/a', (11 * SECOND, b'two'), (12 * SECOND, b'one'), (13 * SECOND, b'three')
    )
    assert not verdict(SENT, swapped)[0]


def test_nothing_published_is_no_success() -> None:
    assert not display.show(Console(record=True), [], 1.0, 'published')


def test_twice_the_rate_halves_the_intervals_that_are_due() -> None:
    fast = seen(
        '/replay/a', (11 * SECOND, b'one'), (11 * SECOND + SECOND // 2, b'two'),
        (12 * SECOND, b'three'),
    )
    [row] = compare(SENT, SENT, fast, '/replay', 2.0)
    assert row.identical and list(row.late_ns) == [0, 0, 0]


def test_a_topic_whose_type_is_absent_is_compared_with_the_store_only() -> None:
    [row] = compare(SENT, SENT, [], '/replay', 1.0, frozenset({'/a'}))
    assert (row.replayed, row.lost, row.identical) == (None, 0, True)


def test_alignment_that_dds_adds_is_no_difference_but_content_is() -> None:
    assert digest_of(b'12345') == digest_of(b'12345\0\0\0')
    assert digest_of(b'12345') != digest_of(b'12345\0\0\1')
    assert digest_of(b'12345') != digest_of(b'12345\0\0\0\0\0\0\0')


BEGIN_NS = 1_700_000_000 * SECOND + 123


@pytest.fixture
def both_stores(
    redis_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[Any]]:
    """Write the same metrics into both stores; give a connection to the database."""
    monkeypatch.setenv('TWINSIGHT_REDIS_URL', redis_url)
    monkeypatch.setenv('TWINSIGHT_POSTGRES_URL', postgres_url)
    names = ('odom.x', 'odom.y', 'battery_state.percentage', 'state')
    batch = MetricBatch(
        [Series('robot_01', 'demo', name) for name in names],
        BEGIN_NS + np.array([0, 0, 1, 1, 2, 3]) * SECOND,
        np.array([0, 1, 0, 1, 2, 3], np.uint32),
        np.array([0.1, 1.0, 0.2, 2.0, 0.875, np.nan]),
        texts={5: 'DOCKED'},
        facts=[
            MetricInfo('robot_01', 'odom.x', 'm', '/odom', 'pose.pose.position.x'),
            MissionRecording('robot_01', 'demo', 'recorder', {'/odom': (2, 1448)}),
        ],
    )
    redis, postgres = RedisSettings.from_environment(), PostgresSettings.from_environment()
    for sink in (LiveSink(redis), HistorySink(postgres)):
        sink.write([Delivery('robot_01/metrics_recorder/1', 1, batch)])
        sink.close()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def metrics_verdict(messages: dict[str, int]) -> tuple[bool, str]:
    console = Console(record=True, width=120)
    good = display.show_metrics(console, metric_rows('robot_01', 'demo', messages))
    return good, console.export_text()


def test_metrics_are_the_same_in_both_stores_until_one_has_other_samples(
    both_stores: psycopg.Connection[Any],
) -> None:
    published = {'/odom': 2, '/battery_state': 1}
    good, text = metrics_verdict(published)
    assert good and '6 samples of 4 metrics: the same in Redis and in PostgreSQL.' in text
    lines = [line.replace('│', ' ').split() for line in text.splitlines()]
    assert ['odom.x', '2', '2', '2', '0.20', 'm', 'yes'] in lines
    assert ['battery_state.percentage', '1', '1', '1', '0.88', 'yes'] in lines

    good, text = metrics_verdict({**published, '/battery_state': 2})
    assert not good and 'samples are missing or differ: battery_state.percentage' in text

    both_stores.execute("UPDATE metric SET value = value + 1e-9 WHERE name = 'odom.y'")
    good, text = metrics_verdict(published)
    assert not good and 'samples are missing or differ: odom.y\n' in text

    both_stores.execute("DELETE FROM metric WHERE text = 'DOCKED'")
    good, text = metrics_verdict(published)
    assert not good and 'samples are missing or differ: odom.y, state\n' in text


def test_a_mission_is_told_in_one_line(both_stores: psycopg.Connection[Any]) -> None:
    console = Console(record=True, width=120)
    [mission] = missions(PostgresSettings.from_environment(), Selection())
    display.show_mission(console, mission)
    assert console.export_text() == (
        'mission demo: 0:00:03, 2 messages (1.4 kB) on 1 topics recorded, 0 events\n'
    )


def test_no_metrics_are_no_success() -> None:
    assert not display.show_metrics(Console(record=True), [])
