"""The samples of the history as messages of a timeline."""

import asyncio
from contextlib import aclosing, asynccontextmanager, closing
import logging
import math
import os
import random
import signal
import threading
import time

import numpy as np
import psycopg
import pytest
from rclpy.serialization import deserialize_message

from twinsight_interfaces.msg import Metric
from twinsight_store.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError
from twinsight_store.history import metric_source
from twinsight_store.history import samples as metric_samples
from twinsight_store.history.database import Database
from twinsight_store.history.metric_source import MetricSource
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.message import END_OF_TIME_NS
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import MissionStarted
from twinsight_store.metrics.metric import Series
from twinsight_store.selection import Selection

S = 10**9
START = 1_780_000_000 * S
HOUR = 3600 * S


@asynccontextmanager
async def opened(settings, selection):
    """Give a source, its connection of its own."""
    name = 'twinsight metric source'
    async with aclosing(await Database.open(settings, name)) as database:
        yield await MetricSource.open(database, selection)


class History:
    """A database, filled by a sink and read by sources."""

    def __init__(self, url, **settings):
        self.settings = PostgresSettings(url, **settings)
        self._numbers = iter(range(1000))
        with connect(self.settings) as connection:
            migrate(connection)

    def store(self, robot, mission, name, times_ns, values, texts=None, labels=None):
        """Store samples of one series, at times since START."""
        started = [MissionStarted(robot, mission, START, labels)] if labels else []
        batch = MetricBatch(
            [Series(robot, mission, name)], np.array(times_ns) + START,
            np.zeros(len(times_ns), np.uint32), np.array(values, float), texts or {}, started,
        )
        with closing(HistorySink(self.settings)) as sink:
            sink.write([Delivery(robot, next(self._numbers), batch)])

    def ask(self, question, **selected):
        """Return what a coroutine answers that gets an open source."""

        async def work():
            async with opened(self.settings, Selection(**selected)) as source:
                return await question(source)

        return asyncio.run(work())

    def batches(self, start_ns=None, **selected):
        async def question(source):
            return [batch async for batch in source.batches(start_ns)]

        return self.ask(question, **selected)

    def messages(self, start_ns=None, **selected):
        """Return the selected messages; checks how far each batch is complete."""
        batches = self.batches(start_ns, **selected)
        assert_complete(batches)
        return [message for batch in batches for message in batch.messages]

    def values(self, start_ns=None, **selected):
        return [value_of(message) for message in self.messages(start_ns, **selected)]


def value_of(message):
    return deserialize_message(message.data, Metric).value


def assert_complete(batches):
    """Assert that every batch tells rightly until when it is complete."""
    untils = [batch.until_ns for batch in batches]
    assert untils == sorted(set(untils)) and untils[-1] == END_OF_TIME_NS
    times = [[message.receive_ns for message in batch.messages] for batch in batches]
    assert sum(times, []) == sorted(sum(times, []))
    for ours, until_ns, later in zip(times, untils, times[1:], strict=False):
        assert all(time_ns < until_ns for time_ns in ours)
        assert all(time_ns >= until_ns for time_ns in later)


@pytest.fixture
def history(postgres_url):
    return History(postgres_url)


def test_a_sample_becomes_a_message_with_its_time(history):
    history.store('r1', 'dawn', 'battery.state', [S + 1999], [0.5], {0: 'fällt'})
    (message,) = history.messages()
    time_ns = START + S + 1000
    assert (message.receive_ns, message.publish_ns, message.sequence) == (time_ns, time_ns, 0)
    assert message.labels == {'robot_id': 'r1', 'mission_id': 'dawn'}
    assert message.channel.topic == '/metrics/battery/state'
    assert message.channel.type_name == 'twinsight_interfaces/msg/Metric'
    assert message.stamp_ns == time_ns
    metric = deserialize_message(message.data, Metric)
    assert (metric.robot_id, metric.mission_id, metric.name) == ('r1', 'dawn', 'battery.state')
    assert (metric.value, metric.text) == (0.5, 'fällt')


def test_a_text_has_no_value_and_a_number_no_text(history):
    history.store('r1', 'm1', 'a', [0, S], [math.nan, 2], {0: 'OK'})
    text, number = (deserialize_message(each.data, Metric) for each in history.messages())
    assert math.isnan(text.value) and text.text == 'OK'
    assert number.value == 2 and number.text == ''


def test_samples_of_one_time_come_by_robot_name_and_mission(history):
    for value, (robot, mission, name) in enumerate(
        [('r1', 'm1', 'a'), ('r1', 'm2', 'a'), ('r1', 'm1', 'b'), ('r2', 'm1', 'a')]
    ):
        history.store(robot, mission, name, [3 * S, S], [value, value + 10])
    assert history.values() == [10, 11, 12, 13, 0, 1, 2, 3]


@pytest.mark.parametrize(('selected', 'values'), [
    ({}, [1, 2, 3, 4, 5]),
    ({'robots': ('r1',)}, [1, 2, 3, 4]),
    ({'robots': ('r3',)}, []),
    ({'missions': ('m2',)}, [4, 5]),
    ({'missions': ('m1', 'm2'), 'robots': ('r2',)}, [5]),
    ({'topics': ('/metrics/*',)}, [1, 2, 3, 4, 5]),
    ({'topics': ('/metrics/motor/*',)}, [1, 3, 4, 5]),
    ({'topics': ('metrics/x', '*/right')}, [2, 3]),
    ({'topics': ('/metrics',)}, []),
    ({'topics': ('motor.left',)}, []),
    ({'sensors': ('lidar',)}, []),
    ({'labels': {'site': 'A'}}, [1, 2, 3, 5]),
    ({'labels': {'site': 'A', 'shift': '2'}}, [5]),
    ({'labels': {'site': 'A'}, 'missions': ('m2',)}, [5]),
    ({'labels': {'site': 'A'}, 'robots': ('r1',), 'topics': ('*left',)}, [1]),
    ({'labels': {'site': 'A'}, 'from_ns': START + S, 'to_ns': START + 4 * S}, [2, 3]),
    ({'labels': {'site': 'B'}}, [4]),
    ({'labels': {'site': 'C'}}, []),
    ({'from_ns': START + S}, [2, 3, 4, 5]),
    ({'from_ns': START + S - 999}, [2, 3, 4, 5]),
    ({'from_ns': START + S + 1}, [3, 4, 5]),
    ({'to_ns': START + S}, [1]),
    ({'to_ns': START + S + 1}, [1, 2]),
    ({'from_ns': START + S, 'to_ns': START + S + 1}, [2]),
    ({'from_ns': START + S + 1, 'to_ns': START + S + 999}, []),
    ({'from_ns': START + 9 * S}, []),
])
def test_what_is_selected_comes_and_nothing_else(history, selected, values):
    history.store('r1', 'm1', 'motor.left', [0], [1], labels={'site': 'A'})
    history.store('r1', 'm1', 'x', [S], [2])
    history.store('r1', 'm1', 'motor.right', [2 * S], [3])
    history.store('r1', 'm2', 'motor.left', [3 * S], [4], labels={'site': 'B'})
    history.store('r2', 'm2', 'motor.left', [4 * S], [5], labels={'site': 'A', 'shift': '2'})
    assert history.values(**selected) == values

    async def told(source):
        return source.channels, await source.span()

    channels, span_ns = history.ask(told, **selected)
    found = history.messages(**selected)
    assert {(robot, channel.topic) for robot, channel in channels} == {
        (message.labels['robot_id'], message.channel.topic) for message in found
    }
    times = [message.receive_ns for message in found]
    assert span_ns == ((times[0], times[-1]) if times else None)


@pytest.mark.parametrize(('start_ns', 'values'), [
    (None, [1, 2, 3]), (0, [1, 2, 3]), (START + S, [1, 2, 3]), (START + S + 1, [2, 3]),
    (START + 2 * S - 999, [2, 3]), (START + 3 * S, [3]), (START + 3 * S + 1, []),
    (START + 9 * S, []), (END_OF_TIME_NS, []),
])
def test_reading_begins_at_any_time_of_the_selection(history, start_ns, values):
    history.store('r1', 'm1', 'a', range(0, 5 * S, S), range(5))
    selected = {'from_ns': START + S, 'to_ns': START + 4 * S}
    assert history.values(start_ns, **selected) == values


def test_metrics_that_share_a_topic_keep_their_names(history):
    history.store('r1', 'm1', 'a.b', [0], [1])
    history.store('r1', 'm1', 'a/b', [S], [2])

    async def topics(source):
        return [(robot, channel.topic) for robot, channel in source.channels]

    assert history.ask(topics) == [('r1', '/metrics/a/b')]
    names = [deserialize_message(message.data, Metric).name for message in history.messages()]
    assert names == ['a.b', 'a/b']


@pytest.mark.parametrize('migrated', [True, False])
def test_a_history_that_holds_nothing_gives_nothing(postgres_url, migrated):
    settings = PostgresSettings(postgres_url)
    if migrated:
        History(postgres_url)

    async def work():
        async with opened(settings, Selection(labels={'a': 'b'})) as labelled:
            assert labelled.channels == []
        async with opened(settings, Selection()) as source:
            assert source.channels == []
            assert await source.span() is None
            assert await source.latched(START) == []
            return [batch async for batch in source.batches()]

    assert asyncio.run(work()) == [([], END_OF_TIME_NS)]


def test_a_long_gap_is_told_before_it_is_over(history):
    history.store('r1', 'm1', 'a', [0, 8760 * HOUR], [1, 2])
    batches = history.batches()
    assert_complete(batches)
    assert [len(batch.messages) for batch in batches if batch.messages] == [1, 1]
    assert batches[0].until_ns >= START + S
    assert any(batch.until_ns > START + 1000 * HOUR for batch in batches[:-1])
    assert len(batches) < 20


def test_many_samples_of_one_time_and_gaps_come_once_each(history, monkeypatch):
    monkeypatch.setattr(metric_samples, '_ROWS', 50)
    times = sorted([*range(0, 20 * S, S // 10), *[5 * S] * 119, *[HOUR] * 49, 2 * HOUR])
    history.store('r1', 'm1', 'a', times, range(len(times)))
    history.store('r1', 'm1', 'b', [HOUR], [-1])
    assert sorted(history.values()) == [-1, *range(len(times))]
    sizes = [len(batch.messages) for batch in history.batches()]
    assert max(sizes) < 200  # the 120 of one time made the limit 200


def test_labels_that_select_too_many_missions_are_refused(history, monkeypatch):
    monkeypatch.setattr(metric_source, '_MOST_MISSIONS', 2)
    for number in range(3):
        history.store('r1', f'm{number}', 'a', [number], [number], labels={'site': 'A'})
    assert history.values(labels={'site': 'A'}, missions=('m0', 'm1')) == [0, 1]
    with pytest.raises(ConfigurationError, match='--label site=A: .*more than 2 missions: select'):
        history.values(labels={'site': 'A'})


def test_several_readers_share_a_source(history, monkeypatch):
    monkeypatch.setattr(metric_samples, '_ROWS', 20)
    history.store('r1', 'm1', 'a', range(0, 300 * S, S), range(300))

    async def read(source, from_ns):
        return [
            value_of(message)
            async for batch in source.batches(from_ns) for message in batch.messages
        ]

    async def question(source):
        return await asyncio.gather(*(read(source, START + skip * S) for skip in (0, 100, 200)))

    assert history.ask(question) == [list(range(skip, 300)) for skip in (0, 100, 200)]


def test_a_reader_that_is_dropped_half_way_leaves_a_source_that_reads_on(history, monkeypatch):
    monkeypatch.setattr(metric_samples, '_ROWS', 20)
    history.store('r1', 'm1', 'a', range(0, 300 * S, S), range(300))

    async def question(source):
        for _ in range(5):
            reading = asyncio.ensure_future(anext(source.batches()))
            await asyncio.sleep(0)
            reading.cancel()
        return [message async for batch in source.batches() for message in batch.messages]

    assert [value_of(message) for message in history.ask(question)] == list(range(300))


def connected(url):
    with psycopg.connect(url) as connection:
        return connection.execute(
            'SELECT pid FROM pg_stat_activity WHERE datname = current_database() '
            "AND application_name = 'twinsight metric source'"
        ).fetchall()


def test_a_closed_database_leaves_no_connection_also_where_it_was_reading(history, postgres_url):
    history.store('r1', 'm1', 'a', [0], [1])

    async def work():
        database = await Database.open(history.settings, 'twinsight metric source')
        source = await MetricSource.open(database, Selection())
        assert len(connected(postgres_url)) == 1
        with psycopg.connect(postgres_url) as other:
            other.execute('LOCK TABLE metric')
            reading = asyncio.ensure_future(anext(source.batches()))
            while not other.execute('SELECT 1 FROM pg_locks WHERE NOT granted').fetchone():
                await asyncio.sleep(0.01)
            reading.cancel()
            await database.aclose()  # while the table is locked

    asyncio.run(work())
    end = time.monotonic() + 10
    while connected(postgres_url):
        assert time.monotonic() < end, 'it is still connected'
        time.sleep(0.02)


def test_the_event_loop_goes_on_while_the_database_is_silent(history, postgres_url):
    history.store('r1', 'm1', 'a', [0], [1])

    async def question(source):
        ((pid,),) = connected(postgres_url)
        os.kill(pid, signal.SIGSTOP)
        reading = asyncio.ensure_future(anext(source.batches()))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not reading.done()
        os.kill(pid, signal.SIGCONT)
        return await reading

    assert len(history.ask(question).messages) == 1


@pytest.fixture
def long_drive(postgres_server, monkeypatch):
    """Store 6000 samples, several of which have one time; return also what was stored."""
    monkeypatch.setattr(metric_samples, '_ROWS', 200)
    history = History(postgres_server.url)
    chance = random.Random(7)
    times = sorted(chance.randrange(40_000) * S // 100 for _ in range(3000))
    for name in ('a', 'b'):
        history.store('r1', 'm1', name, times, range(3000))
    expected = sorted(
        (START + time_ns, name, value)
        for name in ('a', 'b') for value, time_ns in enumerate(times)
    )
    return history, expected


def told(message):
    metric = deserialize_message(message.data, Metric)
    return message.receive_ns, metric.name, metric.value


def test_a_database_that_dies_while_it_is_read_is_awaited_and_nothing_comes_twice(
    long_drive, postgres_server, caplog
):
    history, expected = long_drive
    back = []

    async def question(source):
        batches = []
        async for batch in source.batches():
            batches.append(batch)
            if len(batches) in (3, 12):
                for each in back:
                    each.join()
                postgres_server.kill()
                back.append(threading.Timer(1.0, postgres_server.start))
                back[-1].start()
        return batches

    with caplog.at_level(logging.WARNING):
        batches = history.ask(question)
    for each in back:
        each.join()
    assert len(back) == 2
    assert 'does not answer' in caplog.text
    assert_complete(batches)
    assert [told(message) for batch in batches for message in batch.messages] == expected


def test_a_database_that_was_away_and_is_back_is_read_on(long_drive, postgres_server):
    history, expected = long_drive

    async def question(source):
        found = []
        async for batch in source.batches():
            found += batch.messages
            if len(found) > 1000 and not restarted:
                restarted.append(postgres_server.restart())
        return found

    restarted = []
    assert [told(message) for message in history.ask(question)] == expected


def test_a_connection_that_ends_while_it_is_asked_costs_no_sample(
    long_drive, postgres_server, caplog
):
    history, expected = long_drive

    async def question(source):
        found, ended = [], 0
        async for batch in source.batches():
            found += batch.messages
            if len(found) > 1000 * (ended + 1):
                ended += 1
                # It notices a little later, so in the middle of what it is asked next.
                for pid, in connected(postgres_server.url):
                    os.kill(pid, signal.SIGTERM)
        assert ended == 5
        return found

    with caplog.at_level(logging.WARNING):
        assert [told(message) for message in history.ask(question)] == expected
    assert 'does not answer' in caplog.text


def test_a_database_that_stays_away_is_reported_after_the_patience(long_drive, postgres_server):
    _, expected = long_drive
    settings = PostgresSettings(postgres_server.url, patience_s=0.5)
    found = []

    async def work():
        async with opened(settings, Selection()) as source:
            async for batch in source.batches():
                found.extend(batch.messages)
                postgres_server.kill()

    with pytest.raises(StoreUnavailableError, match='does not answer'):
        asyncio.run(work())
    assert 0 < len(found) < len(expected)
    assert [told(message) for message in found] == expected[:len(found)]


def test_who_opens_no_database_hears_it_at_once(postgres_server):
    settings = PostgresSettings(postgres_server.url, patience_s=1000)
    postgres_server.kill()
    with pytest.raises(StoreUnavailableError, match='does not answer'):
        asyncio.run(Database.open(settings, 'twinsight metric source'))


def test_a_database_that_refuses_is_no_reason_to_wait(history, postgres_url):
    history.store('r1', 'm1', 'a', [0], [1])

    async def question(source):
        with psycopg.connect(postgres_url) as other:
            other.execute('ALTER TABLE metric DROP COLUMN text')
        return [batch async for batch in source.batches()]

    with pytest.raises(StoreRefusedError, match='column "text" does not exist'):
        history.ask(question)
