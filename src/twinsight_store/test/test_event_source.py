"""The events of the history as messages of a timeline."""

import asyncio
from contextlib import aclosing, asynccontextmanager, closing
import json
import logging
import math
import threading

import pytest
from rclpy.serialization import deserialize_message

from twinsight_interfaces.msg import Alert
from twinsight_interfaces.msg import Event as EventMessage
from twinsight_store.errors import StoreUnavailableError
from twinsight_store.history import event_source
from twinsight_store.history.database import Database
from twinsight_store.history.event_source import EventSource
from twinsight_store.history.migrate import migrate
from twinsight_store.history.postgres import connect, PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.message import END_OF_TIME_NS
from twinsight_store.message_types import message_class
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event, MissionStarted
from twinsight_store.selection import Selection

S = 10**9
START = 1_780_000_000 * S
HOUR = 3600 * S


@asynccontextmanager
async def opened(settings, selection):
    """Give a source, its connection of its own."""
    name = 'twinsight event source'
    async with aclosing(await Database.open(settings, name)) as database:
        yield await EventSource.open(database, selection)


class History:
    """A database, filled by a sink and read by sources."""

    def __init__(self, url, **settings):
        self.settings = PostgresSettings(url, **settings)
        self._numbers = iter(range(1000))
        with connect(self.settings) as connection:
            migrate(connection)

    def tell(self, *facts):
        with closing(HistorySink(self.settings)) as sink:
            sink.write([Delivery('r', next(self._numbers), MetricBatch(facts=facts))])

    def ask(self, question, **selected):
        """Return what a coroutine answers that gets an open source."""

        async def work():
            async with opened(self.settings, Selection(**selected)) as source:
                return await question(source)

        return asyncio.run(work())

    def messages(self, start_ns=None, **selected):
        """Return the selected messages; checks how far each batch is complete."""

        async def question(source):
            return [batch async for batch in source.batches(start_ns)]

        batches = self.ask(question, **selected)
        assert_complete(batches)
        return [message for batch in batches for message in batch.messages]

    def told(self, start_ns=None, **selected):
        """Return topic and text of the selected messages."""
        return [
            (message.channel.topic, decoded(message).message)
            for message in self.messages(start_ns, **selected)
        ]


def assert_complete(batches):
    """Assert that every batch tells rightly until when it is complete."""
    untils = [batch.until_ns for batch in batches]
    assert untils == sorted(set(untils)) and untils[-1] == END_OF_TIME_NS
    times = [[message.receive_ns for message in batch.messages] for batch in batches]
    assert sum(times, []) == sorted(sum(times, []))
    for ours, until_ns, later in zip(times, untils, times[1:], strict=False):
        assert all(time_ns < until_ns for time_ns in ours)
        assert all(time_ns >= until_ns for time_ns in later)


def decoded(message):
    return deserialize_message(message.data, message_class(message.channel.type_name))


def happened(
    after_ns, message, kind='anomaly', robot='r1', mission='dawn', severity='warn', data=None
):
    return Event(robot, mission, START + after_ns, kind, severity, message, data or {})


def alert(after_ns, message, active=True, **changes):
    data = {
        'rule': 'low', 'metric': 'battery', 'value': 0.1, 'text': None, 'raised_ns': START - 5,
    }
    kind = 'alert_raised' if active else 'alert_cleared'
    return happened(after_ns, message, kind, data={**data, **changes})


@pytest.fixture
def history(postgres_url):
    return History(postgres_url)


def test_an_event_becomes_a_message_with_its_time(history):
    data = {'score': 0.5, 'of': ['Größe', None]}
    history.tell(happened(S + 1999, 'Achtung: "é"', severity='error', data=data))
    (message,) = history.messages()
    time_ns = START + S + 1000
    assert (message.receive_ns, message.publish_ns, message.sequence) == (time_ns, time_ns, 0)
    assert message.stamp_ns == time_ns
    assert message.labels == {'robot_id': 'r1', 'mission_id': 'dawn'}
    assert message.channel.topic == '/events'
    event = deserialize_message(message.data, EventMessage)
    assert (event.robot_id, event.mission_id, event.kind) == ('r1', 'dawn', 'anomaly')
    assert (event.severity, event.message) == (EventMessage.ERROR, 'Achtung: "é"')
    assert json.loads(event.data) == data


def test_an_alert_comes_as_an_event_and_then_as_it_was_published(history):
    history.tell(alert(0, 'low', text='leer'), alert(S, 'fine', active=False, value=None))
    event, raised, end, cleared = history.messages()
    assert [each.channel.topic for each in (event, raised, end, cleared)] == [
        '/events', '/alerts', '/events', '/alerts'
    ]
    assert raised.receive_ns == event.receive_ns == START
    first, second = (deserialize_message(each.data, Alert) for each in (raised, cleared))
    assert (first.rule, first.metric, first.value, first.text) == ('low', 'battery', 0.1, 'leer')
    assert (first.active, first.severity, first.message) == (True, Alert.WARN, 'low')
    assert not second.active and math.isnan(second.value) and second.text == ''
    assert first.raised == second.raised
    assert first.raised.sec * S + first.raised.nanosec == START - 5


@pytest.mark.parametrize('data', [
    {'metric': 'battery', 'raised_ns': 5}, {'rule': 'low', 'metric': 'battery', 'raised_ns': '5'},
])
def test_an_alert_whose_data_is_damaged_is_still_an_event(history, data):
    history.tell(happened(0, 'damaged', 'alert_raised', data=data), alert(S, 'whole'))
    assert history.told() == [
        ('/events', 'damaged'), ('/events', 'whole'), ('/alerts', 'whole')
    ]


def test_events_of_one_time_come_by_robot_mission_and_kind(history):
    history.tell(
        happened(S, 'r2', robot='r2'), happened(S, 'noon', mission='noon'), alert(S, 'alert'),
        happened(S, 'anomaly'), happened(0, 'first', robot='r3'),
    )
    assert history.told() == [
        ('/events', 'first'), ('/events', 'alert'), ('/alerts', 'alert'), ('/events', 'anomaly'),
        ('/events', 'noon'), ('/events', 'r2'),
    ]


EVERYTHING = [
    ('/events', '0'), ('/events', '1'), ('/alerts', '1'), ('/events', '2'), ('/events', '3')
]


@pytest.mark.parametrize(('selected', 'told'), [
    ({}, EVERYTHING),
    ({'topics': ('/events',)}, [each for each in EVERYTHING if each[0] == '/events']),
    ({'topics': ('/alerts',)}, [('/alerts', '1')]),
    ({'topics': ('alerts', '/ev*')}, EVERYTHING),
    ({'topics': ('/metrics/*',)}, []),
    ({'sensors': ('lidar',)}, []),
    ({'robots': ('r2',)}, [('/events', '2')]),
    ({'robots': ('r3',)}, []),
    ({'missions': ('noon',)}, [('/events', '2'), ('/events', '3')]),
    ({'labels': {'site': '50%'}}, [('/events', '2')]),
    ({'labels': {'site': '50%'}, 'robots': ('r1',)}, []),
    ({'robots': ('r2',), 'topics': ('/alerts',)}, []),
    ({'from_ns': START + S}, EVERYTHING[1:]),
    ({'from_ns': START + S - 999}, EVERYTHING[1:]),
    ({'from_ns': START + S + 1}, EVERYTHING[3:]),
    ({'to_ns': START + S}, EVERYTHING[:1]),
    ({'to_ns': START + S + 1}, EVERYTHING[:3]),
    ({'from_ns': START + S + 1, 'to_ns': START + S + 999}, []),
])
def test_what_is_selected_comes_and_nothing_else(history, selected, told):
    history.tell(
        MissionStarted('r1', 'noon', START, {'site': 'A'}),
        MissionStarted('r2', 'noon', START, {'site': '50%'}),
        happened(0, '0'), alert(S, '1'), happened(2 * S, '2', robot='r2', mission='noon'),
        happened(3 * S, '3', mission='noon'),
    )
    assert history.told(**selected) == told

    async def known(source):
        return source.channels, await source.span()

    channels, span_ns = history.ask(known, **selected)
    messages = history.messages(**selected)
    assert [(robot, channel.topic) for robot, channel in channels] == sorted(
        {(message.labels['robot_id'], message.channel.topic) for message in messages}
    )
    times = [message.receive_ns for message in messages]
    assert span_ns == ((times[0], times[-1]) if times else None)


@pytest.mark.parametrize(('start_ns', 'told'), [
    (None, ['1', '2']), (0, ['1', '2']), (START + S + 1, ['2']), (START + 2 * S, ['2']),
    (START + 2 * S + 1, []), (END_OF_TIME_NS, []),
])
def test_reading_begins_at_any_time_of_the_selection(history, start_ns, told):
    history.tell(*(happened(number * S, str(number)) for number in range(4)))
    selected = {'from_ns': START + S, 'to_ns': START + 3 * S}
    assert history.told(start_ns, **selected) == [('/events', each) for each in told]


@pytest.mark.parametrize('migrated', [True, False])
def test_a_history_that_holds_nothing_gives_nothing(postgres_url, migrated):
    settings = PostgresSettings(postgres_url)
    if migrated:
        History(postgres_url)

    async def work():
        async with opened(settings, Selection()) as source:
            assert source.channels == []
            assert await source.span() is None
            assert await source.latched(START) == []
            return [batch async for batch in source.batches()]

    assert asyncio.run(work()) == [([], END_OF_TIME_NS)]


def test_a_long_gap_is_told_before_it_is_over(history):
    history.tell(happened(0, 'first'), happened(8760 * HOUR, 'last'))

    async def question(source):
        return [batch async for batch in source.batches()]

    batches = history.ask(question)
    assert_complete(batches)
    assert batches[0].until_ns >= START + S
    assert any(batch.until_ns > START + 1000 * HOUR for batch in batches[:-1])
    assert len(batches) < 20


@pytest.fixture
def many_events(postgres_server, monkeypatch):
    """Store 400 events, several of which have one time; return also what was stored."""
    monkeypatch.setattr(event_source, '_ROWS', 20)
    history = History(postgres_server.url)
    times = [number // 7 * S for number in range(400)]
    history.tell(*(
        happened(time_ns, str(number), f'kind_{number:03}') for number, time_ns in enumerate(times)
    ))
    return history, [('/events', str(number)) for number in range(400)]


def test_a_database_that_dies_while_it_is_read_is_awaited_and_nothing_comes_twice(
    many_events, postgres_server, caplog
):
    history, expected = many_events
    back = threading.Timer(1.0, postgres_server.start)

    async def question(source):
        batches = []
        async for batch in source.batches():
            batches.append(batch)
            if len(batches) == 3:
                postgres_server.kill()
                back.start()
        return batches

    with caplog.at_level(logging.WARNING):
        batches = history.ask(question)
    back.join()
    assert 'does not answer' in caplog.text
    assert_complete(batches)
    found = [message for batch in batches for message in batch.messages]
    assert [(each.channel.topic, decoded(each).message) for each in found] == expected


def test_a_database_that_stays_away_is_reported_after_the_patience(many_events, postgres_server):
    _, expected = many_events
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
    assert [(each.channel.topic, decoded(each).message) for each in found] == (
        expected[:len(found)]
    )
