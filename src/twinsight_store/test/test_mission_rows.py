"""Missions that begin again, and when their rows are open."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from twinsight_store.history.migrate import migrate
from twinsight_store.history.mission_rows import (
    close_lost_missions,
    mission_ended,
    mission_seen,
    mission_started,
)
from twinsight_store.history.postgres import connect, PostgresSettings

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND


class Rows:
    """The table mission, written by what one robot tells; times are seconds since NOW."""

    def __init__(self, connection):
        self.connection = connection

    def start(self, mission, at, **labels):
        mission_started(self.connection, 'r1', mission, NOW + round(at * SECOND), labels)

    def end(self, mission, at):
        mission_ended(self.connection, 'r1', mission, NOW + round(at * SECOND))

    def see(self, mission, *at):
        times = [NOW + round(each * SECOND) for each in at]
        mission_seen(self.connection, 'r1', mission, times[0], times[-1])

    @property
    def now(self):
        """Return what is known of each mission: started, ended, ended_by, last_seen."""
        begin = datetime.fromtimestamp(NOW // SECOND, timezone.utc)
        found = self.connection.execute(
            'SELECT mission_id, started, ended, ended_by, last_seen FROM mission ORDER BY 1'
        )
        return {
            row[0]: tuple(
                (value - begin) / timedelta(seconds=1) if isinstance(value, datetime) else value
                for value in row[1:]
            )
            for row in found
        }


@pytest.fixture
def rows(postgres_url):
    with connect(PostgresSettings(postgres_url)) as connection:
        migrate(connection)
        yield Rows(connection)


def test_a_mission_that_begins_again_after_another_is_open_and_the_other_is_not(rows):
    rows.start('A', 0)
    rows.start('B', 10)
    assert rows.now['A'] == (0, 10, 'next', 0)
    rows.start('A', 20)
    rows.see('A', 20, 25)
    assert rows.now == {'A': (0, None, None, 25), 'B': (10, 20, 'next', 10)}


@pytest.mark.parametrize('lost', [False, True])
def test_a_mission_that_had_ended_goes_on_where_it_begins_again(rows, lost):
    rows.start('A', 0)
    rows.see('A', 0, 5)
    if lost:
        close_lost_missions(rows.connection, -1e9)
    else:
        rows.end('A', 5)
    assert rows.now['A'] == (0, 5, 'lost' if lost else 'request', 5)
    rows.start('A', 9)
    assert rows.now['A'] == (0, None, None, 9)


def test_a_start_that_is_told_late_or_twice_opens_nothing(rows):
    rows.start('A', 0)
    rows.start('B', 10)
    rows.start('A', 0)
    rows.start('A', 5)
    assert rows.now == {'A': (0, 10, 'next', 5), 'B': (10, None, None, 10)}


def test_a_second_recorder_that_tells_the_same_later_leaves_the_same(rows):
    def tell():
        rows.start('A', 0)
        rows.end('A', 10)
        rows.start('B', 10)
        rows.start('A', 20)

    tell()
    told_once = rows.now
    tell()
    assert rows.now == told_once == {'A': (0, None, None, 20), 'B': (10, 20, 'next', 10)}


def test_a_mission_that_is_told_late_ends_where_the_next_one_began(rows):
    rows.start('B', 30)
    rows.see('B', 30, 40)
    rows.see('A', 0, 29)  # of another node, or from a spool
    assert rows.now['A'] == (0, 30, 'next', 29)
    assert rows.now['B'] == (30, None, None, 40)


def test_a_late_mission_whose_robot_was_silent_before_the_next_one_was_lost(rows):
    rows.start('B', 3600)
    rows.start('A', 0)
    assert rows.now['A'] == (0, 0, 'lost', 0)


def test_a_sample_from_before_the_first_one_makes_the_mission_begin_earlier(rows):
    rows.see('A', 30, 40)
    rows.see('A', 5, 6)
    assert rows.now['A'] == (5, None, None, 40)


def test_times_that_no_clock_can_mean_are_no_signs_of_life(rows):
    rows.see('A', -NOW / SECOND + 5, -NOW / SECOND + 6)  # 1970
    rows.see('A', 4e9, 4e9)
    assert rows.now == {}
    rows.see('A', 10, 20)
    assert rows.now['A'] == (10, None, None, 20)


def test_a_restart_without_labels_keeps_those_of_the_mission(rows):
    rows.start('A', 0, site='hall 2')
    rows.start('A', 60)
    labels = rows.connection.execute('SELECT labels FROM mission').fetchone()[0]
    assert labels == {'site': 'hall 2'}
