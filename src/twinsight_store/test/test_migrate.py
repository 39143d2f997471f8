"""The schema: numbered files, each applied once, whoever starts when."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import psycopg
import pytest

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.history.migrate import known, migrate, Migration, SCHEMA_LOCK
from twinsight_store.history.postgres import connect, postgres_errors, PostgresSettings

TABLES = {
    'delivered', 'event', 'history_policy', 'metric', 'metric_info', 'mission',
    'mission_recording', 'schema_migration',
}


@pytest.fixture
def settings(postgres_url):
    return PostgresSettings(postgres_url, timeout_s=10)


@pytest.fixture
def connection(settings):
    with connect(settings) as opened:
        yield opened


def tables(connection):
    return {row[0] for row in connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' "
        "AND table_type = 'BASE TABLE'"
    )}


def applied(connection):
    return connection.execute(
        'SELECT number, name FROM schema_migration ORDER BY number'
    ).fetchall()


def test_a_new_database_gets_all_files_in_order(connection):
    assert migrate(connection) == [
        '0001_tables.sql', '0002_aggregates.sql', '0003_row_by_row.sql'
    ]
    assert tables(connection) == TABLES
    assert applied(connection) == [(1, 'tables'), (2, 'aggregates'), (3, 'row_by_row')]


def test_the_second_time_nothing_is_left_to_do(connection):
    migrate(connection)
    assert migrate(connection) == []


def test_what_is_done_needs_no_right_to_write(connection):
    migrate(connection)
    connection.execute('SET default_transaction_read_only = on')
    assert migrate(connection) == []


def test_a_file_that_came_later_is_applied_alone(connection):
    migrate(connection)
    later = Migration(9000, 'more', 'CREATE TABLE more (x int); INSERT INTO more VALUES (1)')
    assert migrate(connection, [*known(), later]) == ['9000_more.sql']
    assert connection.execute('SELECT x FROM more').fetchall() == [(1,)]


def test_a_file_that_fails_leaves_nothing_and_the_next_start_goes_on(connection):
    broken = Migration(9000, 'broken', 'CREATE TABLE half (x int); SELECT 1 / 0')
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, [*known(), broken])
    assert tables(connection) == TABLES
    repaired = Migration(9000, 'broken', 'CREATE TABLE half (x int)')
    assert migrate(connection, [*known(), repaired]) == ['9000_broken.sql']


def test_four_programs_that_start_at_once_apply_each_file_once(settings, connection):
    program = (
        'import sys; from twinsight_store.history.migrate import migrate; '
        'from twinsight_store.history.postgres import connect, PostgresSettings; '
        'c = connect(PostgresSettings(sys.argv[1])); print("ready", flush=True); input(); '
        'print(*migrate(c))'
    )
    programs = [
        subprocess.Popen(
            [sys.executable, '-c', program, settings.url], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) for _ in range(4)
    ]
    for each in programs:
        assert each.stdout.readline() == 'ready\n'
    for each in programs:
        each.stdin.write('go\n')
        each.stdin.flush()
    ends = [each.communicate() for each in programs]
    assert [error for _, error in ends] == [''] * 4
    assert sorted(' '.join(out for out, _ in ends).split()) == [each.file for each in known()]
    assert applied(connection) == [(1, 'tables'), (2, 'aggregates'), (3, 'row_by_row')]


def test_who_comes_second_waits_for_the_first(settings, connection):
    with connect(settings) as first:
        done = threading.Event()
        second = threading.Thread(target=lambda: (migrate(connection), done.set()))
        with first.transaction():
            first.execute('SELECT pg_advisory_xact_lock(%s)', [SCHEMA_LOCK])
            second.start()
            assert not done.wait(0.3)
        assert done.wait(30)
        second.join()


def test_who_waits_too_long_says_so_and_may_come_again(settings):
    with connect(settings) as first, connect(settings) as second:
        with first.transaction():
            first.execute('SELECT pg_advisory_xact_lock(%s)', [SCHEMA_LOCK])
            second.execute("SET statement_timeout = '300ms'")
            with pytest.raises(StoreUnavailableError, match='statement timeout'), \
                    postgres_errors(settings):
                migrate(second)
        second.execute("SET statement_timeout = '10s'")
        assert migrate(second) == [each.file for each in known()]


def test_a_file_may_take_longer_than_a_statement(connection):
    waits = []
    connection.add_notice_handler(
        lambda told: waits.append((told.message_primary, connection.silence_s))
    )
    tells = "DO $$ BEGIN RAISE NOTICE 'at most %', current_setting('statement_timeout'); END $$"
    slow = Migration(9000, 'slow', tells)
    assert migrate(connection, [*known(), slow])[-1] == '9000_slow.sql'
    connection.execute(tells)
    assert [each for each in waits if each[0].startswith('at most')] == [
        ('at most 0', math.inf), ('at most 10s', 12.0)
    ]


def test_a_database_of_a_newer_version_is_left_alone(connection):
    migrate(connection, [*known(), Migration(9000, 'future', 'SELECT 1')])
    with pytest.raises(StoreRefusedError) as error:
        migrate(connection)
    assert 'has schema 9000_future, this TwinSight knows up to 0003' in str(error.value)
    assert 'use the newer TwinSight, or another database' in str(error.value)


def test_a_file_that_was_changed_afterwards_is_told(connection):
    migrate(connection)
    first, *others = known()
    with pytest.raises(StoreRefusedError, match='0001_tables.sql is not as it was applied'):
        migrate(connection, [first._replace(sql=f'{first.sql}-- more\n'), *others])


def test_a_database_with_a_table_of_that_name_is_left_alone(connection):
    connection.execute('CREATE TABLE metric (mine int)')
    with pytest.raises(StoreRefusedError, match='"metric" already exists.*a database of its own'):
        migrate(connection)
    assert tables(connection) == {'metric'}
