"""The history in PostgreSQL: samples and facts once, in order, and none held up by another."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import partial
import random
import string
import threading
import time

import numpy as np
import psycopg
import pytest

from twinsight_store.errors import ConfigurationError
from twinsight_store.history import sink as history_sink
from twinsight_store.history.maintenance import maintain
from twinsight_store.history.mission_rows import close_lost_missions
from twinsight_store.history.policies import HistoryPolicies
from twinsight_store.history.postgres import connect, Connection, PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import (
    Alive,
    Event,
    MetricInfo,
    MissionEnded,
    MissionRecording,
    MissionStarted,
)
from twinsight_store.metrics.metric import Series

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
SPEED = Series('robot_01', 'dawn', 'odom/speed')


def at(seconds):
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=NOW // SECOND + seconds)


def samples(*values, series=SPEED, begin_ns=NOW, facts=()):
    """Make a batch of one series, a sample a second."""
    count = len(values)
    numbers = [value if isinstance(value, (int, float)) else np.nan for value in values]
    return MetricBatch(
        [series], begin_ns + np.arange(count) * SECOND, np.zeros(count, np.uint32),
        np.array(numbers, np.float64),
        {row: value for row, value in enumerate(values) if isinstance(value, str)}, facts,
    )


def told(*facts):
    return MetricBatch(facts=facts)


class History:
    """A database of the test's own, and one sink that writes into it."""

    def __init__(self, url):
        self.settings = PostgresSettings(url)
        self.sink = HistorySink(self.settings)
        self._number = 0

    def tell(self, *batches):
        """Write batches, each as the next delivery of one source."""
        deliveries = []
        for batch in batches:
            self._number += 1
            deliveries.append(Delivery('robot_01/metrics/1', self._number, batch))
        return self.sink.write(deliveries)

    def ask(self, query, *parameters):
        with connect(self.settings) as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def values(self):
        return [row[0] for row in self.ask('SELECT value FROM metric ORDER BY time, value')]

    def missions(self):
        return self.ask(
            'SELECT mission_id, started, ended, ended_by, last_seen FROM mission ORDER BY started'
        )

    def lose_missions(self, timeout_s=60.0):
        with connect(self.settings) as connection:
            return close_lost_missions(connection, timeout_s)


@pytest.fixture
def history(postgres_url):
    made = History(postgres_url)
    yield made
    made.sink.close()


def test_samples_lie_in_the_table_as_they_were_given(history):
    assert history.tell(samples(1.5, 'docked', 2)) == (3, 0, '')
    assert history.ask('SELECT * FROM metric ORDER BY time') == [
        (at(0), *SPEED, 1.5, None), (at(1), *SPEED, None, 'docked'), (at(2), *SPEED, 2.0, None)
    ]


def test_the_sink_says_how_the_tables_lie(history):
    assert history.sink.layout == ''
    history.tell(samples(1))
    assert 'plain tables, samples kept for ever' in history.sink.layout
    assert history.sink.layout.startswith('PostgreSQL ')


def test_the_same_delivery_again_is_written_once_and_counts(history):
    first, second = Delivery('s', 1, samples(1, 2)), Delivery('s', 2, samples(3))
    assert history.sink.write([first]).samples == 2
    assert history.sink.write([first, second]).samples == 3
    assert history.sink.write([second, second]).samples == 2
    assert history.values() == [1, 3, 2]
    assert history.ask('SELECT source, number FROM delivered') == [('s', 2)]


def test_the_first_number_of_a_source_may_be_zero(history):
    history.sink.write([Delivery('s', 0, samples(1))])
    history.sink.write([Delivery('s', 0, samples(1))])
    assert history.values() == [1]


def test_sources_count_each_for_itself(history):
    history.sink.write([Delivery('a', 7, samples(1)), Delivery('b', 3, samples(2))])
    history.sink.write([Delivery('b', 7, samples(3)), Delivery('a', 3, samples(4))])
    assert history.values() == [1, 2, 3]


def test_two_sinks_that_write_the_same_at_once_write_it_once(history):
    deliveries = [Delivery(f'source {n % 3}', n, samples(n)) for n in range(60)]
    failures = []

    def work():
        sink = HistorySink(history.settings)
        try:
            for first in range(0, 60, 4):
                assert sink.write(deliveries[first:first + 4]).samples == 4
        except Exception as error:
            failures.append(error)
        sink.close()

    writers = [threading.Thread(target=work) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert history.values() == list(range(60))


def test_who_comes_second_waits_and_then_skips(history):
    history.tell(samples(1))
    done = threading.Event()
    with connect(history.settings) as other:
        with other.transaction():
            other.execute('UPDATE delivered SET number = 2')
            second = threading.Thread(target=lambda: (history.tell(samples(2)), done.set()))
            second.start()
            assert not done.wait(0.3)
        assert done.wait(30)
    second.join()
    assert history.values() == [1]


def test_a_big_batch_of_many_series_is_complete(history):
    count = 50_000
    series = [Series('robot_01', 'dawn', f'metric {n}') for n in range(100)]
    rows = np.arange(count)
    history.tell(MetricBatch(
        series, NOW + rows * 1000, (rows % 100).astype(np.uint32), rows * 0.5
    ))
    found = history.ask('SELECT name, value FROM metric ORDER BY time')
    assert found == [(f'metric {n % 100}', n * 0.5) for n in range(count)]


def test_events_and_units_are_told(history):
    history.tell(told(
        Event('robot_01', 'dawn', NOW, 'alert_raised', 'warn', 'Akku "leer"', {'volt': [1.5]}),
        MetricInfo('robot_01', 'odom/speed', 'm/s', '/odom', 'twist.linear.x'),
        MetricInfo('robot_01', 'odom/speed', 'km/h', '/odom', 'twist.linear.x'),
    ))
    assert history.ask('SELECT * FROM event') == [
        (at(0), 'robot_01', 'dawn', 'alert_raised', 'warn', 'Akku "leer"', {'volt': [1.5]})
    ]
    assert history.ask('SELECT * FROM metric_info') == [
        ('robot_01', 'odom/speed', 'km/h', '/odom', 'twist.linear.x')
    ]


def test_what_was_recorded_replaces_what_was_told_before(history):
    history.tell(told(MissionRecording('robot_01', 'dawn', 'rec/1', {'/scan': (1, 100)})))
    history.tell(told(
        MissionRecording('robot_01', 'dawn', 'rec/1', {'/scan': (5, 500), '/tf': (2, 20)}),
        MissionRecording('robot_01', 'dawn', 'rec/2', {'/scan': (1, 1)}),
    ))
    assert history.ask('SELECT recorder, topic, messages, bytes FROM mission_recording '
                       'ORDER BY recorder, topic') == [
        ('rec/1', '/scan', 5, 500), ('rec/1', '/tf', 2, 20), ('rec/2', '/scan', 1, 1)
    ]


def test_the_first_samples_of_a_mission_begin_it(history):
    history.tell(samples(1, 2, 3))
    assert history.missions() == [('dawn', at(0), None, None, at(2))]


def test_signs_of_life_begin_a_mission_and_keep_it(history):
    history.tell(told(Alive('robot_01', 'dawn', NOW)))
    history.tell(told(Alive('robot_01', 'dawn', NOW + 5 * SECOND)))
    history.tell(told(Alive('robot_01', 'dawn', NOW + 3 * SECOND)))
    assert history.missions() == [('dawn', at(0), None, None, at(5))]


def test_a_mission_begins_where_it_was_said_also_after_its_first_samples(history):
    start = MissionStarted('robot_01', 'dawn', NOW - SECOND, {'site': 'Halle 3'})
    history.tell(samples(1, facts=[start]))
    assert history.missions() == [('dawn', at(-1), None, None, at(0))]
    assert history.ask('SELECT labels FROM mission') == [({'site': 'Halle 3'},)]


def test_the_same_mission_again_is_a_sign_of_life_with_other_labels(history):
    history.tell(told(MissionStarted('robot_01', 'dawn', NOW, {'a': '1', 'b': '2'})))
    history.tell(told(MissionStarted('robot_01', 'dawn', NOW + 9 * SECOND, {'a': '3'})))
    assert history.missions() == [('dawn', at(0), None, None, at(9))]
    assert history.ask('SELECT labels FROM mission') == [({'a': '3'},)]


def test_a_mission_ends_on_request(history):
    history.tell(samples(1, facts=[MissionEnded('robot_01', 'dawn', NOW + SECOND)]))
    history.tell(samples(2, begin_ns=NOW + 2 * SECOND))
    assert history.missions() == [('dawn', at(0), at(1), 'request', at(2))]


def test_the_next_mission_ends_the_one_before_but_not_another_robots(history):
    history.tell(told(
        MissionStarted('robot_02', 'other', NOW),
        MissionStarted('robot_01', 'dawn', NOW + SECOND),
        Alive('robot_01', 'dawn', NOW + 2 * SECOND),
        MissionStarted('robot_01', 'noon', NOW + 3 * SECOND),
    ))
    assert history.missions() == [
        ('other', at(0), None, None, at(0)),
        ('dawn', at(1), at(3), 'next', at(2)),
        ('noon', at(3), None, None, at(3)),
    ]


def test_facts_of_one_write_hold_in_their_order(history):
    history.tell(
        told(MissionStarted('robot_01', 'dawn', NOW)), samples(1, 2),
        told(MissionEnded('robot_01', 'dawn', NOW + 2 * SECOND)),
        told(MissionStarted('robot_01', 'noon', NOW + 3 * SECOND)),
    )
    assert [mission[3] for mission in history.missions()] == ['request', None]


def test_a_mission_that_is_not_seen_for_long_is_lost(history):
    lately = time.time_ns() - 30 * SECOND
    history.tell(samples(1, 2), told(Alive('robot_02', 'noon', lately)))
    assert history.lose_missions(60) == [('robot_01', 'dawn')]
    assert history.lose_missions(60) == []
    assert history.missions()[0] == ('dawn', at(0), at(1), 'lost', at(1))
    assert history.missions()[1][3] is None
    assert history.lose_missions(20) == [('robot_02', 'noon')]


def test_a_lost_mission_that_is_seen_later_goes_on(history):
    history.tell(samples(1))
    history.lose_missions()
    history.tell(samples(0, begin_ns=NOW - SECOND))
    assert history.missions() == [('dawn', at(-1), at(0), 'lost', at(0))]
    history.tell(samples(2, begin_ns=NOW + SECOND))
    assert history.missions() == [('dawn', at(-1), None, None, at(1))]


def test_a_mission_that_ended_on_request_is_never_lost_nor_opened_again(history):
    history.tell(samples(1, facts=[MissionEnded('robot_01', 'dawn', NOW)]))
    assert history.lose_missions() == []
    history.tell(samples(2, begin_ns=NOW + SECOND))
    assert history.missions()[0][2:4] == (at(0), 'request')


def test_a_value_that_the_table_does_not_take_holds_up_nothing_else(history):
    history.tell(samples(0))
    history.ask('ALTER TABLE metric ADD CONSTRAINT sane CHECK (value <> 777)')
    values = list(range(1, 3001))
    written = history.tell(samples(*values[:1000]), samples(*values[1000:]), told(
        Event('robot_01', 'dawn', NOW, 'anomaly', 'info', 'still here')
    ))
    assert written[:2] == (2999, 1)
    assert "a sample of 'odom/speed' of robot_01" in written.problem
    assert 'violates check constraint "sane"' in written.problem and '\n' not in written.problem
    found = history.ask('SELECT value FROM metric ORDER BY ctid')
    assert [row[0] for row in found] == [0, *(value for value in values if value != 777)]
    assert history.ask('SELECT message FROM event') == [('still here',)]
    assert history.tell(samples(4000)) == (1, 0, '')


def test_where_all_is_refused_all_is_counted_and_not_sent_again(history):
    history.tell(samples(-1))
    history.ask('ALTER TABLE metric ADD CHECK (value < 0)')
    assert history.tell(samples(*range(100)))[:2] == (0, 100)
    assert history.values() == [-1]
    assert history.ask('SELECT number FROM delivered') == [(2,)]


def test_thousands_of_refused_ones_take_few_round_trips_and_no_good_one_with_them(
    history, monkeypatch
):
    history.tell(samples(0))
    history.ask('ALTER TABLE metric ADD CONSTRAINT sane CHECK (value < 5)')
    values = [row % 10 for row in range(5000)]
    trips, wait = [], Connection.wait

    def counted(*arguments, **keywords):
        trips.append(arguments)
        return wait(*arguments, **keywords)

    monkeypatch.setattr(Connection, 'wait', counted)
    assert history.tell(samples(*values))[:2] == (2500, 2500)
    assert len(trips) < 500
    assert sum(history.values()) == 5000  # 500 times 0 + 1 + 2 + 3 + 4


@pytest.mark.parametrize('text', ['nul \0 inside', 'half a pair \ud800'])
def test_texts_that_no_server_could_hold_are_refused_alone(history, text):
    written = history.tell(samples('a', text, 'b', 1.5, text, float('nan')))
    assert written[:2] == (4, 2)
    assert history.ask('SELECT value, text FROM metric ORDER BY time') == [
        (None, 'a'), (None, 'b'), (1.5, None), (None, None)
    ]


def test_a_trigger_that_raises_refuses_a_sample(history):
    history.tell(samples(0))
    history.ask(
        'CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS '
        "$$ BEGIN RAISE EXCEPTION 'not on sundays'; END $$;"
        'CREATE TRIGGER no BEFORE INSERT ON metric FOR EACH ROW WHEN (NEW.value = 5) '
        'EXECUTE FUNCTION no()'
    )
    written = history.tell(samples(4, 5, 6))
    assert written[:2] == (2, 1) and 'not on sundays' in written.problem


# So that it cannot be compressed.
TOO_LONG = ''.join(random.Random(1).choices(string.ascii_letters, k=10_000))


@pytest.mark.parametrize('name', ['nul \0 inside', 'half a pair \ud800', TOO_LONG])
def test_a_name_that_no_index_or_text_can_hold_is_refused_alone(history, name):
    written = history.tell(
        samples(1), samples(2, 3, series=Series('robot_01', 'dawn', name)), samples(4)
    )
    assert written[:2] == (2, 2) and len(written.problem) < 500
    assert history.values() == [1, 4]


def test_a_mission_whose_name_is_too_long_is_refused_but_not_its_samples(history):
    written = history.tell(samples(1, series=Series('robot_01', TOO_LONG, 'x')), samples(2))
    assert written[:2] == (2, 1) and 'mission' in written.problem
    assert [mission[0] for mission in history.missions()] == ['dawn']


@pytest.mark.parametrize('fact', [
    Event('robot_01', 'dawn', NOW, 'anomaly', 'info', 'nul \0 inside'),
    Event('robot_01', 'dawn', NOW, 'anomaly', 'info', 'x', {'nul': '\0'}),
    Event('robot_01', 'dawn', NOW, 'anomaly', 'info', 'x', {'not in JSON': float('nan')}),
    Event('robot_01', 'dawn', NOW, 'anomaly', 'info', 'half a pair \ud800'),
    Event('robot_01', 'dawn', 10**30, 'anomaly', 'info', 'far away'),
    Event('robot_01', 'dawn', NOW, 'anomaly', None, 'no severity'),
    Alive('robot_01', 'nul \0 inside', NOW),
    MissionRecording('robot_01', 'dawn', 'rec', {'/scan': (2**70, 0)}),
])
def test_a_fact_that_is_refused_holds_up_nothing_else(history, fact):
    written = history.tell(samples(1, facts=[
        MetricInfo('robot_01', 'a', 'm', '/t', 'f'), fact, MetricInfo('robot_01', 'b', '', '', '')
    ]))
    assert written[:2] == (1, 1)
    assert written.problem.startswith('PostgreSQL refuses ')
    assert history.values() == [1]
    assert history.ask('SELECT name FROM metric_info ORDER BY name') == [('a',), ('b',)]


def test_a_text_that_the_databases_encoding_lacks_is_refused_alone(history):
    name = psycopg.conninfo.conninfo_to_dict(history.settings.url)['dbname']
    history.ask(f"CREATE DATABASE {name}_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    latin = History(history.settings.url.replace(name, f'{name}_latin'))
    written = latin.tell(samples('grün', 'šéf 🤖', 'blau'))
    latin.sink.close()
    assert written[:2] == (2, 1)
    assert 'has no equivalent in encoding "LATIN1"' in written.problem
    assert latin.ask('SELECT text FROM metric ORDER BY time') == [('grün',), ('blau',)]


def test_old_samples_are_deleted_from_plain_tables(history, monkeypatch):
    # All in one go, which on a busy machine takes longer than a write should.
    monkeypatch.setattr(history_sink, 'maintain', partial(maintain, limit_s=60.0))
    sink = HistorySink(history.settings, HistoryPolicies(retention_s=3600))
    others = [
        samples(*range(8000), series=Series(f'robot_{n}', 'dawn', 'x'), begin_ns=NOW - 10**14)
        for n in range(3)
    ]
    new = samples(1, 2, begin_ns=time.time_ns() - 10 * SECOND)
    sink.write([Delivery('s', n, batch) for n, batch in enumerate([*others, new])])
    assert history.values() == [1, 2]
    assert 'samples kept 1 h' in sink.layout
    sink.close()


def test_a_robot_that_was_off_for_a_year_doubles_nothing(history):
    history.tell(samples(1))
    history.ask("UPDATE delivered SET updated = now() - INTERVAL '365 days'")
    history.ask("UPDATE history_policy SET maintained = '-infinity'")
    sink = HistorySink(history.settings)
    sink.write([Delivery('another', 1, samples(2))])
    sink.write([Delivery('robot_01/metrics/1', 1, samples(1))])
    sink.close()
    assert history.values() == [1, 2]


def test_sources_of_long_ago_are_forgotten(history):
    history.tell(samples(1))
    history.ask("UPDATE delivered SET updated = now() - INTERVAL '401 days'")
    history.ask("INSERT INTO delivered VALUES ('other', 1, now() - INTERVAL '399 days')")
    history.ask("UPDATE history_policy SET maintained = '-infinity'")
    HistorySink(history.settings).write([Delivery('new', 1, samples(2))])
    assert history.ask('SELECT source FROM delivered ORDER BY source') == [('new',), ('other',)]


def kept(history, retention_s):
    """Let a recorder of that retention (None: for ever) start and write; return its line."""
    sink = HistorySink(history.settings, HistoryPolicies(retention_s=retention_s))
    sink.write([Delivery(f'r/n/{time.time_ns()}', 1, samples(1, begin_ns=time.time_ns()))])
    sink.close()
    return sink.layout


def test_the_longest_retention_that_anybody_wants_holds_for_all(history):
    assert 'samples kept 1 d' in kept(history, 86400)
    assert 'samples kept 90 d' in kept(history, 90 * 86400)
    line = kept(history, 86400)
    assert 'samples kept 90 d (not 1 d as configured here' in line
    assert line.endswith("UPDATE history_policy SET retention = INTERVAL '1 days')")
    assert kept(history, None).endswith('samples kept for ever')
    assert 'samples kept for ever (not 90 d' in kept(history, 90 * 86400)


def test_a_test_bench_does_not_delete_what_another_robot_keeps_for_ever(history):
    history.tell(samples(1, 2, begin_ns=time.time_ns() - 10**16))
    history.ask("UPDATE history_policy SET maintained = '-infinity'")
    kept(history, 86400)
    assert history.values() == [1, 2, 1]


def test_its_owner_shortens_the_retention_for_all(history):
    history.tell(samples(5, begin_ns=time.time_ns() - 10**16))
    history.ask(
        "UPDATE history_policy SET retention = INTERVAL '1 day', maintained = '-infinity'"
    )
    assert 'samples kept 1 d' in kept(history, 3600)
    assert history.values() == [1]


def test_of_many_recorders_one_deletes_in_a_minute(history):
    kept(history, 3600)
    history.tell(samples(7, begin_ns=time.time_ns() - 10**14))
    history.ask("UPDATE history_policy SET retention = INTERVAL '1 hour'")
    kept(history, 3600)
    assert history.values() == [7, 1, 1]
    history.ask("UPDATE history_policy SET maintained = now() - INTERVAL '1 minute'")
    kept(history, 3600)
    assert history.values() == [1, 1, 1]


def test_a_time_of_all_robots_needs_no_reading_of_the_whole_table(history):
    history.tell(samples(1))
    history.ask(
        "INSERT INTO metric SELECT timestamptz 'epoch' + i * interval '1 s', 'r' || i % 50, 'm', "
        "'x', i FROM generate_series(1, 100000) AS i"
    )
    history.ask(
        "INSERT INTO event SELECT timestamptz 'epoch' + i * interval '1 s', 'r' || i % 50, "
        "'m' || i % 500, 'k', 'info', 'x' FROM generate_series(1, 20000) AS i"
    )
    history.ask('ANALYZE')

    def plan(query):
        return ' '.join(line for line, in history.ask(f'EXPLAIN {query}'))

    hour = "time >= '1970-01-01 05:00+00' AND time < '1970-01-01 06:00+00'"
    assert 'on metric_time ' in plan(f'SELECT * FROM metric WHERE {hour}')
    assert 'event_time ' in plan(f'SELECT * FROM event WHERE {hour}')
    mission = plan("SELECT * FROM event WHERE mission_id = 'm1' AND robot_id = 'r1'")
    assert 'event_mission ' in mission and 'Filter' not in mission


def test_aggregates_are_those_of_the_numbers(history):
    begin = NOW - NOW % (60 * SECOND) + 58 * SECOND
    history.tell(MetricBatch(
        [SPEED], begin + np.array([0, 1, 500, 1500, 2500]) * 1_000_000,
        np.zeros(5, np.uint32), np.array([1, 4, np.nan, 3, 9.0]), {2: 'text'},
    ))
    minute = datetime.fromtimestamp(begin // SECOND - 58, timezone.utc)
    assert history.ask('SELECT * FROM metric_1s ORDER BY bucket') == [
        (minute + timedelta(seconds=58), *SPEED, 2.5, 1, 4, 4, 2),
        (minute + timedelta(seconds=59), *SPEED, 3, 3, 3, 3, 1),
        (minute + timedelta(seconds=60), *SPEED, 9, 9, 9, 9, 1),
    ]
    assert history.ask('SELECT * FROM metric_1min ORDER BY bucket') == [
        (minute, *SPEED, 8 / 3, 1, 4, 3, 3),
        (minute + timedelta(minutes=1), *SPEED, 9, 9, 9, 9, 1),
    ]


@pytest.mark.parametrize('policies', [
    {'retention_s': 0}, {'retention_s': -5}, {'compress_after_s': 1}, {'retention_s': np.inf}
])
def test_a_policy_that_cannot_be_is_refused(policies):
    with pytest.raises(ConfigurationError, match=f'{next(iter(policies))} .*accepted is at least'):
        HistoryPolicies(**policies)
