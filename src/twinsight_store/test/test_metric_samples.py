"""Samples of the history in the order of their times: what is selected, and how it is read."""

from contextlib import closing

import numpy as np
import pytest

from twinsight_store.history import samples as metric_samples
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.samples import (
    find_robots,
    find_series,
    read_samples,
    SampleSelection,
    SeriesSpan,
)
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series

S = 10**9
START = 1_780_000_000 * S


@pytest.fixture
def history(postgres_url):
    """Give a function that stores samples, and the connection."""
    settings = PostgresSettings(postgres_url)
    sink = HistorySink(settings)
    numbers = iter(range(1000))
    with closing(sink), closing(connect(settings)) as connection:
        migrate(connection)

        def store(robot, mission, name, times_ns, values, texts=None):
            batch = MetricBatch(
                [Series(robot, mission, name)], np.array(times_ns) + START,
                np.zeros(len(times_ns), np.uint32), np.array(values, float), texts or {},
            )
            sink.write([Delivery(robot, next(numbers), batch)])

        yield store, connection


def read(connection, **selected):
    """Return (robot, mission, name, ns since START, value, text) of every selected sample."""
    selection = SampleSelection(**selected)
    rows = []
    for batch in read_samples(connection, selection, find_series(connection, selection)):
        rows += [
            (*batch.series[number], time_ns - START, None if np.isnan(value) else value,
             batch.texts.get(row))
            for row, (number, time_ns, value) in enumerate(zip(
                batch.numbers.tolist(), batch.times.tolist(), batch.values.tolist(), strict=True
            ))
        ]
    return rows


def test_samples_of_all_robots_come_in_the_order_of_their_times(history):
    store, connection = history
    store('r2', 'm1', 'a', [0, 2 * S, 4 * S], [1, 2, 3])
    store('r1', 'm1', 'b', [1 * S, 2 * S], [4, float('nan')], {1: 'OK', 0: '4'})
    store('r1', 'm2', 'a', [3 * S + 1999], [5])
    assert read(connection) == [
        ('r2', 'm1', 'a', 0, 1, None),
        ('r1', 'm1', 'b', 1 * S, 4, '4'),
        ('r1', 'm1', 'b', 2 * S, None, 'OK'),
        ('r2', 'm1', 'a', 2 * S, 2, None),
        ('r1', 'm2', 'a', 3 * S + 1000, 5, None),
        ('r2', 'm1', 'a', 4 * S, 3, None),
    ]


@pytest.mark.parametrize(('selected', 'values'), [
    ({}, [1, 2, 3, 4, 5]),
    ({'robots': ('r1',)}, [1, 2, 3, 4]),
    ({'robots': ('r2', 'r1', 'r3')}, [1, 2, 3, 4, 5]),
    ({'missions': ('m2',)}, [4, 5]),
    ({'missions': ('m1', 'm2'), 'robots': ('r2',)}, [5]),
    ({'missions': ('m3',)}, []),
    ({'robots': ('r3',)}, []),
    ({'names': ('motor.left',)}, [1, 4, 5]),
    ({'names': ('motor.*',)}, [1, 3, 4, 5]),
    ({'names': ('*t',)}, [1, 3, 4, 5]),
    ({'names': ('motor%', 'motor_left', 'motor.lef', '?otor.left')}, []),
    ({'names': ('x', 'motor.r*')}, [2, 3]),
    ({'names': ('*',)}, [1, 2, 3, 4, 5]),
    ({'from_ns': START + S}, [2, 3, 4, 5]),
    ({'from_ns': START + S + 999}, [2, 3, 4, 5]),
    ({'from_ns': START + S + 1000}, [3, 4, 5]),
    ({'to_ns': START + S}, [1]),
    ({'to_ns': START + S + 999}, [1]),
    ({'to_ns': START + S + 1000}, [1, 2]),
    ({'from_ns': START + S, 'to_ns': START + 3 * S, 'names': ('motor.*',)}, [3]),
    ({'from_ns': START + 9 * S}, []),
])
def test_what_is_selected_is_read_and_nothing_else(history, selected, values):
    store, connection = history
    store('r1', 'm1', 'motor.left', [0], [1])
    store('r1', 'm1', 'x', [S], [2])
    store('r1', 'm1', 'motor.right', [2 * S], [3])
    store('r1', 'm2', 'motor.left', [3 * S], [4])
    store('r2', 'm2', 'motor.left', [4 * S], [5])
    assert [row[4] for row in read(connection, **selected)] == values


def test_many_samples_of_one_time_and_long_gaps_are_read_once_each(history, monkeypatch):
    monkeypatch.setattr(metric_samples, '_ROWS', 50)
    store, connection = history
    year = 365 * 86400 * S
    times = sorted([*range(0, 20 * S, S // 10), *[5 * S] * 120, *[year + 1000] * 49, 2 * year])
    store('r1', 'm1', 'a', times, range(len(times)))
    store('r1', 'm1', 'b', [year], [-1])
    rows = read(connection, names=('a', 'b'))
    assert [row[3] for row in rows] == sorted([*times, year])
    assert sorted(row[4] for row in rows) == [-1, *range(len(times))]


def test_no_batch_is_larger_than_the_limit(history, monkeypatch):
    monkeypatch.setattr(metric_samples, '_ROWS', 100)
    store, connection = history
    store('r1', 'm1', 'a', range(0, 1000 * 1000, 1000), range(1000))
    found = find_series(connection, SampleSelection())
    batches = list(read_samples(connection, SampleSelection(), found))
    assert max(map(len, batches)) <= 100
    assert sum(map(len, batches)) == 1000


def test_the_series_that_have_samples_are_found_with_their_span(history):
    store, connection = history
    store('r1', 'm1', 'a', [S, 3 * S, 9 * S], [1, 2, 3])
    store('r1', 'm1', 'b', [S], [1])
    selection = SampleSelection(names=('a', 'b', 'c'), from_ns=START + 2 * S)
    assert find_series(connection, selection) == [
        SeriesSpan('r1', 'a', START + 3 * S, START + 9 * S)
    ]


def test_a_history_without_samples_gives_none(history):
    _, connection = history
    assert read(connection) == []
    assert read(connection, names=('a',), robots=('r1',)) == []
    assert find_robots(connection, SampleSelection()) == []


def test_a_robot_is_there_from_its_first_mission_in_the_span(history):
    store, connection = history
    store('r1', 'm1', 'a', [0, 10 * S], [1, 2])
    store('r1', 'm2', 'a', [20 * S], [3])
    store('r2', 'm1', 'b', [5 * S], [4])

    def there(**selected):
        return [
            (each.robot_id, each.mission_id, (each.since_ns - START) // S,
             (each.until_ns - START) // S)
            for each in find_robots(connection, SampleSelection(**selected))
        ]

    assert there() == [('r1', 'm1', 0, 20), ('r2', 'm1', 5, 5)]
    assert there(from_ns=START + 7 * S) == [('r1', 'm1', 7, 20)]
    assert there(from_ns=START + 11 * S) == [('r1', 'm2', 20, 20)]
    assert there(missions=('m1',), robots=('r1', 'r3')) == [('r1', 'm1', 0, 10)]
    assert there(to_ns=START + 5 * S) == [('r1', 'm1', 0, 10)]
