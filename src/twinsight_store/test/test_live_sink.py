"""What lies in Redis after a write: exact texts, in order, once."""

from __future__ import annotations

from itertools import takewhile
import json
import time

import numpy as np
import pytest
import redis

from twinsight_store.errors import ConfigurationError
from twinsight_store.live import step as live_step
from twinsight_store.live.connection import RedisSettings
from twinsight_store.live.sink import LiveSink
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

HOUR_NS = 3_600 * 10**9
BEGIN = 1_700_000_000_000_000_001
X = Series('robot_01', 'dawn', 'odom/x')
Y = Series('robot_01', 'dawn', 'odom/y')
STATE = Series('robot_01', 'dawn', 'state')


def batch(samples, facts=()):
    """Make a batch of (series, time, value or text or both)."""
    series = list(dict.fromkeys(sample[0] for sample in samples))
    values = [
        next((v for v in sample[2:] if not isinstance(v, str)), np.nan) for sample in samples
    ]
    texts = {
        row: v for row, sample in enumerate(samples) for v in sample[2:] if isinstance(v, str)
    }
    return MetricBatch(
        series, np.array([sample[1] for sample in samples], np.int64),
        np.array([series.index(sample[0]) for sample in samples], np.uint32),
        np.array(values, np.float64), texts, facts,
    )


class Live:
    """A Redis of the test's own, and one sink that writes into it."""

    def __init__(self, url):
        self.settings = RedisSettings(url)
        self.sink = LiveSink(self.settings)
        self.redis = redis.Redis.from_url(url, decode_responses=True)
        self._number = 0

    def tell(self, *batches, source='robot_01/metrics/1'):
        """Write batches, each as the next delivery of a source."""
        deliveries = []
        for each in batches:
            self._number += 1
            deliveries.append(Delivery(source, self._number, each))
        return self.sink.write(deliveries)

    def stream(self, robot='robot_01', kind='metrics'):
        """Return the texts of a stream, oldest first."""
        return [
            fields['data'] for _, fields in self.redis.xrange(f'twinsight:{kind}:{robot}')
        ]

    def entries(self, robot='robot_01'):
        """Return time and values of a stream's entries."""
        found = [json.loads(text) for text in self.stream(robot)]
        return [(entry['time_ns'] - BEGIN, entry['values']) for entry in found]

    def latest(self, name, robot='robot_01'):
        return json.loads(self.redis.hget(f'twinsight:live:{robot}', name))

    def seen(self, robot='robot_01'):
        return json.loads(self.redis.hget('twinsight:robots', robot))

    def hear(self, channel):
        """Begin to hear a channel; return a function that gives what was said until now."""
        heard = self.redis.pubsub()
        heard.subscribe(channel)
        assert heard.get_message(timeout=20)['type'] == 'subscribe'

        def told():
            # A writer may have its answer before all who listen have what it wrote.
            self.redis.publish(channel, 'until now')
            messages = iter(lambda: heard.get_message(timeout=20), None)
            said = ((message['channel'], message['data']) for message in messages)
            return list(takewhile(lambda each: each[1] != 'until now', said))

        return told


@pytest.fixture
def live(redis_url):
    made = Live(redis_url)
    yield made
    made.sink.close()


def test_a_batch_lies_there_as_the_layout_says(live):
    written = live.tell(batch([
        (X, BEGIN, 0.1), (Y, BEGIN, -3.0), (STATE, BEGIN, 'docked'), (X, BEGIN + 1, 1e300),
    ]))
    assert (written.samples, written.refused, written.problem) == (4, 0, '')
    assert live.stream() == [
        f'{{"time_ns":{BEGIN},"mission_id":"dawn",'
        '"values":{"odom/x":0.1,"odom/y":-3.0,"state":"docked"}}',
        f'{{"time_ns":{BEGIN + 1},"mission_id":"dawn","values":{{"odom/x":1e+300}}}}',
    ]
    assert live.redis.hgetall('twinsight:live:robot_01') == {
        'odom/x': f'{{"time_ns":{BEGIN + 1},"value":1e+300,"text":null,"mission_id":"dawn"}}',
        'odom/y': f'{{"time_ns":{BEGIN},"value":-3.0,"text":null,"mission_id":"dawn"}}',
        'state': f'{{"time_ns":{BEGIN},"value":null,"text":"docked","mission_id":"dawn"}}',
    }
    assert live.redis.hgetall('twinsight:robots') == {
        'robot_01': f'{{"last_seen_ns":{BEGIN + 1},"mission_id":"dawn"}}'
    }
    assert live.redis.hgetall('twinsight:delivered') == {'robot_01/metrics/1': '1'}


def test_the_channel_says_what_the_stream_has(live):
    told = live.hear('twinsight:metrics:robot_01')
    live.tell(batch([(X, BEGIN + each, each / 7) for each in range(50)]))
    assert told() == [('twinsight:metrics:robot_01', text) for text in live.stream()]
    assert len(live.stream()) == 50


@pytest.mark.parametrize('text', [
    'say "no"', 'a\nb\r\tc\\', 'Grüße, 小車 🤖', '', '\x00\x1f\x7f', '{"a": [1]}', '\u2028',
])
def test_texts_and_names_come_back_as_they_were(live, text):
    series = Series(f'robot {text}', f'mission {text}', f'name {text}')
    live.tell(batch([(series, BEGIN, text)]))
    (entry,) = live.stream(series.robot_id)
    assert json.loads(entry) == {
        'time_ns': BEGIN, 'mission_id': series.mission_id, 'values': {series.name: text}
    }
    assert live.latest(series.name, series.robot_id) == {
        'time_ns': BEGIN, 'value': None, 'text': text, 'mission_id': series.mission_id
    }
    assert live.seen(series.robot_id) == {'last_seen_ns': BEGIN, 'mission_id': series.mission_id}


def test_numbers_come_back_to_the_last_bit(live):
    values = [0.1 + 0.2, 5e-324, -1.7976931348623157e308, 1 / 3, -0.0, 2.0**53]
    live.tell(batch([(X, BEGIN + row, value) for row, value in enumerate(values)]))
    found = [values['odom/x'] for _, values in live.entries()]
    assert list(map(repr, found)) == list(map(repr, values))


def test_a_number_with_digits_as_text_is_a_number_in_the_stream_and_both_in_the_hash(live):
    live.tell(batch([(X, BEGIN, 2.0**60, str(2**60 + 1))]))
    assert live.entries() == [(0, {'odom/x': 2.0**60})]
    assert live.latest('odom/x')['value'] == 2.0**60
    assert live.latest('odom/x')['text'] == str(2**60 + 1)


def test_what_is_no_number_and_no_text_is_null_and_the_json_holds(live):
    live.tell(batch([(X, BEGIN, np.inf), (Y, BEGIN, np.nan)]))
    assert live.entries() == [(0, {'odom/x': None, 'odom/y': None})]
    assert (live.latest('odom/x')['value'], live.latest('odom/x')['text']) == (None, None)


def test_an_entry_is_one_time_of_one_mission(live):
    dusk = X._replace(mission_id='dusk')
    live.tell(batch([
        (X, BEGIN, 1), (dusk, BEGIN, 2), (Y, BEGIN, 3), (dusk, BEGIN + 1, 4), (Y, BEGIN + 2, 5),
    ]))
    assert [
        (entry['time_ns'] - BEGIN, entry['mission_id'], entry['values'])
        for entry in map(json.loads, live.stream())
    ] == [
        (0, 'dawn', {'odom/x': 1.0, 'odom/y': 3.0}), (0, 'dusk', {'odom/x': 2.0}),
        (1, 'dusk', {'odom/x': 4.0}), (2, 'dawn', {'odom/y': 5.0}),
    ]


def test_samples_out_of_order_are_put_in_order_and_the_newest_is_the_latest(live):
    live.tell(batch([(X, BEGIN + 5, 5), (Y, BEGIN + 1, 1), (X, BEGIN + 1, 2), (Y, BEGIN + 3, 3)]))
    assert live.entries() == [
        (1, {'odom/y': 1.0, 'odom/x': 2.0}), (3, {'odom/y': 3.0}), (5, {'odom/x': 5.0})
    ]
    assert live.latest('odom/x')['value'] == 5.0


def test_samples_of_one_name_and_time_are_all_there_and_the_last_is_the_latest(live):
    live.tell(batch([(X, BEGIN, 1), (X, BEGIN, 2), (Y, BEGIN, 3), (X, BEGIN, 4), (Y, BEGIN, 5)]))
    assert live.entries() == [
        (0, {'odom/x': 1.0, 'odom/y': 3.0}), (0, {'odom/x': 2.0, 'odom/y': 5.0}),
        (0, {'odom/x': 4.0}),
    ]
    assert (live.latest('odom/x')['value'], live.latest('odom/y')['value']) == (4.0, 5.0)


def test_a_series_that_is_listed_twice_is_one_name_with_two_samples(live):
    live.tell(MetricBatch(
        [X, Y, X], np.full(4, BEGIN), np.array([2, 1, 0, 2], np.uint32), np.arange(4.0)
    ))
    assert live.stream() == [
        f'{{"time_ns":{BEGIN},"mission_id":"dawn","values":{{{values}}}}}'
        for values in ('"odom/x":0.0,"odom/y":1.0', '"odom/x":2.0', '"odom/x":3.0')
    ]
    assert live.latest('odom/x')['value'] == 3.0


def test_a_later_delivery_of_older_samples_replaces_no_newer_value(live):
    live.tell(batch([(X, BEGIN + 1, 1), (Y, BEGIN, 1)]), source='robot_01/metrics/2')
    live.tell(batch([(X, BEGIN, 0), (Y, BEGIN + 1, 2)]), source='robot_01/metrics/1')
    assert (live.latest('odom/x')['value'], live.latest('odom/y')['value']) == (1.0, 2.0)
    assert live.entries() == [
        (0, {'odom/y': 1.0}), (1, {'odom/x': 1.0}), (0, {'odom/x': 0.0}), (1, {'odom/y': 2.0})
    ]


def test_the_older_of_two_times_is_told_also_where_a_float_cannot(live):
    live.tell(batch([(X, BEGIN + 1, 1)]))
    live.tell(batch([(X, BEGIN, 0)]))
    live.tell(batch([(Y, 999, 1)]), batch([(Y, 1000, 2)]))
    live.tell(batch([(Y, 999, 3)]))
    assert (live.latest('odom/x')['value'], live.latest('odom/y')['value']) == (1.0, 2.0)


def test_a_clock_that_was_ahead_once_holds_no_value_for_ever(live):
    now = time.time_ns()
    live.tell(batch([(X, 4 * 10**18, 1)]))
    assert live.latest('odom/x')['value'] == 1.0
    live.tell(batch([(X, now, 2)]))
    assert live.latest('odom/x')['value'] == 2.0
    assert live.seen() == {'last_seen_ns': now, 'mission_id': 'dawn'}


def test_a_clock_that_is_ahead_by_less_than_a_day_is_right_about_what_is_newer(live):
    ahead = time.time_ns() + 23 * HOUR_NS
    live.tell(batch([(X, ahead, 1)]))
    live.tell(batch([(X, time.time_ns(), 2)]))
    assert live.latest('odom/x')['value'] == 1.0
    assert live.seen()['last_seen_ns'] == ahead


def test_two_robots_with_the_same_names_never_mix(live):
    robots = [Series(f'robot_0{each}', 'dawn', 'odom/x') for each in (1, 2)]
    told = live.hear('twinsight:metrics:robot_02')
    live.tell(*(batch([(robots[each % 2], BEGIN + each, each)]) for each in range(10)))
    live.tell(batch([(robots[0], BEGIN + 10, 10), (robots[1], BEGIN + 10, 11)]))
    assert live.entries('robot_01') == [
        (each, {'odom/x': float(each)}) for each in (0, 2, 4, 6, 8, 10)
    ]
    assert [values['odom/x'] for _, values in live.entries('robot_02')] == [1, 3, 5, 7, 9, 11]
    assert live.latest('odom/x', 'robot_01')['value'] == 10.0
    assert live.latest('odom/x', 'robot_02')['value'] == 11.0
    assert [text for _, text in told()] == live.stream('robot_02')


def test_the_stream_is_capped(redis_url):
    live = Live(redis_url)
    live.sink = LiveSink(live.settings, stream_length=200)
    for _ in range(10):
        live.tell(batch([(X, BEGIN + each, each) for each in range(200)]))
    kept = [values['odom/x'] for _, values in live.entries()]
    assert 200 <= len(kept) <= 400  # Redis drops whole nodes of some hundred entries
    assert kept == (list(range(200)) * 2)[-len(kept):]
    live.sink.close()


def test_a_cap_of_nothing_is_refused(redis_url):
    with pytest.raises(ConfigurationError, match='stream_length 0: accepted is 1 or more'):
        LiveSink(RedisSettings(redis_url), stream_length=0)


def test_events_and_infos_lie_there_as_the_layout_says(live):
    told = live.hear('twinsight:events:robot_01')
    live.tell(batch([], facts=[
        Event('robot_01', 'dawn', BEGIN, 'alert_raised', 'warn', 'low "b"', {'v': [1.5, None]}),
        Event('robot_01', 'dawn', BEGIN + 1, 'alert_cleared', 'info', 'fine'),
        MetricInfo('robot_01', 'odom/x', 'm', '/odom', 'pose.pose.position.x'),
    ]))
    assert live.stream(kind='events') == [
        f'{{"time_ns":{BEGIN},"mission_id":"dawn","kind":"alert_raised","severity":"warn",'
        '"message":"low \\"b\\"","data":{"v":[1.5,null]}}',
        f'{{"time_ns":{BEGIN + 1},"mission_id":"dawn","kind":"alert_cleared","severity":"info",'
        '"message":"fine","data":{}}',
    ]
    assert [text for _, text in told()] == live.stream(kind='events')
    assert live.redis.hgetall('twinsight:info:robot_01') == {
        'odom/x': '{"unit":"m","topic":"/odom","field":"pose.pose.position.x"}'
    }


def test_a_sign_of_life_moves_last_seen_and_never_back(live):
    live.tell(batch([], facts=[Alive('robot_01', 'dawn', BEGIN + 5)]))
    assert live.seen() == {'last_seen_ns': BEGIN + 5, 'mission_id': 'dawn'}
    live.tell(batch([(X, BEGIN, 1)], facts=[Alive('robot_01', 'night', BEGIN + 1)]))
    assert live.seen() == {'last_seen_ns': BEGIN + 5, 'mission_id': 'dawn'}
    live.tell(batch([], facts=[MissionStarted('robot_01', 'dusk', BEGIN + 6)]))
    assert live.seen() == {'last_seen_ns': BEGIN + 6, 'mission_id': 'dusk'}


def test_facts_without_a_place_in_redis_are_written_nowhere(live):
    written = live.tell(batch([], facts=[
        MissionEnded('robot_01', 'dawn', BEGIN),
        MissionRecording('robot_01', 'dawn', 'recorder/1', {'/scan': (1, 2)}),
    ]))
    assert written.refused == 0
    assert set(live.redis.keys()) == {'twinsight:delivered', 'twinsight:delivered:times'}


def test_damaged_facts_are_counted_and_hold_up_nothing(live):
    written = live.tell(batch([(X, BEGIN, 1)], facts=[
        Event('robot_01', 'dawn', BEGIN, 'anomaly', 'warn', '', {'score': np.nan}),
        Event('robot_01', 'dawn', 'soon', 'anomaly', 'warn', ''),
        Alive('robot_01', 7, BEGIN),
        MetricInfo('robot_01', None, 'm', '/odom', 'x'),
        Event('robot_01', 'dawn', BEGIN, 'anomaly', 'warn', 'good'),
    ]))
    assert (written.samples, written.refused) == (1, 4)
    assert written.problem.startswith("Redis: Event of 'robot_01' is refused (")
    assert '\n' not in written.problem
    assert live.entries() == [(0, {'odom/x': 1.0})]
    assert [json.loads(text)['message'] for text in live.stream(kind='events')] == ['good']


def test_what_is_written_again_is_there_once(live):
    deliveries = [
        Delivery('robot_01/metrics/1', number, batch(
            [(X, BEGIN + number, number)],
            [Event('robot_01', 'dawn', BEGIN + number, 'anomaly', 'warn', '')],
        ))
        for number in range(5)
    ]
    told = live.hear('twinsight:metrics:robot_01')
    assert live.sink.write(deliveries[:3]).samples == 3
    assert live.sink.write(deliveries[:3]).samples == 3
    assert LiveSink(live.settings).write(deliveries).samples == 5
    assert live.entries() == [(number, {'odom/x': float(number)}) for number in range(5)]
    assert len(told()) == 5
    assert len(live.stream(kind='events')) == 5


def test_a_source_that_another_writer_has_brought_on_meanwhile_is_not_doubled(live, monkeypatch):
    deliveries = [
        Delivery('robot_01/metrics/1', number, batch([(X, BEGIN + number, number)]))
        for number in range(4)
    ]
    other = LiveSink(live.settings)
    arguments = live_step.Step.arguments
    raced = []

    def overtaken(step, *given):
        if not raced:
            raced.append(True)
            other.write(deliveries[:2])
        return arguments(step, *given)

    monkeypatch.setattr(live_step.Step, 'arguments', overtaken)
    live.sink.write(deliveries)
    other.close()
    assert live.entries() == [(number, {'odom/x': float(number)}) for number in range(4)]


def test_a_huge_delivery_goes_in_steps_and_goes_on_where_it_was(live, monkeypatch):
    monkeypatch.setattr(live_step, 'STEP_WEIGHT', 100)
    samples = [(X, BEGIN + each // 3, each) for each in range(0, 3000, 3)]
    samples += [(Y, BEGIN + each // 3, each) for each in range(0, 3000, 3)]
    delivery = Delivery('robot_01/metrics/1', 7, batch(
        samples, [Event('robot_01', 'dawn', BEGIN, 'anomaly', 'warn', '')]
    ))
    arguments = live_step.Step.arguments
    steps = []

    def failing(step, *given):
        steps.append(len(step._robots['robot_01'].entries))
        if len(steps) == 6:
            raise KeyboardInterrupt
        return arguments(step, *given)

    monkeypatch.setattr(live_step.Step, 'arguments', failing)
    with pytest.raises(KeyboardInterrupt):
        live.sink.write([delivery])
    assert live.redis.hgetall('twinsight:delivered') == {'robot_01/metrics/1': '7:250'}
    assert len(live.stream()) == 250 and not live.stream(kind='events')
    next_one = Delivery('robot_01/metrics/1', 8, batch([(X, BEGIN + 1000, 3000)]))
    assert live.sink.write([delivery, next_one]).samples == 2001
    assert live.redis.hgetall('twinsight:delivered') == {'robot_01/metrics/1': '8'}
    assert live.entries() == [
        (each, {'odom/x': 3.0 * each, 'odom/y': 3.0 * each}) for each in range(1000)
    ] + [(1000, {'odom/x': 3000.0})]
    assert len(live.stream(kind='events')) == 1
    assert max(steps) == 50


def test_deliveries_that_fit_are_not_cut(live, monkeypatch):
    monkeypatch.setattr(live_step, 'STEP_WEIGHT', 100)
    arguments = live_step.Step.arguments
    steps = []

    def counted(step, *given):
        steps.append(len(step._robots['robot_01'].entries))
        return arguments(step, *given)

    monkeypatch.setattr(live_step.Step, 'arguments', counted)
    live.tell(*(
        batch([(X, BEGIN + 40 * number + each, each) for each in range(40)]) for number in range(5)
    ))
    assert steps == [80, 80, 40]
    assert [time for time, _ in live.entries()] == list(range(200))


def test_many_names_and_long_texts_pass(live):
    many = [Series('robot_01', 'dawn', f'n{each}') for each in range(5000)]
    live.tell(batch([(series, BEGIN, each) for each, series in enumerate(many)]))
    live.tell(batch([(series, BEGIN - each % 2, -1.0) for each, series in enumerate(many)]))
    assert live.latest('n4999')['value'] == 4999.0
    assert live.latest('n4998')['value'] == -1.0
    live.tell(batch([(STATE, BEGIN + each, 'x' * 4096) for each in range(2000)]))
    assert live.redis.xlen('twinsight:metrics:robot_01') == 1 + 2 + 2000


def test_what_is_of_a_robot_goes_a_month_after_it_was_written_last(live):
    live.tell(batch([(X, BEGIN, 1)], facts=[
        Event('robot_01', 'dawn', BEGIN, 'anomaly', 'warn', ''),
        MetricInfo('robot_01', 'odom/x', 'm', '/odom', 'x'),
    ]))
    keys = [f'twinsight:{kind}:robot_01' for kind in ('live', 'metrics', 'events', 'info')]
    for key in keys:
        assert live.redis.ttl(key) == pytest.approx(30 * 86_400, abs=60)
        live.redis.expire(key, 100)
    live.tell(batch([], facts=[Alive('robot_01', 'dawn', BEGIN + 1)]))
    assert min(live.redis.ttl(key) for key in keys) > 29 * 86_400


def test_a_robot_that_was_not_seen_for_a_month_is_no_longer_listed(live):
    ages = {'gone': 31 * 24, 'away': 29 * 24, 'here': 0, 'of_2096': -500_000}
    for robot, hours in ages.items():
        live.redis.hset('twinsight:robots', robot, json.dumps(
            {'last_seen_ns': time.time_ns() - hours * HOUR_NS, 'mission_id': 'dawn'},
            separators=(',', ':'),
        ))
    live.tell(batch([(X, BEGIN, 1)]))
    assert set(live.redis.hkeys('twinsight:robots')) == {'away', 'here', 'robot_01'}
    live.redis.hset('twinsight:robots', 'gone', '{"last_seen_ns":1,"mission_id":""}')
    live.tell(batch([(X, BEGIN, 1)]))
    assert live.redis.hexists('twinsight:robots', 'gone'), 'it looks once an hour'
    assert 3500 < live.redis.ttl('twinsight:tidied') <= 3600


def test_a_source_is_forgotten_more_than_a_year_after_its_last_write_and_not_before(live):
    deliveries = [Delivery(each, 1, batch([(X, BEGIN, 1)])) for each in ('a', 'b', 'c')]
    live.sink.write(deliveries)
    day = 86_400
    now = live.redis.zscore('twinsight:delivered:times', 'a')
    assert now == pytest.approx(time.time(), abs=60)
    live.redis.zadd('twinsight:delivered:times', {'a': now - 401 * day, 'b': now - 399 * day})
    live.redis.zadd('twinsight:delivered:times', {'c': now - 500 * day})
    live.redis.delete('twinsight:tidied')
    # A year later no writer has the first deliveries in memory.
    later = LiveSink(live.settings)
    later.write([Delivery('c', 2, batch([(X, BEGIN, 2)]))])
    assert live.redis.hgetall('twinsight:delivered') == {'b': '1', 'c': '2'}
    assert set(live.redis.zrange('twinsight:delivered:times', 0, -1)) == {'b', 'c'}
    later.write(deliveries[1:])
    later.close()
    assert len(live.stream()) == 4


def test_nothing_to_write_writes_nothing(live):
    assert live.sink.write([]).samples == 0
    assert live.redis.keys() == []
