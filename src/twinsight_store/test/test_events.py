from __future__ import annotations

import gc
import time
from typing import Any

import pyarrow as pa
import pytest

from twinsight_store.errors import ConfigurationError, NothingMatchedError
from twinsight_store.history.events import events, events_table
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.metrics.fact import Event
from twinsight_store.selection import Selection

T0 = 1_763_900_000_000_000_000
S = 10**9
ALL = Selection()


class Database:
    """One database, filled by hand."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        with connect(settings) as connection:
            migrate(connection)

    def execute(self, statement: str, *values: Any) -> list[Any]:
        with connect(self.settings) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def happens(
        self, after_ns: int, kind: str = 'anomaly', severity: str = 'warn', robot: str = 'r1',
        mission: str = 'dawn', message: str = '', data: str = '{}',
    ) -> None:
        self.execute(
            "INSERT INTO event VALUES (timestamptz 'epoch' + %s * interval '1 us', %s, %s, %s, "
            '%s, %s, %s)',
            (T0 + after_ns) // 1000, robot, mission, kind, severity, message, data,
        )

    def times(self, selection: Selection = ALL, **options: Any) -> list[int]:
        """Return when the events were, ns since T0."""
        return [each.time_ns - T0 for each in events(self.settings, selection, **options)]


@pytest.fixture
def database(postgres_url: str) -> Database:
    return Database(PostgresSettings(postgres_url))


def test_an_event_comes_back_as_it_was(database: Database) -> None:
    database.happens(
        1000, 'alert_raised', 'error', message='battery "low"\né',
        data='{"value": 0.1, "names": ["a", null]}',
    )
    assert list(events(database.settings, ALL)) == [
        Event(
            'r1', 'dawn', T0 + 1000, 'alert_raised', 'error', 'battery "low"\né',
            {'value': 0.1, 'names': ['a', None]},
        )
    ]


def test_events_come_in_time_order_then_by_robot(database: Database) -> None:
    database.happens(3000)
    database.happens(1000, robot='r2')
    database.happens(1000, robot='r1', message='first')
    found = [(each.time_ns - T0, each.robot_id) for each in events(database.settings, ALL)]
    assert found == [(1000, 'r1'), (1000, 'r2'), (3000, 'r1')]


def test_a_span_holds_its_start_and_not_its_end(database: Database) -> None:
    for after_ns in (0, 1000, 2000, 3000):
        database.happens(after_ns)
    assert database.times(Selection(from_ns=T0 + 1000, to_ns=T0 + 3000)) == [1000, 2000]


def test_events_are_selected_by_everything_they_have(database: Database) -> None:
    database.happens(1000, 'alert_raised', 'error', 'r1', 'dawn')
    database.happens(2000, 'alert_cleared', 'info', 'r1', 'noon')
    database.happens(3000, 'anomaly', 'warn', 'r2', 'dawn')
    database.execute(
        "INSERT INTO mission VALUES ('r2', 'dawn', now(), NULL, NULL, now(), '{\"site\": \"A\"}')"
    )
    assert database.times(kinds=['alert_raised', 'anomaly']) == [1000, 3000]
    assert database.times(severities=['info']) == [2000]
    assert database.times(kinds=['anomaly'], severities=['info', 'warn']) == [3000]
    assert database.times(Selection(robots=('r1',))) == [1000, 2000]
    assert database.times(Selection(missions=('dawn',))) == [1000, 3000]
    assert database.times(Selection(labels={'site': 'A'})) == [3000]


def test_the_table_holds_the_same(database: Database) -> None:
    database.happens(1000, 'alert_raised', 'error', message='low', data='{"a": 1}')
    table = events_table(database.settings, ALL)
    assert table.schema.field('time').type == pa.timestamp('us', tz='UTC')
    assert table['time'].cast(pa.int64()).to_pylist() == [T0 // 1000 + 1]
    assert table.drop_columns('time').to_pylist() == [
        {
            'robot_id': 'r1', 'mission_id': 'dawn', 'kind': 'alert_raised', 'severity': 'error',
            'message': 'low', 'data': '{"a": 1}',
        }
    ]


def test_who_finds_nothing_is_told_which_events_there_are(database: Database) -> None:
    database.execute(
        "INSERT INTO mission SELECT 'r1', 'dawn', t, NULL, NULL, t FROM "
        "(SELECT timestamptz 'epoch' + %s * interval '1 us' AS t) AS start", T0 // 1000,
    )
    database.happens(0, 'alert_raised', 'error')
    database.happens(0, 'alert_raised', 'error')
    database.happens(0, 'anomaly', 'warn')
    with pytest.raises(NothingMatchedError) as error:
        database.times(kinds=['alert'], severities=['warn', 'error'])
    span = '2025-11-23 12:13:20.000 UTC to 2025-11-23 12:13:20.000 UTC'
    assert str(error.value) == (
        'nothing matches everything, kind alert, severity warn or error; there is '
        f'r1 (missions dawn; {span}); events alert_raised (error, 2), anomaly (warn, 1)'
    )


def test_selected_topics_are_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match='--topic /odom: events have none'):
        database.times(Selection(topics=('/odom',)))


def test_an_iterator_that_is_dropped_leaves_no_connection(database: Database) -> None:
    database.execute(
        "INSERT INTO event SELECT now(), 'r1', '', 'anomaly', 'warn', repeat('x', 1000) "
        'FROM generate_series(1, 50000)'
    )
    found = events(database.settings, ALL)
    next(found)
    # Others have gone, but the server may not have noticed yet.
    connected = (
        'SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() '
        "AND application_name = 'twinsight read' AND backend_type = 'client backend'"
    )
    assert database.execute(connected) == [(1,)]
    del found
    gc.collect()
    end = time.monotonic() + 30
    while database.execute(connected) != [(0,)]:
        assert time.monotonic() < end, 'it is still connected'
        time.sleep(0.02)


@pytest.mark.parametrize('kind', ['nul \0 inside', 'half a pair \ud800'])
def test_a_kind_that_no_server_could_hold_is_refused(database: Database, kind: str) -> None:
    with pytest.raises(ConfigurationError, match='kind or severity .*accepted is UTF-8'):
        database.times(kinds=[kind])
