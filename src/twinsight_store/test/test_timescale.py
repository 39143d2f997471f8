"""
The history where the server has TimescaleDB.

Compression, policies and continuous aggregates are in its own edition only; the Apache edition,
which Linux distributions have, has hypertables.
"""

from __future__ import annotations

import time

import numpy as np
import psycopg
import pytest

from twinsight_store.history.migrate import migrate
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.read import history
from twinsight_store.history.sink import HistorySink
from twinsight_store.history.timescale import CONVERT
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_store.selection import Selection

DAY_S = 86400
MONTH = HistoryPolicies(retention_s=30 * DAY_S)
NUMBERS = (
    'SELECT {bucket} AS bucket, robot_id, mission_id, name, avg(value), min(value), max(value), '
    '(array_agg(value ORDER BY time DESC))[1], count(value) FROM metric '
    'WHERE value IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 4'
)


class Database:
    """A database of the test's own on a server with TimescaleDB."""

    def __init__(self, url):
        self.settings = PostgresSettings(url, timeout_s=60)

    def write(self, source, *batches, policies=MONTH):
        """Write with a sink of its own; return what it says of the tables."""
        sink = HistorySink(self.settings, policies)
        sink.write([Delivery(source, number, batch) for number, batch in enumerate(batches)])
        sink.close()
        return sink.layout

    def ask(self, query, *parameters):
        with connect(self.settings) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def chunks(self):
        return self.ask(
            'SELECT range_start, range_end FROM timescaledb_information.chunks '
            "WHERE hypertable_name = 'metric' ORDER BY range_start"
        )

    def policies(self):
        """Return what the policies of the table metric say."""
        return {
            kind: str(setting) for kind, setting in self.ask(
                "SELECT proc_name, coalesce(config->>'drop_after', config->>'compress_after') "
                "FROM timescaledb_information.jobs WHERE hypertable_name = 'metric'"
            )
        }

    def run_policy(self, kind):
        for (job,) in self.ask(
            'SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = %s', kind
        ):
            self.ask(f'CALL run_job({job})')


@pytest.fixture
def any_edition(timescale_url):
    made = Database(timescale_url)
    made.ask('CREATE EXTENSION IF NOT EXISTS timescaledb')
    # The tests run the policies by hand.
    made.ask('SELECT _timescaledb_functions.stop_background_workers()')
    return made


@pytest.fixture
def database(any_edition):
    if any_edition.ask("SELECT current_setting('timescaledb.license', true)") != [('timescale',)]:
        pytest.skip('this TimescaleDB is of the Apache edition: no compression, no policies')
    return any_edition


def samples(days_ago, count=1000):
    """Make a batch of two series, 20 samples a second, that begins so many days ago."""
    rows = np.arange(count)
    begin_ns = time.time_ns() - int(days_ago * DAY_S) * 1_000_000_000
    return MetricBatch(
        [Series('robot_01', 'dawn', 'odom/speed'), Series('robot_01', 'dawn', 'state')],
        begin_ns + rows * 50_000_000, (rows % 2).astype(np.uint32),
        np.where(rows % 50 == 1, np.nan, rows / 7),
        {int(row): f'state {row} é' for row in rows if row % 50 == 1},
    )


def test_samples_lie_in_chunks_of_a_day(any_edition):
    line = any_edition.write('s', samples(0), samples(3), samples(10))
    assert line.startswith('TimescaleDB 2.') and 'hypertable (chunks of a day)' in line
    assert 'samples kept 30 d' in line
    chunks = any_edition.chunks()
    # Three, and one more for each that reaches over midnight, which all of them may do.
    [(days,)] = any_edition.ask("SELECT count(DISTINCT time_bucket('1 day', time)) FROM metric")
    assert len(chunks) == days and 3 <= days <= 6
    assert all((end - begin).total_seconds() == DAY_S for begin, end in chunks)
    assert any_edition.ask('SELECT count(*) FROM metric') == [(3000,)]


def test_the_second_start_leaves_all_as_it_is(any_edition):
    first = any_edition.write('a', samples(0))
    assert any_edition.write('b', samples(1)) == first
    assert any_edition.ask('SELECT count(*) FROM metric') == [(2000,)]


def test_old_samples_go_also_without_a_policy(any_edition):
    if any_edition.ask("SELECT current_setting('timescaledb.license', true)") == [('timescale',)]:
        pytest.skip('this TimescaleDB has policies, see the next test')
    any_edition.write('s', samples(40), samples(1))
    assert any_edition.ask('SELECT count(*) FROM metric') == [(1000,)]


def test_retention_drops_old_chunks_and_their_aggregates(database):
    database.write('s', samples(60), samples(1))
    database.run_policy('policy_refresh_continuous_aggregate')
    before = database.ask('SELECT min(bucket) FROM metric_1min')
    database.run_policy('policy_retention')
    assert database.ask('SELECT count(*) FROM metric') == [(1000,)]
    assert database.ask('SELECT min(bucket) FROM metric_1min') > before
    assert database.ask(
        "SELECT count(*) FROM metric_1s WHERE bucket < now() - INTERVAL '40 days'"
    ) == [(0,)]


def test_compressed_chunks_read_the_same(database):
    rows = 'SELECT * FROM metric ORDER BY time, name'
    database.write('s', samples(10), samples(8), samples(0))
    before = database.ask(rows)
    database.run_policy('policy_compression')
    compressed = database.ask(
        "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'metric' "
        'AND is_compressed'
    )
    assert compressed[0][0] >= 2
    assert database.ask(rows) == before


def test_samples_that_come_late_into_compressed_chunks_are_there_too(database):
    late = samples(9.9999)
    database.write('a', samples(10))
    database.run_policy('policy_compression')
    database.write('b', late)
    assert database.ask('SELECT count(*) FROM metric') == [(2000,)]


@pytest.mark.parametrize('refreshed', [False, True])
def test_aggregates_are_what_sql_says_of_the_samples(database, refreshed):
    database.write('a', samples(2), samples(0))
    if refreshed:
        database.run_policy('policy_refresh_continuous_aggregate')
        database.write('b', samples(-0.001))  # not yet in what was computed
    for view, width in (('metric_1s', 'second'), ('metric_1min', 'minute')):
        found = database.ask(f'SELECT * FROM {view} ORDER BY bucket, name')
        wanted = database.ask(NUMBERS.format(bucket=f"date_trunc('{width}', time)"))
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours[:4] == theirs[:4]
            assert ours[4:] == pytest.approx(theirs[4:])


def test_a_refresh_takes_in_what_a_robot_delivers_days_later(database):
    database.write('a', samples(0.1))
    database.run_policy('policy_refresh_continuous_aggregate')
    database.write('b', samples(5))
    database.run_policy('policy_refresh_continuous_aggregate')
    assert database.ask('SELECT sum(count)::int FROM metric_1min') == [(1960,)]


def test_policies_follow_the_configuration(database):
    line = database.write('a', policies=HistoryPolicies(None, compress_after_s=2 * DAY_S))
    assert 'compressed after 2 d' in line and 'samples kept for ever' in line
    assert database.policies() == {'policy_compression': '2 days'}
    # Whoever keeps less, or compresses sooner, changes nothing for the others.
    line = database.write('b', policies=HistoryPolicies(90 * DAY_S, compress_after_s=3600))
    assert 'samples kept for ever (not 90 d as configured here' in line
    assert database.policies() == {'policy_compression': '2 days'}
    # Its owner does.
    database.ask("UPDATE history_policy SET retention = '90 days', compress_after = '1 hour'")
    line = database.write('b', policies=HistoryPolicies(90 * DAY_S, compress_after_s=3600))
    assert 'samples kept 90 d' in line and '(not' not in line
    assert database.policies() == {
        'policy_compression': '01:00:00', 'policy_retention': '90 days'
    }
    jobs = database.ask('SELECT job_id FROM timescaledb_information.jobs ORDER BY job_id')
    database.write('a', policies=HistoryPolicies(30 * DAY_S, compress_after_s=3600))
    assert database.ask('SELECT job_id FROM timescaledb_information.jobs ORDER BY job_id') == jobs
    database.write('a', policies=HistoryPolicies(None, compress_after_s=3600))
    assert database.policies() == {'policy_compression': '01:00:00'}


def test_aggregates_are_compressed_too_and_read_the_same(database):
    database.write('a', samples(25), samples(0))  # a chunk of theirs is 10 days
    database.run_policy('policy_refresh_continuous_aggregate')
    rows = "SELECT * FROM metric_1s WHERE bucket < now() - INTERVAL '9 days' ORDER BY 1, 4"
    before = database.ask(rows)
    database.run_policy('policy_compression')
    assert database.ask(
        'SELECT count(DISTINCT hypertable_name) FROM timescaledb_information.chunks '
        'WHERE is_compressed'
    ) == [(3,)]
    assert database.ask(rows) == before
    # What comes late still gets in.
    database.write('b', samples(24.9999))
    database.run_policy('policy_refresh_continuous_aggregate')
    assert database.ask('SELECT sum(count)::int FROM metric_1s') == [(3 * 980,)]


def test_aggregates_are_computed_from_the_oldest_on(database):
    database.write('a', samples(0))
    if not database.ask(
        "SELECT 1 FROM pg_proc WHERE proname = 'add_continuous_aggregate_policy' "
        "AND 'refresh_newest_first' = ANY (proargnames)"
    ):
        pytest.skip('this TimescaleDB always begins with the oldest')
    assert database.ask(
        "SELECT DISTINCT config->>'refresh_newest_first' FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_refresh_continuous_aggregate'"
    ) == [('false',)]


def test_what_came_late_and_has_no_aggregate_yet_is_read_raw(database):
    database.write('a', samples(0.1))
    database.run_policy('policy_refresh_continuous_aggregate')
    database.write('b', samples(5))
    five_days_ago = Selection(to_ns=time.time_ns() - 4 * DAY_S * 10**9)
    table = history(database.settings, five_days_ago, max_points=10)
    assert table.num_rows == 1000
    database.ask("CALL refresh_continuous_aggregate('metric_1s', NULL, NULL)")
    table = history(database.settings, five_days_ago, max_points=10)
    assert table.schema.metadata == {b'twinsight.resolution': b'1s'}
    database.run_policy('policy_refresh_continuous_aggregate')
    table = history(database.settings, five_days_ago, max_points=10)
    assert table.schema.metadata == {b'twinsight.resolution': b'1min'}


def plain(database):
    """Fill a database while it has no TimescaleDB, as one that was made before."""
    with psycopg.connect(database.settings.url, autocommit=True) as connection:
        connection.execute('DROP EXTENSION IF EXISTS timescaledb CASCADE')
    with connect(database.settings) as connection:
        migrate(connection)
    database.ask("INSERT INTO metric VALUES (now(), 'robot_01', 'dawn', 'odom/speed', 1, NULL)")


def test_a_database_that_was_plain_before_stays_so_and_says_how_to_change_it(any_edition):
    plain(any_edition)
    line = any_edition.write('a', samples(0))
    assert 'is there, but the table metric was filled before: plain tables' in line
    assert line.endswith(CONVERT)
    assert any_edition.ask('SELECT count(*) FROM metric') == [(1001,)]
    any_edition.ask(CONVERT)
    assert 'hypertable (chunks of a day)' in any_edition.write('b', samples(1))
    assert any_edition.ask('SELECT count(*) FROM metric') == [(2001,)]


def test_views_that_others_built_on_stay_and_that_is_said(database):
    plain(database)
    database.ask('CREATE VIEW mine AS SELECT * FROM metric_1s')
    database.write('a')
    database.ask(CONVERT)
    line = database.write('b', samples(0))
    assert 'left as found (cannot drop view metric_1s because other objects depend on it)' in line
    assert database.ask('SELECT count(*) > 0 FROM mine') == [(True,)]


def test_who_may_not_change_the_tables_writes_all_the_same(any_edition):
    any_edition.write('a', samples(0))
    role = 'guest_' + any_edition.settings.where.rpartition('/')[2]
    parts = psycopg.conninfo.conninfo_to_dict(any_edition.settings.url)
    any_edition.ask(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'")
    any_edition.ask(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}')
    guest = Database(
        f'postgresql://{role}:guest@{parts["host"]}:{parts["port"]}/{parts["dbname"]}'
    )
    line = guest.write('b', samples(0), policies=HistoryPolicies(None, 5 * DAY_S))
    assert any_edition.ask('SELECT count(*) FROM metric') == [(2000,)]
    if 'Apache' not in line:
        assert 'hypertable, left as found (must be owner' in line
