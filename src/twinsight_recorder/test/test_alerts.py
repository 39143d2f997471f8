"""The alerts command: rules tried on a real history, and the alerts that it holds."""

from contextlib import closing, suppress
import json
import os
import pty
import random
import subprocess
import sys

import numpy as np
import pytest

from twinsight_recorder.alerting import table as alert_table
from twinsight_recorder.alerting.change import to_event
from twinsight_recorder.alerting.engine import AlertEngine
from twinsight_recorder.alerting.settings import read_rules
from twinsight_recorder.alerts import main
from twinsight_store.history.postgres import PostgresSettings, URL_VARIABLE
from twinsight_store.history.sink import HistorySink
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.metric import Series

S = 10**9
START_S = 1_700_000_000
START = START_S * S

RULES = """\
/**:
  ros__parameters:
    alerts:
      battery_low: {metric: battery, below: 0.3, clear: 0.5, for: 2s, severity: error}
      hot: {metric: 'motor.*', above: 0.97}
      state_error: {metric: state, equals: ERROR, message: '{robot} is in {value}'}
      silent: {metric: '*', missing_for: 4s}
      lidar: {metric: lidar, missing_for: 5s, expected: true}
      heats: {metric: motor.left, rising_faster_than: 0.2, window: 3s}
"""


class History:
    """A history in PostgreSQL, a rules file, and the command on both."""

    def __init__(self, url, folder, capsys):
        self.settings = PostgresSettings(url)
        self.rules = folder / 'alerts.yaml'
        self.rules.write_text(RULES)
        self._capsys = capsys
        self._number = 0

    def write(self, *batches):
        with closing(HistorySink(self.settings)) as sink:
            for batch in batches:
                self._number += 1
                sink.write([Delivery('test', self._number, batch)])

    def samples(self, robot, mission, name, times_s, values):
        """Store samples; times in seconds after START, a text instead of a number is one."""
        self.write(MetricBatch(
            [Series(robot, mission, name)],
            np.array([START + round(time_s * S) for time_s in times_s]),
            np.zeros(len(values), np.uint32),
            np.array([float('nan') if isinstance(one, str) else one for one in values], float),
            {row: one for row, one in enumerate(values) if isinstance(one, str)},
        ))

    def alerts(self, *arguments, code=0):
        """Run the command; return what it printed."""
        assert main(list(arguments)) == code
        captured = self._capsys.readouterr()
        assert captured.err == '' or code, captured.err
        return captured.out if code == 0 else captured.err

    def tried(self, *arguments):
        """Return the JSON lines of rules that are tried."""
        return self.stored('--rules', str(self.rules), *arguments)

    def stored(self, *arguments):
        """Return the JSON lines of stored alerts."""
        return [json.loads(line) for line in self.alerts('--json', *arguments).splitlines()]


@pytest.fixture
def history(postgres_url, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, postgres_url)
    return History(postgres_url, tmp_path, capsys)


def long_drive(generator):
    """Give batches of two robots, some thousand samples each, as they come from their nodes."""
    names = ['battery', 'motor.left', 'motor.right', 'state', 'speed', 'lidar']
    for robot in ('r1', 'r2'):
        time_ns = START + generator.randrange(S)
        for part in range(10):
            times, numbers, values, texts = [], [], [], {}
            for row in range(300):
                time_ns += generator.randrange(1, S // 10)
                time_ns += 8 * S if generator.random() < 0.002 else 0
                number = generator.randrange(6 if part > 4 else 5)
                if number == 3:
                    texts[row] = generator.choice(['ERROR', 'OK', 'OK', 'NaN'])
                times.append(time_ns)
                numbers.append(number)
                values.append(float('nan') if row in texts else generator.random())
            series = [Series(robot, f'm{part // 4}', name) for name in names]
            yield MetricBatch(
                series, np.array(times), np.array(numbers, np.uint32), np.array(values), texts
            )


def live(history, batches, end_ns, generator):
    """Return the events that engines on the robots tell, advanced whenever it pleases."""
    events = []
    for robot in ('r1', 'r2'):
        engine, now_ns = AlertEngine(read_rules(str(history.rules))), 0
        for batch in batches:
            if batch.series[0].robot_id != robot:
                continue
            engine.begin(robot, batch.series[0].mission_id, int(batch.times[0]))
            for row in range(len(batch)):
                time_ns = int(batch.times[row])
                now_ns = max(now_ns, time_ns - S)
                while now_ns < time_ns:
                    events += engine.advance(now_ns)
                    now_ns += generator.randrange(1, S)
                value = None if row in batch.texts else float(batch.values[row])
                series = batch.series[batch.numbers[row]]
                events += engine.see(*series, time_ns, value, batch.texts.get(row))
        events += engine.advance(end_ns)
    return [to_event(change) for change in events]


def as_json(events):
    """Return what is expected as JSON lines; what happens at one time is in no order."""
    return in_order(
        {
            'time_ns': each.time_ns, 'robot_id': each.robot_id, 'mission_id': each.mission_id,
            'kind': each.kind, 'severity': each.severity, 'message': each.message, **each.data,
        }
        for each in events
    )


def in_order(lines):
    return sorted(lines, key=lambda line: json.dumps(line, sort_keys=True))


def test_history_gives_the_alerts_that_the_robots_told(history):
    generator = random.Random(3)
    batches = list(long_drive(generator))
    end_ns = (max(int(batch.times[-1]) for batch in batches) // S + 20) * S
    told = live(history, batches, end_ns, generator)
    history.write(*batches)

    found = history.tried('--to', str(end_ns // S))
    assert in_order(found) == as_json(told)
    assert len(found) > 500
    assert {line['rule'] for line in found} == {
        'battery_low', 'hot', 'state_error', 'silent', 'lidar', 'heats',
    }
    times = [line['time_ns'] for line in found]
    assert times == sorted(times)


def test_stored_alerts_are_listed_as_they_were_told(history):
    generator = random.Random(4)
    batches = list(long_drive(generator))
    end_ns = (max(int(batch.times[-1]) for batch in batches) // S + 20) * S
    told = live(history, batches, end_ns, generator)
    history.write(*batches, MetricBatch(facts=told))

    assert in_order(history.stored()) == as_json(told)
    assert in_order(history.stored('--robot', 'r2', '--mission', 'm1')) == as_json(
        each for each in told if (each.robot_id, each.mission_id) == ('r2', 'm1')
    )
    raised = sum(each.kind == 'alert_raised' for each in told)
    assert f'{raised} stored alerts' in history.alerts()


def test_the_table_has_one_row_for_each_alert(history):
    history.samples('r1', 'm1', 'battery', [0, 1, 3, 90], [0.9, 0.2, 0.1, 0.6])
    history.samples('r1', 'm2', 'state', [91, 92], ['OK', 'ERROR'])
    printed = history.alerts(
        '--rules', str(history.rules), '--from', str(START_S), '--to', str(START_S + 93)
    )
    rows = [
        [cell.strip() for cell in line.split('│')[1:-1]]
        for line in printed.splitlines() if line.startswith('│')
    ]
    assert [row[1:] for row in rows] == [
        ['r1', 'm1', 'battery_low', 'error', '2023-11-14 22:14:50.000', '1 min 27 s',
         'battery is 0.2, below 0.3 for 2 s'],
        ['r1', 'm1', 'lidar', 'warn', 'still active', '', 'lidar: no sample for 5 s'],
        ['r1', 'm1', 'silent', 'warn', '2023-11-14 22:14:50.000', '1 min 23 s',
         'battery: no sample for 4 s'],
        ['r1', 'm2', 'state_error', 'warn', 'still active', '', 'r1 is in ERROR'],
    ]
    assert rows[0][0] == '2023-11-14 22:13:23.000'
    assert '4 alerts in 6 samples of 2 metrics, 2023-11-14 22:13:20.000 UTC to' in printed


def test_an_alert_that_ended_at_once_is_one_row_in_whichever_order_it_is_stored(history):
    at_once = {'rule': 'silent', 'metric': 'odom.x', 'raised_ns': START}
    before = {'rule': 'hot', 'metric': 'motor', 'raised_ns': START - 60 * S}
    history.write(MetricBatch(facts=[
        Event('r1', 'm1', START, 'alert_cleared', 'warn', 'over', at_once),
        Event('r1', 'm1', START, 'alert_raised', 'warn', 'begins', at_once),
        Event('r1', 'm1', START, 'alert_cleared', 'warn', 'cool again', before),
    ]))
    printed = history.alerts()
    assert '2 stored alerts' in printed
    assert 'still active' not in printed
    assert '2023-11-14 22:12:20.000' in printed
    assert '1 min' in printed


def test_a_long_table_is_cut_and_says_so(history, monkeypatch):
    monkeypatch.setattr(alert_table, '_ROWS', 3)
    values = [0, 1] * 5
    history.samples('r1', 'm1', 'motor.a', range(10), values)
    printed = history.alerts(
        '--rules', str(history.rules), '--robot', 'r1', '--to', str(START_S + 10)
    )
    assert sum(line.startswith('│') for line in printed.splitlines()) == 3
    assert 'and 3 alerts more: --json gives all of them' in printed
    assert '6 alerts in 10 samples' in printed


def test_the_span_decides_what_is_missing_and_its_end_is_the_last_moment(history):
    history.samples('r1', 'm1', 'speed', [0, 1, 2], [1, 1, 1])
    history.rules.write_text(
        '/**: {ros__parameters: {alerts: {silent: {metric: speed, missing_for: 4}}}}'
    )
    assert history.tried('--to', f'{START_S + 5}.999999') == []
    [raised] = history.tried('--to', str(START_S + 6))
    assert raised['time_ns'] == START + 6 * S
    assert history.tried('--from', str(START_S + 1), '--to', str(START_S + 6)) == [raised]
    assert history.tried('--to', f'{START_S + 1}.5') == []


def test_a_selected_mission_is_not_missed_after_its_end(history):
    history.samples('r1', 'm1', 'speed', [0, 1, 8], [1, 1, 1])
    history.samples('r1', 'm2', 'speed', [20], [1])
    history.rules.write_text(
        '/**: {ros__parameters: {alerts: {silent: {metric: speed, missing_for: 4}}}}'
    )
    assert [each['time_ns'] - START for each in history.tried('--mission', 'm1')] == [
        5 * S, 8 * S,
    ]
    assert len(history.tried('--to', str(START_S + 30))) == 5


def test_an_expected_metric_that_never_came_is_found_without_any_sample_of_it(history):
    history.samples('r1', 'm1', 'speed', [0, 60], [1, 1])
    history.rules.write_text(
        '/**: {ros__parameters: {alerts: {lidar: '
        '{metric: lidar, missing_for: 5, expected: true}}}}'
    )
    [raised] = history.tried('--robot', 'r1')
    assert (raised['time_ns'], raised['value'], raised['text']) == (START + 5 * S, None, None)


def test_rules_that_nothing_breaks_print_no_table(history):
    history.samples('r1', 'm1', 'battery', [0, 1], [0.9, 0.9])
    history.rules.write_text(
        '/**: {ros__parameters: {alerts: {low: {metric: battery, below: 0.3}}}}'
    )
    assert history.alerts('--rules', str(history.rules)) == (
        '0 alerts in 2 samples of 1 metrics, '
        '2023-11-14 22:13:20.000 UTC to 2023-11-14 22:13:21.000 UTC\n'
    )


def test_nothing_is_written(history):
    history.samples('r1', 'm1', 'state', [0, 1], ['OK', 'ERROR'])
    assert len(history.tried()) > 0
    assert 'there is' in history.alerts(code=3)


@pytest.mark.parametrize(('arguments', 'said'), [
    (['--robot', 'r9'], 'nothing matches --robot r9'),
    (['--from', '-1h'], 'nothing matches everything, 20'),
    (['--robot', 'r9', '--rules', 'RULES'], 'r1 (missions m1;'),
    (['--to', str(START_S), '--rules', 'RULES'], 'nothing matches everything, the first message'),
])
def test_where_nothing_matched_it_says_what_there_is(history, arguments, said):
    history.samples('r1', 'm1', 'battery', [0], [0.9])
    given = [str(history.rules) if one == 'RULES' else one for one in arguments]
    line = history.alerts(*given, code=3)
    assert line.startswith('alerts: ')
    assert said in line
    assert line.count('\n') == 1


def test_a_database_without_tables_has_no_metrics_yet(history):
    for arguments in ([], ['--rules', str(history.rules)]):
        line = history.alerts(*arguments, code=3)
        assert 'has no metrics yet: let metrics_recorder write there first' in line
        assert line.count('\n') == 1


@pytest.mark.parametrize(('arguments', 'said'), [
    (['--from', 'noon'], "--from: time 'noon': accepted are ISO 8601"),
    (['--from', '-1h', '--to', '-2h'], 'is empty: the end must be later than the start'),
    (['--robot', ''], '--robot is empty'),
    (['--rules', '/no/such.yaml'], '/no/such.yaml: cannot be read'),
])
def test_wrong_usage_is_one_line(history, arguments, said):
    line = history.alerts(*arguments, code=2)
    assert said in line
    assert line.count('\n') == 1


def test_a_wrong_rule_names_file_and_key(history):
    history.rules.write_text('/**: {ros__parameters: {alerts: {hot: {metric: x, abov: 3}}}}')
    line = history.alerts('--rules', str(history.rules), code=2)
    assert line.startswith(f'alerts: {history.rules}: alerts.hot.abov: unknown key')


def test_without_an_address_or_a_server_it_says_so(history, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, 'postgresql://u:secret@127.0.0.1:1/x')
    for arguments in ([], ['--rules', str(history.rules)]):
        line = history.alerts(*arguments, code=1)
        assert 'PostgreSQL at 127.0.0.1:1/x does not answer' in line
        assert 'secret' not in line
    monkeypatch.delenv(URL_VARIABLE)
    assert 'TWINSIGHT_POSTGRES_URL is not set' in history.alerts(code=2)


def all_of(terminal):
    """Return what a terminal shows until the last program has left it, and close it."""
    shown = b''
    with suppress(OSError):  # the end, on Linux
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    return shown


def test_on_a_terminal_a_bar_shows_the_progress_and_the_table_stays_clean(history):
    history.samples('r1', 'm1', 'battery', [0, 1, 3, 90], [0.9, 0.2, 0.1, 0.6])
    ours, theirs = pty.openpty()
    command = [sys.executable, '-m', 'twinsight_recorder.alerts', '--rules', str(history.rules)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs,
        env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '120'},
    )
    os.close(theirs)
    shown = all_of(ours)  # a terminal that nobody reads takes only so much
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert b'reading samples' in shown
    assert b'battery_low' in printed
    assert b'reading samples' not in printed


def test_who_has_read_enough_gets_no_traceback(history):
    history.samples('r1', 'm1', 'motor.a', range(20_000), [0, 1] * 10_000)  # no pipe holds all
    command = [
        sys.executable, '-m', 'twinsight_recorder.alerts', '--rules', str(history.rules), '--json',
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert json.loads(running.stdout.readline())['rule'] == 'hot'
    running.stdout.close()
    assert running.stderr.read() == b''
    running.stderr.close()
    assert running.wait(timeout=60) == 1


def test_the_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as end:
        main(['--help'])
    assert end.value.code == 0
    assert 'alerts --rules config/alerts.yaml --from -7d --to now' in capsys.readouterr().out
