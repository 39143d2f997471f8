from __future__ import annotations

import tracemalloc
from typing import Any

import pyarrow as pa
import pytest

from twinsight_store.errors import ConfigurationError, NothingMatchedError
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.wide import wide, wide_batches
from twinsight_store.selection import Selection

MS = 10**6
T0 = 1_763_900_000_000_000_000
ALL = Selection()
GRID = {'period_ns': 100 * MS, 'tolerance_ns': 100 * MS}


class Database:
    """One database, filled by hand."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        with connect(settings) as connection:
            migrate(connection)

    def put(self, robot: str, name: str, **samples: Any) -> None:
        """Store samples, given as ``at<ms since T0>=number or text``."""
        with connect(self.settings) as connection:
            connection.cursor().executemany(
                "INSERT INTO metric VALUES (timestamptz 'epoch' + %s * interval '1 us', %s, "
                "'dawn', %s, %s, %s)",
                [
                    (
                        T0 // 1000 + int(at.removeprefix('at')) * 1000, robot, name,
                        None if isinstance(value, str) else value,
                        value if isinstance(value, str) else None,
                    )
                    for at, value in samples.items()
                ],
            )

    def series(self, robot: str, name: str, rows: int) -> None:
        """Store the numbers 0, 1, 2, ..., one a millisecond from T0 on."""
        with connect(self.settings) as connection:
            connection.execute(
                "INSERT INTO metric SELECT timestamptz 'epoch' + %s * interval '1 us' "
                "+ i * interval '1 ms', %s, 'dawn', %s, i FROM generate_series(0, %s - 1) AS i",
                [T0 // 1000, robot, name, rows],
            )


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(PostgresSettings(postgres_url))


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return (ms since T0, robot, values ...) of each row."""
    columns = [table[name].to_pylist() for name in table.column_names[1:]]
    times = table['time'].cast(pa.int64()).to_pylist()
    return list(zip(((each - T0) // MS for each in times), *columns, strict=True))


def test_metrics_lie_side_by_side_on_the_grid(database: Database) -> None:
    database.put('r1', 'x', at0=0.0, at110=1.0, at290=3.0)
    database.put('r1', 'y', at100=10.0, at300=30.0, at301=31.0)
    table = wide(database.settings, ALL, **GRID)
    assert rows(table) == [
        (0, 'r1', 0.0, None), (100, 'r1', 0.0, 10.0), (200, 'r1', 1.0, 10.0),
        (300, 'r1', 3.0, 30.0),
    ]
    assert table.schema.equals(
        pa.schema({
            'time': pa.timestamp('ns', tz='UTC'),
            'robot_id': pa.dictionary(pa.int32(), pa.string()),
            'x': pa.float64(), 'y': pa.float64(),
        })
    )
    assert table.schema.metadata == {
        b'twinsight.period_ns': b'100000000', b'twinsight.tolerance_ns': b'100000000',
        b'twinsight.method': b'last',
    }


def test_methods_are_those_of_the_grid(database: Database) -> None:
    database.put('r1', 'x', at0=0.0, at110=11.0, at190=19.0, at400=40.0)

    def by(method: str) -> list[Any]:
        return wide(database.settings, ALL, **GRID, method=method)['x'].to_pylist()

    assert by('last') == [0.0, 0.0, 19.0, None, 40.0]
    assert by('nearest') == [0.0, 11.0, 19.0, 40.0, 40.0]
    assert by('linear') == [0.0, 10.0, None, None, 40.0]


def test_columns_are_in_the_order_of_the_names(database: Database) -> None:
    for name in ('b.y', 'a', 'b.x', 'c'):
        database.put('r1', name, at0=1.0)

    def columns(*names: str) -> list[str]:
        return wide(database.settings, ALL, *names, **GRID).column_names[2:]

    assert columns('c', 'b.*', 'b.x') == ['c', 'b.x', 'b.y']
    assert columns() == ['a', 'b.x', 'b.y', 'c']


def test_two_robots_with_the_same_names_never_mix(database: Database) -> None:
    database.put('r1', 'x', at0=1.0, at100=2.0)
    database.put('r2', 'x', at50=5.0, at200=7.0)
    database.put('r2', 'y', at200=9.0)
    assert rows(wide(database.settings, ALL, **GRID)) == [
        (0, 'r1', 1.0, None),
        (100, 'r1', 2.0, None), (100, 'r2', 5.0, None),
        (200, 'r2', 7.0, 9.0),
    ]


def test_a_span_gives_all_its_points_and_not_its_end(database: Database) -> None:
    database.put('r1', 'x', at150=1.0)
    selection = Selection(from_ns=T0 + 100 * MS, to_ns=T0 + 400 * MS)
    assert rows(wide(database.settings, selection, **GRID)) == [
        (100, 'r1', None), (200, 'r1', 1.0), (300, 'r1', None)
    ]


def test_a_span_in_two_pieces_gives_the_rows_of_one(database: Database) -> None:
    database.put('r1', 'x', at0=0.0, at120=1.0, at190=2.0, at290=3.0, at350=3.5, at400=4.0)

    def part(from_ms: int, to_ms: int, method: str) -> list[Any]:
        selection = Selection(from_ns=T0 + from_ms * MS, to_ns=T0 + to_ms * MS)
        return rows(wide(database.settings, selection, **GRID, method=method))

    for method in ('last', 'nearest', 'linear'):
        whole = part(0, 401, method)
        assert len(whole) == 5
        for cut_ms in (150, 200, 210):
            assert part(0, cut_ms, method) + part(cut_ms, 401, method) == whole


def test_a_sample_before_the_span_counts_up_to_the_tolerance(database: Database) -> None:
    database.put('r1', 'x', at100=1.0, at300=3.0)

    def first(tolerance_ns: int) -> Any:
        selection = Selection(from_ns=T0 + 200 * MS)
        options = {'period_ns': 100 * MS, 'tolerance_ns': tolerance_ns}
        return wide(database.settings, selection, **options)['x'].to_pylist()[0]

    assert first(100 * MS) == 1.0
    assert first(100 * MS - 1) is None


def test_texts_hold_and_what_is_not_finite_comes_back_as_number(database: Database) -> None:
    database.put('r1', 'state', at0='IDLE', at180='DRIVING')
    database.put('r1', 'x', at0='NaN', at100='Infinity', at200=2.0)
    database.put('r1', 'z', at0='-Infinity')
    database.put('r1', 'mixed', at0=5.0, at90='broken')
    table = wide(database.settings, ALL, **GRID, method='linear')
    assert table['state'].to_pylist() == ['IDLE', 'IDLE', 'DRIVING']
    assert str(table['x'].to_pylist()) == '[nan, inf, 2.0]'
    assert table['z'].to_pylist() == [float('-inf'), None, None]
    assert table['mixed'].to_pylist() == [5.0, None, None]


def test_a_grid_that_is_coarser_than_the_batches_is_right_too(database: Database) -> None:
    database.series('r1', 'x', 300_000)
    found = wide(database.settings, ALL, period_ns=70_000 * MS, tolerance_ns=0)
    base = T0 // MS
    expected = [at for at in range(300_000) if (base + at) % 70_000 == 0]
    assert rows(found) == [(at, 'r1', float(at)) for at in expected]
    assert len(expected) > 3


def test_windows_give_the_rows_of_the_whole(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for robot, rows_of in (('r1', 20_000), ('r2', 30_000)):
        database.series(robot, 'x', rows_of)
    # Most points lie between two samples.
    options: Any = {'period_ns': 1_300_000, 'tolerance_ns': 3 * MS, 'method': 'linear'}
    whole = rows(wide(database.settings, ALL, **options))
    monkeypatch.setattr('twinsight_store.history.wide._CELLS', 500)
    monkeypatch.setattr('twinsight_store.history.wide._HELD', 0)
    # And from the server in spans of time.
    with connect(database.settings) as connection:
        connection.execute('ANALYZE')
        connection.execute(
            'INSERT INTO mission SELECT robot_id, mission_id, min(time), NULL, NULL, max(time) '
            'FROM metric GROUP BY 1, 2'
        )
    monkeypatch.setattr('twinsight_store.history.slices._MOST', 10_000)
    batches = list(wide_batches(database.settings, ALL, **options))
    assert len(batches) > 40
    assert rows(pa.Table.from_batches(batches)) == whole
    assert len(whole) == 15384 + 23076
    assert all(at <= value < at + 1 for at, _, value in whole)


def test_memory_does_not_grow_with_the_samples(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.series('r1', 'x', 300_000)
    monkeypatch.setattr('twinsight_store.history.wide._HELD', 10_000)
    tracemalloc.start()
    options = {'period_ns': 10_000 * MS, 'tolerance_ns': 1000 * MS}
    points = sum(batch.num_rows for batch in wide_batches(database.settings, ALL, **options))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert points == 30
    assert peak < 3_000_000  # times and values of all samples are 4.8 MB


def test_names_that_match_nothing_are_named(database: Database) -> None:
    database.put('r1', 'x', at0=1.0)
    with pytest.raises(NothingMatchedError, match='nothing matches everything, speed; there is'):
        wide(database.settings, ALL, 'speed', **GRID)


def test_a_span_between_two_points_matches_nothing(database: Database) -> None:
    database.put('r1', 'x', at10=1.0)
    with pytest.raises(NothingMatchedError):
        wide(database.settings, Selection(from_ns=T0 + MS, to_ns=T0 + 90 * MS), **GRID)


def test_a_period_that_is_none_is_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match='period_ns 0'):
        wide(database.settings, ALL, period_ns=0, tolerance_ns=0)
