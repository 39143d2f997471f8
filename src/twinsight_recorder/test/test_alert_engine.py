"""Alerts: when each condition begins and ends, on both sides of every threshold."""

from collections import Counter
import random

import numpy as np
import pytest

from twinsight_recorder.alerting import engine as alert_engine
from twinsight_recorder.alerting.change import to_event
from twinsight_recorder.alerting.condition import WINDOW_SAMPLES
from twinsight_recorder.alerting.engine import AlertEngine
from twinsight_recorder.alerting.message import to_message
from twinsight_recorder.alerting.settings import alert_rules, AlertSettings
from twinsight_recorder.alerting.state import FILE, restore_state, save_state
from twinsight_store.errors import SpoolError
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series
from twinsight_store.parameters import Settings, validated

S = 10**9


class NodeSettings(Settings):
    alerts: AlertSettings


def rules(**alerts):
    return alert_rules(validated(NodeSettings, {'alerts': alerts}, []).alerts)


def engine(**rule):
    return AlertEngine(rules(rule={'metric': 'm', **rule}))


def see(engine, time_s, value, name='m', robot='r1', mission='m1'):
    is_text = isinstance(value, str)
    return engine.see(
        robot, mission, name, round(time_s * S),
        None if is_text or value is None else float(value), value if is_text else None,
    )


def run(engine, *samples, until=None):
    """Return ('+' or '-', seconds) of every change that (seconds, value) make."""
    changes = [change for time_s, value in samples for change in see(engine, time_s, value)]
    if until is not None:
        changes += engine.advance(until * S)
    return [('+' if each.active else '-', each.time_ns / S) for each in changes]


@pytest.mark.parametrize(('rule', 'raises', 'not_yet', 'clears', 'still'), [
    ({'above': 80}, 80.1, 80, 80, 80.1),
    ({'above': 80, 'clear': 70}, 80.1, 80, 70, 70.1),
    ({'above': 0}, 1, 0, 0, 1),
    ({'below': 20}, 19.9, 20, 20, 19.9),
    ({'below': 20, 'clear': 25}, 19.9, 20, 25, 24.9),
    ({'equals': 'ERROR'}, 'ERROR', 'error', 'OK', 'ERROR'),
    ({'equals': 3}, 3, 3.1, 2.9, 3),
    ({'equals': True}, 1, 0, 0, 1),
    ({'equals': '3'}, '3', 3, 3, '3'),
    ({'equals': float('nan')}, 'NaN', 0, 0, 'NaN'),
    ({'not_equals': 'OK'}, 'ERROR', 'OK', 'OK', 'WARN'),
    ({'not_equals': 3}, 2.9, 3, 3, 3.1),
    ({'not_equals': 'OK'}, 3, 'OK', 'OK', 4),
])
def test_a_value_raises_and_clears_once(rule, raises, not_yet, clears, still):
    one = engine(**rule)
    assert run(
        one, (1, not_yet), (2, raises), (3, raises), (4, still), (5, clears), (6, clears)
    ) == [('+', 2), ('-', 5)]


@pytest.mark.parametrize('rule', [
    {'above': 80}, {'below': 20}, {'rising_faster_than': 1, 'window': 10},
])
def test_a_text_says_nothing_about_a_number(rule):
    one = engine(**rule)
    assert run(one, (1, 'NaN'), (2, 'Infinity'), (3, '90')) == []
    high_or_low = 10 if 'below' in rule else 90
    assert run(one, (4, 50), (13, high_or_low), (14, 'NaN'))[:1] == [('+', 13)]
    assert run(one, (15, 'NaN'), until=100) == []


def test_a_big_whole_number_is_compared_by_its_value_and_by_its_digits():
    digits = str(2**53 + 1)
    for rule in ({'above': 2**53 - 1}, {'equals': digits}, {'equals': 2**53 + 1}):
        raised = engine(**rule).see('r1', 'm1', 'm', S, float(2**53 + 1), digits)
        assert [change.text for change in raised] == [digits], rule


def test_for_waits_until_the_condition_held_so_long():
    assert run(engine(**{'above': 80, 'for': 2}), (1, 90), (2, 85), until=2.999999) == []
    assert run(engine(**{'above': 80, 'for': 2}), (1, 90), (2, 85), until=3) == [('+', 3)]


def test_for_begins_again_after_an_interruption():
    one = engine(**{'above': 80, 'for': 2})
    assert run(one, (1, 90), (2, 80), (2.5, 90), (4.4, 90), until=9) == [('+', 4.5)]


def test_for_interrupted_at_its_last_moment_is_raised_and_cleared():
    assert run(engine(**{'above': 80, 'for': 2}), (1, 90), (3, 70)) == [('+', 3), ('-', 3)]
    assert run(engine(**{'above': 80, 'for': 2}), (1, 90), (2.999999, 70), until=9) == []


def test_while_for_runs_the_clear_value_does_not_count_as_holding():
    one = engine(**{'above': 80, 'clear': 70, 'for': 2})
    assert run(one, (1, 90), (2, 75), until=9) == []


def test_for_needs_no_further_sample_and_tells_the_last_value():
    one = engine(**{'above': 80, 'for': 2, 'message': '{value} for {for}'})
    see(one, 1, 90)
    see(one, 2, 91)
    [change] = one.advance(60 * S)
    assert (change.time_ns, change.raised_ns, change.value) == (3 * S, 3 * S, 91.0)
    assert change.message == '91 for 2 s'


def test_missing_is_raised_so_long_after_the_last_sample():
    one = engine(missing_for=2)
    assert run(one, until=50) == []
    assert run(one, (60, 1), (61, 'NaN'), until=62.999999) == []
    assert run(one, until=63) == [('+', 63)]
    assert run(one, (70, 1), (71.9, 1), (73.9, 1), (75, 1)) == [
        ('-', 70), ('+', 73.9), ('-', 73.9),
    ]


def test_missing_for_longer_adds_for():
    assert run(engine(**{'missing_for': 2, 'for': 3}), (1, 1), until=60) == [('+', 6)]


def test_an_expected_metric_is_missed_from_the_start_of_its_robot():
    one = engine(missing_for=2, expected=True)
    one.begin('r1', 'm1', 10 * S)
    assert run(one, until=11.9) == []
    [change] = one.advance(60 * S)
    assert (change.time_ns, change.value, change.text) == (12 * S, None, None)
    assert change.message == 'm: no sample for 2 s'
    one.begin('r1', 'm1', 61 * S)
    assert one.advance(90 * S) == []
    assert run(one, (91, 1)) == [('-', 91)]


def test_the_first_sample_of_a_robot_is_its_start():
    one = AlertEngine(rules(
        lidar={'metric': 'lidar', 'missing_for': 2, 'expected': True},
        hot={'metric': 'm', 'above': 80},
    ))
    assert run(one, (5, 1), until=60) == [('+', 7)]


@pytest.mark.parametrize(('rule', 'last', 'raised'), [
    ({'rising_faster_than': 2}, 20, False),
    ({'rising_faster_than': 2}, 20.1, True),
    ({'rising_faster_than': 2}, -20.1, False),
    ({'falling_faster_than': 2}, -20, False),
    ({'falling_faster_than': 2}, -20.1, True),
    ({'falling_faster_than': 2}, 20.1, False),
])
def test_a_rate_is_the_newest_minus_the_oldest_in_the_window(rule, last, raised):
    one = engine(window=10, **rule)
    see(one, 0, 1000)  # out of the window when the last one comes
    found = run(one, (5, 0), (14, 0), (15, last))
    before = [] if 'rising_faster_than' in rule else [('+', 5), ('-', 14)]
    assert found[len(before):] == ([('+', 15)] if raised else [])


def test_a_rate_is_not_known_before_half_of_the_window():
    assert run(engine(rising_faster_than=2, window=10), (1, 0), (1.1, 5), (5.9, 30)) == []
    assert run(engine(rising_faster_than=2, window=10), (1, 0), (6, 30)) == [('+', 6)]


def test_a_rate_keeps_its_answer_over_a_gap():
    one = engine(rising_faster_than=2, window=10)
    assert run(one, (1, 0), (6, 30), (60, 30), (65, 30)) == [('+', 6), ('-', 65)]


def test_a_window_holds_few_samples_and_its_rate_stays_true():
    one = engine(rising_faster_than=2, window=10)
    slope = [(index / 1000, index * 0.00195) for index in range(20_000)]
    steeper = [(20 + index / 1000, 39 + index * 0.00205) for index in range(20_000)]
    [state] = [run(one, *slope), *one.states()][1:]
    assert len(state.window) <= WINDOW_SAMPLES + 2
    assert state.raised_ns is None
    [(sign, time_s)] = run(one, *steeper)
    assert (sign, round(time_s)) == ('+', 25)


def test_each_metric_of_each_robot_that_a_glob_names_has_a_state_of_its_own():
    one = AlertEngine(rules(hot={'metric': 'motor.*.t[0]', 'above': 80}))
    for name in ('motor.left.t[0]', 'motor.a.b.t[0]', 'motor..t[0]'):
        for robot in ('r1', 'r2'):
            [change] = see(one, 1, 90, name, robot)
            assert (change.metric, change.robot_id) == (name, robot)
    for name in ('motor.left.t0', 'motor.left.t[0]x', 'xmotor.left.t[0]', 'motor.t[0]'):
        assert see(one, 1, 90, name) == []


def test_several_rules_may_look_at_one_metric():
    one = AlertEngine(rules(
        warm={'metric': 'm', 'above': 60}, hot={'metric': '*', 'above': 80, 'severity': 'error'},
    ))
    assert [change.rule for change in see(one, 1, 70)] == ['warm']
    assert [(each.rule, each.active) for each in see(one, 2, 90)] == [('hot', True)]
    assert [(each.rule, each.active) for each in see(one, 3, 50)] == [
        ('warm', False), ('hot', False),
    ]


def test_a_new_mission_clears_nothing_and_changes_carry_the_mission_of_their_moment():
    one = AlertEngine(rules(
        hot={'metric': 'm', 'above': 80}, silent={'metric': 'lidar', 'missing_for': 5},
    ))
    see(one, 0, 1, 'lidar', mission='m1')
    [raised] = see(one, 1, 90, mission='m1')
    assert see(one, 2, 90, mission='m2') == []
    [silent] = one.advance(9 * S)
    [cleared] = see(one, 10, 50, mission='m3')
    assert [raised.mission_id, silent.mission_id, cleared.mission_id] == ['m1', 'm2', 'm3']


def test_a_cleared_alert_tells_when_and_with_what_it_was_raised():
    one = engine(above=80, severity='error')
    [raised], [cleared] = see(one, 1, 90.5), see(one, 91, 30)
    assert raised.message == 'm is 90.5, above 80'
    assert cleared.message == 'cleared after 1 min 30 s: m is 90.5, above 80'
    assert (cleared.raised_ns, cleared.value, cleared.severity) == (S, 30.0, 'error')


def test_an_older_sample_of_a_metric_is_ignored_and_counted():
    one = engine(above=80)
    assert run(one, (2, 90), (1, 10)) == [('+', 2)]
    assert one.late == 1
    assert run(one, (2, 10)) == [('-', 2)]
    assert one.late == 1


def test_a_sample_that_is_late_beside_other_metrics_is_judged_at_its_own_time():
    one = AlertEngine(rules(
        hot={'metric': 'm', 'above': 80}, held={'metric': 'n', 'above': 80, 'for': 2},
        silent={'metric': 'n', 'missing_for': 3},
    ))
    see(one, 5, 90, 'n')
    assert [(each.rule, each.time_ns) for each in see(one, 8, 10, 'm')] == [
        ('held', 7 * S), ('silent', 8 * S),
    ]
    # what was due stays told, and an alert never ends before it began
    late = see(one, 6.5, 10, 'n')
    assert [(each.rule, each.active, each.time_ns) for each in late] == [
        ('held', False, 7 * S), ('silent', False, 8 * S),
    ]
    assert one.late == 0


def test_samples_of_the_future_are_left_out_where_the_caller_says_so():
    one = AlertEngine(rules(
        hot={'metric': 'm', 'above': 80}, silent={'metric': 'n', 'missing_for': 3},
    ))
    series = [Series('r1', 'm1', 'n'), Series('r1', 'm1', 'm')]
    batch = MetricBatch(
        series, np.array([1 * S, 10**6 * S, 2 * S]), np.array([0, 1, 1], np.uint32),
        np.array([1.0, 90.0, 90.0]),
    )
    assert [change.time_ns for change in one.see_batch(batch, until_ns=3 * S)] == [2 * S]
    assert one.ahead == 1


def test_a_batch_says_the_same_as_its_samples():
    generator = random.Random(1)
    names = ['a', 'b', 'm.left', 'm.right', 'state']
    made = rules(
        hot={'metric': 'm.*', 'above': 0.8, 'clear': 0.5},
        state={'metric': 'state', 'equals': 'ERROR'},
    )
    samples = [
        (index * S // 10, generator.randrange(5), generator.random()) for index in range(2000)
    ]
    texts = {
        row: generator.choice(['ERROR', 'OK']) for row, (_, number, _) in enumerate(samples)
        if number == 4
    }
    one, other = AlertEngine(made), AlertEngine(made)
    batch = MetricBatch(
        [Series('r1', 'm1', name) for name in names],
        np.array([time_ns for time_ns, _, _ in samples]),
        np.array([number for _, number, _ in samples], np.uint32),
        np.array([
            float('nan') if row in texts else value for row, (_, _, value) in enumerate(samples)
        ]),
        texts,
    )
    expected = [
        change
        for row, (time_ns, number, value) in enumerate(samples)
        for change in one.see(
            'r1', 'm1', names[number], time_ns, None if row in texts else value, texts.get(row)
        )
    ]
    assert other.see_batch(batch) == expected
    assert len(expected) > 100
    assert {change.rule for change in expected} == {'hot', 'state'}


def test_states_are_bounded_and_what_is_left_out_is_counted(monkeypatch):
    monkeypatch.setattr(alert_engine, 'STATE_LIMIT', 3)
    one = AlertEngine(rules(hot={'metric': '*', 'above': 80}))
    raised = [see(one, index, 90, f'metric_{index}') for index in range(5)]
    assert [len(changes) for changes in raised] == [1, 1, 1, 0, 0]
    see(one, 9, 90, 'metric_4')
    assert one.refused == 2
    assert len(see(one, 10, 10, 'metric_1')) == 1


def test_names_that_no_rule_names_are_remembered_within_a_bound(monkeypatch):
    monkeypatch.setattr(alert_engine, '_UNWATCHED_LIMIT', 10)
    one = engine(above=80)
    for index in range(35):
        assert see(one, index, 90, f'other_{index}') == []
    assert len(one._unwatched) <= 10
    assert len(see(one, 40, 90)) == 1


def test_without_rules_nothing_happens():
    one = AlertEngine(())
    one.begin('r1', 'm1', 0)
    assert run(one, (1, 1), until=5) == []


def test_an_event_and_a_message_carry_the_whole_change():
    one = engine(equals='ERROR', severity='error', message='{robot}: {value}')
    [change] = see(one, 1.5, 'ERROR')
    assert to_event(change) == Event(
        'r1', 'm1', 1_500_000_000, 'alert_raised', 'error', 'r1: ERROR',
        {'rule': 'rule', 'metric': 'm', 'value': None, 'text': 'ERROR',
         'raised_ns': 1_500_000_000},
    )
    message = to_message(change)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 500_000_000)
    assert (message.robot_id, message.mission_id, message.rule) == ('r1', 'm1', 'rule')
    assert (message.metric, message.severity, message.active) == ('m', message.ERROR, True)
    assert (message.text, message.message) == ('ERROR', 'r1: ERROR')
    assert np.isnan(message.value)
    [cleared] = see(one, 2, 3)
    assert to_event(cleared).kind == 'alert_cleared'
    message = to_message(cleared)
    assert (message.value, message.text, message.active) == (3.0, '', False)
    assert (message.raised.sec, message.raised.nanosec) == (1, 500_000_000)


# Live and history


MANY = rules(
    above={'metric': 'a', 'above': 0.7, 'clear': 0.4, 'for': 0.3},
    below={'metric': '*', 'below': 0.2},
    equals={'metric': 's', 'equals': 'ERROR', 'for': 0.1},
    missing={'metric': '*', 'missing_for': 1.5},
    expected={'metric': 'lidar', 'missing_for': 2, 'for': 0.5, 'expected': True},
    rising={'metric': 'b', 'rising_faster_than': 0.1, 'window': 3},
    falling={'metric': '*', 'falling_faster_than': 0.05, 'window': 2, 'for': 0.2},
)


def random_samples(generator):
    """Return what robots measure for a minute: times in order, some at once, with gaps."""
    time_ns, samples = 0, []
    for _ in range(600):
        time_ns += generator.choice([0, 999, 1000, S // 50, S // 10, S // 10, S // 4])
        time_ns += 3 * S if generator.random() < 0.01 else 0
        name = generator.choice(['a', 'a', 'b', 'b', 's', 'lidar' if time_ns > 20 * S else 'a'])
        value, text = generator.random(), None
        if name == 's' or generator.random() < 0.05:
            value, text = None, generator.choice(['ERROR', 'OK', 'NaN'])
        robot = generator.choice(['r1', 'r1', 'r2'])
        samples.append((robot, f'm{time_ns // (25 * S)}', name, time_ns, value, text))
    return samples


def changes_of(samples, end_ns, generator, cadence_ns):
    """Return what an engine tells that is advanced in between, whenever it pleases."""
    one, changes = AlertEngine(MANY), []
    for robot in ('r1', 'r2'):
        one.begin(robot, 'm0', 0)
    now_ns = 0
    for sample in samples:
        while cadence_ns and now_ns < sample[3]:
            changes += one.advance(now_ns)
            now_ns += generator.randrange(1, cadence_ns)
        changes += one.see(*sample)
    return changes + one.advance(end_ns)


@pytest.mark.parametrize('seed', range(20))
def test_live_and_history_give_the_same_alerts_whatever_the_cadence(seed):
    generator = random.Random(seed)
    samples = random_samples(generator)
    end_ns = samples[-1][3] + 2 * S
    history = changes_of(samples, end_ns, generator, 0)
    for cadence_ns in (S // 20, S, 20 * S):
        assert changes_of(samples, end_ns, generator, cadence_ns) == history
    times = [change.time_ns for change in history]
    assert times == sorted(times)
    assert {change.rule for change in history} == {rule.name for rule in MANY}
    balance = Counter()
    for change in history:
        key = (change.rule, change.robot_id, change.metric)
        balance[key] += 1 if change.active else -1
        assert balance[key] in (0, 1), 'raised once, cleared once'


def test_the_microseconds_of_the_history_change_nothing():
    samples = random_samples(random.Random(7))
    stored = [
        (robot, mission, name, time_ns // 1000 * 1000, value, text)
        for robot, mission, name, time_ns, value, text in samples
    ]
    end_ns = samples[-1][3]
    assert changes_of(samples, end_ns, None, 0) == changes_of(stored, end_ns, None, 0)


# A restart


@pytest.mark.parametrize('seed', range(5))
def test_a_node_that_starts_again_goes_on_where_it_was(tmp_path, seed):
    generator = random.Random(seed)
    samples = random_samples(generator)
    end_ns = samples[-1][3] + 2 * S
    one, changes = AlertEngine(MANY), []
    for robot in ('r1', 'r2'):
        one.begin(robot, 'm0', 0)
    for row, sample in enumerate(samples):
        if row % 97 == 0:
            save_state(one, tmp_path)
            one = AlertEngine(MANY)
            assert restore_state(one, tmp_path, sample[3]) == ([], '')
            one.begin(sample[0], sample[1], sample[3])
        changes += one.see(*sample)
    changes += one.advance(end_ns)
    assert changes == changes_of(samples, end_ns, generator, 0)


def test_an_alert_that_is_active_is_not_raised_again_and_is_cleared(tmp_path):
    one = engine(above=80)
    see(one, 1, 90)
    save_state(one, tmp_path)
    after = engine(above=80)
    assert restore_state(after, tmp_path, 5 * S) == ([], '')
    assert run(after, (6, 95), (7, 20)) == [('-', 7)]


def test_an_alert_of_a_rule_that_changed_ends(tmp_path):
    one = AlertEngine(rules(
        hot={'metric': 'm', 'above': 80}, cold={'metric': 'm', 'below': 100, 'severity': 'info'},
        never={'metric': 'm', 'above': 1000},
    ))
    see(one, 1, 90)
    save_state(one, tmp_path)
    after = AlertEngine(rules(hot={'metric': 'm', 'above': 85}))
    changes, note = restore_state(after, tmp_path, 5 * S)
    assert sorted((each.rule, each.severity, each.active, each.time_ns) for each in changes) == [
        ('cold', 'info', False, 5 * S), ('hot', 'warn', False, 5 * S),
    ]
    assert changes[0].message.startswith('cleared after 4 s, as its rule changed: m is 90')
    assert note == (
        f'{tmp_path / FILE}: rules changed since it was saved (cold, hot, never): they start '
        'afresh, 2 of their alerts are cleared'
    )
    assert run(after, (6, 90)) == [('+', 6)]


@pytest.mark.parametrize('content', [
    '', '{', '[]', 'null', '{"version":1}', '{"version":2}', '\x00\x01',
    '{"version":1,"now_ns":1,"missions":{},"rules":{},"states":[["rule"]]}',
    '{"version":1,"now_ns":1,"missions":[],"rules":{},"states":[]}',
])
def test_a_damaged_state_is_one_line_and_a_fresh_start(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    one = engine(above=80)
    changes, note = restore_state(one, tmp_path, 5 * S)
    assert changes == []
    assert note.startswith(f'{tmp_path / FILE}: no state of alerts (')
    assert note.endswith('they start afresh')
    assert '\n' not in note
    assert run(one, (1, 90)) == [('+', 1)]


def test_a_state_of_a_wrong_clock_is_left(tmp_path):
    one = engine(above=80)
    see(one, 10_000, 90)
    save_state(one, tmp_path)
    after = engine(above=80)
    changes, note = restore_state(after, tmp_path, 100 * S)
    assert (changes, 'from 2 h 45 min after now' in note) == ([], True)
    assert run(after, (101, 90)) == [('+', 101)]


def test_no_state_yet_is_no_problem(tmp_path):
    assert restore_state(engine(above=80), tmp_path / 'new', S) == ([], '')


def test_a_state_that_cannot_be_saved_is_told_and_the_old_one_stays(tmp_path):
    one = engine(above=80)
    see(one, 1, 90)
    save_state(one, tmp_path)
    before = (tmp_path / FILE).read_bytes()
    (tmp_path / f'{FILE}.new').mkdir()
    with pytest.raises(SpoolError, match='state of the alerts cannot be saved') as error:
        save_state(one, tmp_path)
    assert '\n' not in str(error.value)
    assert (tmp_path / FILE).read_bytes() == before
