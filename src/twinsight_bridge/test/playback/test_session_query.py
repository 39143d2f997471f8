"""The query of a replay's address."""

import json

import pytest

from twinsight_bridge.playback.errors import QueryError
from twinsight_bridge.playback.session_query import SessionQuery
from twinsight_bridge.playback.session_settings import SessionSettings
from twinsight_store.selection import Selection

NOON_NS = 1_784_721_600_000_000_000


def test_everything_that_can_be_asked_for():
    query = SessionQuery.parsed({
        'robot': ['robot_05', 'robot_07'], 'mission': ['mission_42'], 'sensor': ['camera'],
        'topic': ['/camera/*'], 'label': ['site=north', 'shift=a=b'],
        'from': ['2026-07-22T12:00:00Z'], 'to': ['2026-07-22T14:00:01 02:00'],
        'rate': ['2.5'], 'paused': ['1'], 'session': ['evening'],
    })
    assert query.selection == Selection(
        robots=('robot_05', 'robot_07'), missions=('mission_42',), sensors=('camera',),
        topics=('/camera/*',), labels={'site': 'north', 'shift': 'a=b'},
        from_ns=NOON_NS, to_ns=NOON_NS + 1_000_000_000,
    )
    assert (query.session, query.rate, query.paused) == ('evening', 2.5, True)


def test_nothing_asked_for_is_everything():
    query = SessionQuery.parsed({})
    assert query.selection == Selection() and not query.given
    assert (query.session, query.rate, query.paused) == ('', 1.0, False)


def test_the_same_words_are_the_same_at_another_time():
    one, other = (SessionQuery.parsed({'from': ['-15m'], 'rate': [rate]}) for rate in '12')
    assert one.given == other.given


@pytest.mark.parametrize(('query', 'field', 'message'), [
    ({'robot': ['']}, 'robot', 'is empty: give a value, or leave the option out'),
    ({'topic': ['/a\0']}, 'topic', 'accepted is UTF-8 without NUL'),
    ({'label': ['north']}, 'label', "'north': accepted is NAME=VALUE"),
    ({'from': ['noon']}, 'from', "time 'noon': accepted are ISO 8601"),
    ({'from': ['-1h', '-2h']}, 'from', '-1h, -2h: accepted is one'),
    ({'from': ['-1h'], 'to': ['-2h']}, 'to', 'is empty: the end must be later than the start'),
    ({'rate': ['inf']}, 'rate', "'inf': accepted is a number from 0.01 to 100"),
    ({'rate': ['nan']}, 'rate', "'nan': accepted is a number from 0.01 to 100"),
    ({'rate': ['fast']}, 'rate', "'fast': accepted is a number from 0.01 to 100"),
    ({'paused': ['maybe']}, 'paused', "'maybe': accepted are true and false"),
    ({'session': ['']}, 'session', 'accepted are letters, digits'),
    ({'speed': ['2']}, 'speed', 'unknown; accepted are robot, mission'),
])
def test_what_is_wrong_is_said_of_its_field(query, field, message):
    with pytest.raises(QueryError) as wrong:
        SessionQuery.parsed(query)
    assert wrong.value.field == field
    assert message in wrong.value.message
    assert '--' not in wrong.value.message


def test_settings_come_through_json():
    settings = SessionSettings(
        'evening', Selection(robots=('a',), from_ns=NOON_NS, labels={'site': 'north'}), 2.0, True,
        ('one', 'two'), 1000,
    )
    assert SessionSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
