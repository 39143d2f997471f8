from __future__ import annotations

import gc
import socket
import subprocess
import sys
import textwrap
import time
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    StoreRefusedError,
    StoreUnavailableError,
)
from twinsight_store.history import arrow_stream
from twinsight_store.history import read as history_read
from twinsight_store.history.migrate import migrate
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.read import history, history_batches
from twinsight_store.history.resolution import choose, source
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.history.slices import slices
from twinsight_store.history.timescale import arrange
from twinsight_store.selection import Selection

T0 = 1_763_900_000_000_000_000  # 2025-11-23 12:13:20 UTC
S = 10**9
ALL = Selection()
X = 'odom.position.x'


class Database:
    """One database, filled by hand."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self.run(migrate)

    def run(self, work: Any) -> None:
        with connect(self.settings) as connection:
            work(connection)

    def execute(self, statement: str, *values: Any) -> list[Any]:
        with connect(self.settings) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def put(self, *samples: tuple[str, str, int, Any], mission: str = 'dawn') -> None:
        """Store (robot, name, ns since T0, number or text)."""
        for robot, name, after_ns, value in samples:
            number = None if isinstance(value, str) else value
            self.execute(
                "INSERT INTO metric VALUES (timestamptz 'epoch' + %s * interval '1 us', "
                '%s, %s, %s, %s, %s)',
                (T0 + after_ns) // 1000, robot, mission, name, number,
                value if isinstance(value, str) else None,
            )

    def series(self, robot: str, name: str, rows: int, every_ms: int = 1) -> None:
        """Store the numbers 0, 1, 2, ... of one metric, from T0 on."""
        self.execute(
            "INSERT INTO metric SELECT timestamptz 'epoch' + %s * interval '1 us' "
            "+ i * %s * interval '1 ms', %s, 'dawn', %s, i FROM generate_series(0, %s - 1) AS i",
            T0 // 1000, every_ms, robot, name, rows,
        )

    def more_than_fits(self) -> int:
        """Store more than is read ahead and lies in sockets; return how many rows that is."""
        self.execute(
            # 80 MB: a receiver's buffer alone may be allowed to grow to 32 MB.
            "INSERT INTO metric SELECT now(), 'r1', 'dawn', 'note', NULL, repeat('x', 4000) "
            'FROM generate_series(1, 20000)'
        )
        return 20_000


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(PostgresSettings(postgres_url))


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return (ns since T0, everything else ...) of each row."""
    times = table['time'].cast(pa.int64()).to_pylist()
    others = [table[name].to_pylist() for name in table.column_names[1:]]
    return list(zip((each * 1000 - T0 for each in times), *others, strict=True))


def values(database: Database, selection: Selection = ALL, *names: str) -> list[Any]:
    return history(database.settings, selection, *names)['value'].to_pylist()


def lines(error: Any) -> str:
    text = str(error.value)
    assert '\n' not in text
    return text


def test_samples_come_in_time_order_then_by_robot_and_name(database: Database) -> None:
    database.put(
        ('r2', 'a', 5, 1.0), ('r1', 'b', 2000, 2.0), ('r1', 'B', 2000, 3.0),
        ('r2', 'a', 2000, 4.0), ('r1', 'a', 1000, 5.5),
    )
    assert rows(history(database.settings, ALL)) == [
        (0, 'r2', 'dawn', 'a', 1.0, None),
        (1000, 'r1', 'dawn', 'a', 5.5, None),
        (2000, 'r1', 'dawn', 'B', 3.0, None),
        (2000, 'r1', 'dawn', 'b', 2.0, None),
        (2000, 'r2', 'dawn', 'a', 4.0, None),
    ]


def test_the_columns_have_the_promised_types(database: Database) -> None:
    database.put(('r1', X, 0, 1.0))
    table = history(database.settings, ALL)
    label = pa.dictionary(pa.int32(), pa.string())
    assert table.schema.equals(
        pa.schema({
            'time': pa.timestamp('us', tz='UTC'), 'robot_id': label, 'mission_id': label,
            'name': label, 'value': pa.float64(), 'text': pa.string(),
        })
    )
    assert table.schema.metadata == {b'twinsight.resolution': b'raw'}


def test_a_span_holds_its_start_and_not_its_end(database: Database) -> None:
    database.put(*(('r1', X, each * 1000, float(each)) for each in range(5)))
    assert values(database, Selection(from_ns=T0 + 1000, to_ns=T0 + 3000)) == [1.0, 2.0]
    assert values(database, Selection(from_ns=T0 + 3000)) == [3.0, 4.0]
    assert values(database, Selection(to_ns=T0 + 1000)) == [0.0]


def test_spans_that_follow_each_other_hold_each_sample_once(database: Database) -> None:
    database.put(*(('r1', X, each * 1000 + 700, float(each)) for each in range(5)))
    # Amid a microsecond: the stored times are floored, and so are the ends.
    cut = T0 + 2500
    assert values(database, Selection(to_ns=cut)) == [0.0, 1.0]
    assert values(database, Selection(from_ns=cut)) == [2.0, 3.0, 4.0]
    assert values(database, Selection(from_ns=T0 + 2700, to_ns=T0 + 3700)) == [2.0]


def test_two_robots_with_the_same_names_never_mix(database: Database) -> None:
    database.put(('r1', X, 0, 1.0), ('r2', X, 0, 2.0), ('r1', X, 1000, 3.0))
    assert values(database, Selection(robots=('r2',))) == [2.0]
    assert values(database, Selection(robots=('r1',)), X) == [1.0, 3.0]
    both = history(database.settings, Selection(robots=('r1', 'r2')), X)
    assert both['robot_id'].to_pylist() == ['r1', 'r2', 'r1']


def test_missions_are_selected_by_id_and_by_label(database: Database) -> None:
    database.put(('r1', X, 0, 1.0), mission='dawn')
    database.put(('r1', X, 1000, 2.0), mission='noon')
    database.execute(
        "INSERT INTO mission VALUES ('r1', 'noon', now(), NULL, NULL, now(), '{\"site\": \"A\"}')"
    )
    assert values(database, Selection(missions=('dawn',))) == [1.0]
    assert values(database, Selection(labels={'site': 'A'})) == [2.0]
    with pytest.raises(NothingMatchedError):
        values(database, Selection(labels={'site': 'B'}))


def test_names_are_exact_or_globs(database: Database) -> None:
    names = (X, 'odom.position.y', 'odomxposition', 'battery.percentage', 'a[1]')
    database.put(*(('r1', name, 0, float(number)) for number, name in enumerate(names)))
    assert values(database, ALL, X, 'battery.percentage') == [3.0, 0.0]
    assert values(database, ALL, 'odom.*') == [0.0, 1.0]
    assert values(database, ALL, '*.position.*') == [0.0, 1.0]
    assert values(database, ALL, 'a[1]') == [4.0]
    assert values(database, ALL, 'a[*', '*.y') == [4.0, 1.0]
    assert len(values(database, ALL, '*')) == 5


def test_topics_select_the_metrics_that_come_from_them(database: Database) -> None:
    database.put(('r1', X, 0, 1.0), ('r1', 'battery.voltage', 0, 2.0), ('r2', X, 0, 3.0))
    for robot, name, topic in (
        ('r1', X, '/odom'), ('r1', 'battery.voltage', '/battery'), ('r2', X, '/odometry/filtered')
    ):
        database.execute("INSERT INTO metric_info VALUES (%s, %s, '', %s, '')", robot, name, topic)
    assert values(database, Selection(topics=('/odom',))) == [1.0]
    assert values(database, Selection(topics=('odom*',))) == [1.0, 3.0]


def test_selected_sensors_are_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match='--sensor lidar: metrics have no sensors'):
        history(database.settings, Selection(sensors=('lidar',)))


def test_texts_and_what_no_number_holds_come_as_they_are_stored(database: Database) -> None:
    nan, big = float('nan'), 2.0**60
    database.put(('r1', 'state', 0, 'NAVIGATING, "é"\n'), ('r1', 'state', 1000, ''))
    database.put(('r1', X, 2000, 'NaN'), ('r1', X, 3000, nan))
    database.execute(
        "INSERT INTO metric VALUES (timestamptz 'epoch' + %s * interval '1 us', 'r1', '', 'big', "
        '%s, %s)', T0 // 1000 + 4, big, '1152921504606846977',
    )
    table = history(database.settings, ALL)
    assert table['text'].to_pylist() == [
        'NAVIGATING, "é"\n', '', 'NaN', None, '1152921504606846977'
    ]
    found = table['value'].to_pylist()
    assert found[:3] == [None, None, None]
    assert found[3] != found[3]
    assert found[4] == big


def test_ids_with_quotes_and_backslashes_are_only_ids(database: Database) -> None:
    odd = 'a\'b"c\\d,{e}%s'
    database.put((odd, odd, 0, 1.0), ('r1', X, 0, 2.0), mission=odd)
    selection = Selection(robots=(odd,), missions=(odd,))
    assert values(database, selection, odd) == [1.0]
    assert values(database, selection, '*\\d,*') == [1.0]


def test_auto_reads_raw_up_to_the_most_points(database: Database) -> None:
    database.series('r1', X, rows=100, every_ms=100)
    exactly = history(database.settings, ALL, max_points=100)
    assert exactly.schema.metadata == {b'twinsight.resolution': b'raw'}
    assert exactly.num_rows == 100
    one_less = history(database.settings, ALL, max_points=99)
    assert one_less.schema.metadata == {b'twinsight.resolution': b'1s'}
    assert one_less.num_rows == 10


def test_auto_reads_minutes_where_seconds_are_too_many(database: Database) -> None:
    database.series('r1', X, rows=1000, every_ms=100)
    assert history(database.settings, ALL, max_points=100).num_rows == 100
    minutes = history(database.settings, ALL, max_points=99)
    assert minutes.schema.metadata == {b'twinsight.resolution': b'1min'}
    # T0 is 20 s into a minute.
    assert rows(minutes) == [
        (-20 * S, 'r1', 'dawn', X, 199.5, 0.0, 399.0, 399.0, 400),
        (40 * S, 'r1', 'dawn', X, 699.5, 400.0, 999.0, 999.0, 600),
    ]


@pytest.mark.parametrize('level', ['1s', '1min'])
def test_a_short_span_of_a_long_series_reads_no_more_than_it(
    database: Database, level: str
) -> None:
    database.series('r1', X, rows=50_000, every_ms=1000)
    database.execute('ANALYZE metric')
    span = Selection(robots=('r1',), from_ns=T0 + 3700 * S, to_ns=T0 + 3820 * S)
    with connect(database.settings) as connection:
        chosen = choose(database.settings, span, [X], level, 1)
        where = source(connection, chosen, span).as_string()
        condition = metric_condition(span, [X], 'bucket').as_string()
        plan = connection.execute(
            f'EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM {where} WHERE {condition}'.encode()
        ).fetchone()
    assert plan is not None
    read = plan[0][0]['Plan']
    while 'Plans' in read:
        read = read['Plans'][0]
    assert 'time' in read['Index Cond'] and read['Actual Rows'] <= 180
    whole = rows(history(database.settings, Selection(robots=('r1',)), X, resolution=level))
    expected = [row for row in whole if 3700 * S <= row[0] < 3820 * S]
    assert rows(history(database.settings, span, X, resolution=level)) == expected != []


@pytest.mark.parametrize('level', ['raw', '1s'])
@pytest.mark.parametrize('span', [ALL, Selection(from_ns=T0 + 90_000_000_500)])
def test_what_is_read_in_spans_of_time_is_what_is_there(
    database: Database, monkeypatch: pytest.MonkeyPatch, level: str, span: Selection
) -> None:
    database.series('r1', X, rows=3000, every_ms=100)
    database.series('r2', X, rows=3000, every_ms=70)
    database.execute(
        "INSERT INTO mission SELECT robot_id, mission_id, min(time) + interval '1 min', NULL, "
        "NULL, max(time) - interval '1 min' FROM metric GROUP BY 1, 2"
    )
    database.execute('ANALYZE')
    whole = rows(history(database.settings, span, resolution=level))
    monkeypatch.setattr('twinsight_store.history.slices._MOST', 100)
    with connect(database.settings) as connection:
        parts = slices(connection, span, [], choose(database.settings, span, [], level, 1))
    assert len(parts) > 3 and (parts[0].from_ns, parts[-1].to_ns) == (span.from_ns, None)
    assert rows(history(database.settings, span, resolution=level)) == whole


def test_what_no_server_could_hold_is_said_in_one_line(database: Database) -> None:
    for name in ('nul \0 inside', 'half a pair \ud800'):
        with pytest.raises(ConfigurationError, match='a metric name .*accepted is UTF-8'):
            history(database.settings, ALL, name)
    with pytest.raises(ConfigurationError, match=r'--topic /\[z-a\]: bad character range z-a'):
        history(database.settings, Selection(topics=('/[z-a]',)))


def test_a_span_far_out_is_one_that_ends_there(database: Database) -> None:
    database.put(('r1', X, 0, 1.0))
    assert values(database, Selection(from_ns=-(1 << 63), to_ns=(1 << 63) - 1)) == [1.0]


def test_seconds_are_selected_by_their_begin(database: Database) -> None:
    database.series('r1', X, rows=40, every_ms=100)
    table = history(
        database.settings, Selection(from_ns=T0 + S // 2, to_ns=T0 + 3 * S), resolution='1s'
    )
    assert rows(table) == [
        (1 * S, 'r1', 'dawn', X, 14.5, 10.0, 19.0, 19.0, 10),
        (2 * S, 'r1', 'dawn', X, 24.5, 20.0, 29.0, 29.0, 10),
    ]
    assert table.schema.field('count').type == pa.int64()


def test_texts_are_read_raw_however_many_there_are(database: Database) -> None:
    database.put(*(('r1', 'state', each * 1000, f's{each}') for each in range(5)))
    table = history(database.settings, ALL, 'state', max_points=2)
    assert table.schema.metadata == {b'twinsight.resolution': b'raw'}
    assert table['text'].to_pylist() == ['s0', 's1', 's2', 's3', 's4']


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'resolution': '5s'}, "resolution '5s': accepted are auto, raw, 1s, 1min"),
        ({'max_points': 0}, 'max_points 0: accepted is 1 or more'),
    ],
)
def test_an_option_that_is_not_accepted_says_what_is(
    database: Database, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        history(database.settings, ALL, **options)


def test_a_selection_that_matches_nothing_says_what_there_is(database: Database) -> None:
    database.put(('r1', X, 0, 1.0))
    with pytest.raises(NothingMatchedError) as nobody:
        history(database.settings, Selection(robots=('r9',)))
    assert lines(nobody) == (
        'nothing matches --robot r9; there is no mission: nothing was recorded yet'
    )
    for robot in ('r1', 'r2'):
        database.execute(
            "INSERT INTO mission SELECT %s, 'dawn', t, NULL, NULL, t + interval '1 min' FROM "
            "(SELECT timestamptz 'epoch' + %s * interval '1 us' AS t) AS start", robot, T0 // 1000,
        )
        database.execute("INSERT INTO metric_info VALUES (%s, %s, '', '', '')", robot, X)
    database.execute("INSERT INTO metric_info VALUES ('r2', 'cpu', '', '', '')")
    span = '2025-11-23 12:13:20.000 UTC to 2025-11-23 12:14:20.000 UTC'
    with pytest.raises(NothingMatchedError) as misspelt:
        history(database.settings, Selection(robots=('r2',)), 'odom.positon.x')
    assert lines(misspelt) == (
        'nothing matches --robot r2, odom.positon.x; there is '
        f'r2 (missions dawn; {span}); metrics {X} and 1 more'
    )
    with pytest.raises(NothingMatchedError) as empty:
        history(database.settings, Selection(from_ns=T0 + S))
    assert lines(empty) == (
        'nothing matches everything, 2025-11-23 12:13:21.000 UTC to the last message; there is '
        f'r1 (missions dawn; {span}); r2 (missions dawn; {span})'
    )


def readers(database: Database, application: str = '%') -> int:
    """
    Return how many connections to this database there are besides the asking one.

    One that was closed just now may be counted yet.
    """
    [(count,)] = database.execute(
        'SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() '
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
        'AND application_name LIKE %s', application,
    )
    return int(count)


def all_gone(database: Database) -> bool:
    end = time.monotonic() + 30
    while readers(database):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_nothing_stays_connected_after_reading(database: Database) -> None:
    database.series('r1', X, rows=10)
    history(database.settings, ALL)
    with pytest.raises(NothingMatchedError):
        history(database.settings, Selection(robots=('r9',)))
    assert all_gone(database)


def test_nothing_stays_connected_where_an_iterator_is_dropped(database: Database) -> None:
    database.more_than_fits()
    batches = history_batches(database.settings, ALL, resolution='raw')
    next(batches)
    assert readers(database, 'twinsight read') == 1
    del batches
    gc.collect()
    assert all_gone(database)


_READ = """
import resource, sys
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.resolution import choose, source
from twinsight_store.history.selection_sql import metric_condition
from twinsight_store.history.slices import slices
from twinsight_store.history.timescale import arrange
from twinsight_store.history.read import history_batches
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.selection import Selection

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

settings = PostgresSettings(sys.argv[1])
next(history_batches(settings, Selection(to_ns=int(sys.argv[2])), resolution='raw'))
before, rows, largest, total = peak(), 0, 0, 0.0
for batch in history_batches(settings, Selection(), resolution='raw'):
    rows, largest = rows + batch.num_rows, max(largest, batch.nbytes)
    total += sum(batch['value'].to_numpy())
print(rows, largest, int(total), peak() - before)
"""


def test_memory_does_not_grow_with_the_rows(database: Database) -> None:
    database.series('r1', X, rows=300_000)
    found = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(_READ), database.settings.url, str(T0 + S)],
        check=True, capture_output=True, text=True,
    )
    count, largest, total, grown_mb = map(int, found.stdout.split())
    assert count == 300_000
    assert total == 300_000 * 299_999 // 2
    assert largest < 2_000_000
    assert grown_mb < 12  # all rows at once are more than 20 MB


def test_a_server_that_is_away_is_said_to_be() -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        unused_port = unused.getsockname()[1]
        away = PostgresSettings(f'postgresql://me:secret@127.0.0.1:{unused_port}/db')
        with pytest.raises(StoreUnavailableError) as error:
            history(away, ALL, resolution='raw')
    assert lines(error).startswith(f'PostgreSQL at 127.0.0.1:{unused_port}/db does not answer (')
    assert 'secret' not in lines(error)


def test_a_connection_that_is_cut_amid_the_rows_is_an_error(database: Database) -> None:
    database.more_than_fits()
    batches = history_batches(database.settings, ALL, resolution='raw')
    next(batches)
    database.execute(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
        'WHERE datname = current_database() AND pid <> pg_backend_pid()'
    )
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        for _ in batches:
            pass


def test_a_table_that_is_not_there_is_refused(database: Database) -> None:
    database.execute('DROP TABLE metric CASCADE')
    with pytest.raises(StoreRefusedError, match=r'refuses \(relation "metric" does not exist;'):
        history(database.settings, ALL, resolution='raw')


@pytest.fixture
def patient(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is asked before the rows have time, whatever settings a test reads with."""
    monkeypatch.setattr(history_read, 'connect', lambda _: connect(database.settings))


def test_a_server_that_hangs_is_given_up(database: Database, patient: None) -> None:
    database.series('r1', X, rows=10)
    hurried = PostgresSettings(database.settings.url, timeout_s=1.0)
    with psycopg.connect(database.settings.url) as other:
        other.execute('LOCK TABLE metric')
        with pytest.raises(StoreUnavailableError, match='took longer than 1 s.*ask for less'):
            history(hurried, ALL, resolution='raw')
    assert all_gone(database)


def test_a_slow_reader_is_no_slow_server(
    database: Database, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This is of the server's limit; the reader's own is for each batch, and not met here.
    monkeypatch.setattr(
        arrow_stream._Reader, 'take', lambda reader: reader._items.get(timeout=30)
    )
    stored = database.more_than_fits()
    [(name,)] = database.execute('SELECT current_database()')
    database.execute(f"ALTER DATABASE {name} SET statement_timeout = '1 s'")
    hurried = PostgresSettings(database.settings.url, timeout_s=1.0)
    batches = history_batches(hurried, ALL, resolution='raw')
    count = next(batches).num_rows
    time.sleep(1.5)
    assert count + sum(batch.num_rows for batch in batches) == stored


def test_timescaledb_gives_the_same(timescale_url: str) -> None:
    database = Database(PostgresSettings(timescale_url))
    database.run(lambda connection: arrange(connection, HistoryPolicies()))
    database.series('r1', X, rows=1000, every_ms=100)
    raw = history(database.settings, ALL, X)
    assert raw['value'].to_pylist() == list(range(1000))
    minutes = history(database.settings, ALL, max_points=99)
    assert minutes.schema.metadata == {b'twinsight.resolution': b'1min'}
    assert rows(minutes) == [
        (-20 * S, 'r1', 'dawn', X, 199.5, 0.0, 399.0, 399.0, 400),
        (40 * S, 'r1', 'dawn', X, 699.5, 400.0, 999.0, 999.0, 600),
    ]
