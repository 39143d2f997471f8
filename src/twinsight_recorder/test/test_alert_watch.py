"""The alerts of a live robot, with a clock that is set."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from pytest_ros import wait_until

from twinsight_recorder.alerting import watch
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_recorder.alerting.settings import alert_rules, AlertSettings
from twinsight_recorder.alerting.state import FILE
from twinsight_recorder.alerting.watch import AlertWatch
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_store.parameters import Settings, validated

HOUR_NS = 3_600_000_000_000


class Alerts(Settings):
    alerts: AlertSettings


def rules(**alerts: dict[str, object]) -> list[AlertRule]:
    given = {f'alerts.{name}.{key}': value for name, rule in alerts.items()
             for key, value in rule.items()}
    return list(alert_rules(validated(Alerts, given, []).alerts))


LOW = rules(low={'metric': 'level', 'below': 0.2})


class Watched:
    """A watch over robot_05, whose clock can be set."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.ahead_ns = 0
        self.changes = []
        self.notes = []
        clock = SimpleNamespace(time_ns=self.now_ns, monotonic=time.monotonic)
        monkeypatch.setattr(watch, 'time', clock)
        self.running = []

    def now_ns(self):
        return time.time_ns() + self.ahead_ns

    def start(self, of=LOW):
        self.running.append(
            AlertWatch(of, self.folder, 'robot_05', self.changes.append, self.notes.append)
        )
        self.running[-1].start('A', self.now_ns())
        return self.running[-1]

    def see(self, level):
        self.running[-1].offer(MetricBatch(
            [Series('robot_05', 'A', 'level')], np.array([self.now_ns()]),
            np.zeros(1, np.uint32), np.array([level]),
        ))

    def saved(self):
        """Return the values that the saved states hold."""
        file = self.folder / FILE
        found = json.loads(file.read_text())['states'] if file.exists() else []
        return [value for *_, value, text, window in found]

    def told(self):
        return [(each.rule, each.active) for each in self.changes]


@pytest.fixture
def robot(tmp_path, monkeypatch):
    found = Watched(tmp_path / 'robot', monkeypatch)
    yield found
    for each in found.running:
        each.close()


def test_after_a_clock_that_was_ahead_is_set_right_alerts_are_raised_again(robot):
    running = robot.start()
    robot.ahead_ns = HOUR_NS
    robot.see(0.9)
    wait_until(lambda: running._engine.now_ns > time.time_ns() + HOUR_NS // 2)
    robot.ahead_ns = 0
    wait_until(lambda: robot.notes)
    robot.see(0.05)
    wait_until(lambda: robot.told() == [('low', True)])
    assert len(robot.notes) == 1
    assert robot.notes[0].startswith('the clock was set back by ')
    assert robot.notes[0].endswith(': the alerts start afresh')
    assert abs(robot.changes[0].time_ns - time.time_ns()) < HOUR_NS // 2


def test_the_state_is_written_only_where_something_changed_and_at_the_end(robot, monkeypatch):
    monkeypatch.setattr(watch, '_SAVE_PERIOD_S', 0.0)
    monkeypatch.setattr(watch, '_SAVE_SHARE', 0)
    saves = []
    save = watch.save_state
    monkeypatch.setattr(watch, 'save_state', lambda *given: saves.append(1) or save(*given))
    running = robot.start()
    robot.see(0.9)
    wait_until(lambda: robot.saved() == [0.9])
    before = len(saves)
    time.sleep(0.5)
    assert len(saves) == before
    robot.see(0.8)
    wait_until(lambda: len(saves) == before + 1)
    running.close()
    assert len(saves) == before + 2


def test_alerts_of_rules_that_are_all_gone_are_cleared_once_and_nothing_runs(robot):
    robot.start()
    robot.see(0.05)
    wait_until(lambda: robot.told() == [('low', True)])
    robot.running[-1].close()
    for _ in range(2):
        running = robot.start(of=[])
        assert not running._thread.is_alive()
        running.close()
    assert robot.told() == [('low', True), ('low', False)]
    assert json.loads((robot.folder / FILE).read_text())['states'] == []


def test_without_rules_there_is_no_file(robot):
    running = robot.start(of=[])
    robot.see(0.05)
    time.sleep(0.3)
    running.close()
    assert not robot.folder.exists()
