"""
Decides when alerts begin and end, from samples alone, so that live and history agree.

The engine has no clock. When an alert begins or ends follows from the times of samples and the
durations of its rule: never from when advance() was called, which only decides when it is told.
Times count in whole microseconds, as the history stores them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import heapq
import math

import numpy as np

from twinsight_recorder.alerting.change import AlertChange
from twinsight_recorder.alerting.condition import duration_text, Window
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.glob import glob_expression

STATE_LIMIT = 10_000
_UNWATCHED_LIMIT = 50_000


@dataclass
class AlertState:
    """
    Where one rule stands with one metric of one robot.

    last_ns     time of the newest sample; -1 where there was none
    due_ns      when it is raised unless a sample comes in between; None for not at all
    raised_ns   since when it is raised; None for not
    changed_ns  when it was raised or cleared last; -1 for never
    message     the one it was raised with
    value       of the newest sample that said something; also text
    window      of a rule on rates: see Rate
    """

    rule: AlertRule
    robot_id: str
    metric: str
    last_ns: int = -1
    due_ns: int | None = None
    raised_ns: int | None = None
    changed_ns: int = -1
    message: str = ''
    value: float | None = None
    text: str | None = None
    window: Window = field(default_factory=deque)


class AlertEngine:
    """
    Gives the changes that samples and the passing of time make.

    Changes come out in the order of their times; those of one moment where time passes before
    those of samples, and these in the order of samples and rules. A sample that is older than
    the newest of its metric is ignored and counted. One that is older only than what other
    metrics or advance() told is judged at its own time: what it changes comes out late, but never
    before the last change of the same alert, and what was due until then stays told. So advance()
    should stay behind the clock by as long as samples are on their way.

    late     samples that were ignored: older than the newest of their metric
    ahead    samples that were ignored: later than the caller allowed
    refused  how often a rule did not look at a metric, as there are STATE_LIMIT states already
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.rules = tuple(rules)
        self.late = self.ahead = self.refused = 0
        self._numbers = {rule.name: number for number, rule in enumerate(self.rules)}
        self._globs = [glob_expression(rule.metric) for rule in self.rules]
        self._states: dict[tuple[str, str, str], AlertState] = {}
        self._watched: dict[tuple[str, str], list[AlertState]] = {}
        self._unwatched: set[tuple[str, str]] = set()
        self._missions: dict[str, tuple[int, str]] = {}
        # for each state one entry at most: a time not after due_ns, robot, number of rule, metric
        self._queue: list[tuple[int, str, int, str]] = []
        self._queued: set[tuple[str, str, str]] = set()
        self._now_ns = 0

    @property
    def now_ns(self) -> int:
        """Return the time up to which everything that was due is told."""
        return self._now_ns

    def states(self) -> Iterator[AlertState]:
        """Give all states."""
        return iter(self._states.values())

    def missions(self) -> dict[str, tuple[int, str]]:
        """Return by robot the time of its newest sample and its mission then."""
        return dict(self._missions)

    def begin(self, robot_id: str, mission_id: str, time_ns: int) -> None:
        """
        Note that a robot is there: from now on its expected metrics are missed.

        What is known already, from samples or a saved state, goes on as it was.
        """
        time_ns -= time_ns % 1000
        self._missions.setdefault(robot_id, (time_ns, mission_id))
        for rule in self.rules:
            if not rule.is_expected or (rule.name, robot_id, rule.metric) in self._states:
                continue
            state = self._state(rule, robot_id, rule.metric)
            if state is not None and rule.silence_ns is not None:
                self._plan(state, time_ns + rule.silence_ns)

    def see(
        self, robot_id: str, mission_id: str, name: str, time_ns: int, value: float | None,
        text: str | None,
    ) -> list[AlertChange]:
        """Return what a sample changes, and before it what was due up to its time."""
        states = self._states_of(robot_id, name)
        return self._see(states, mission_id, time_ns, value, text) if states else []

    def see_batch(self, batch: MetricBatch, until_ns: int | None = None) -> list[AlertChange]:
        """
        Return what a batch's samples change; those of metrics that no rule names cost nothing.

        until_ns  later samples are ignored and counted: a stamp of the future would make all
                  other metrics missing
        """
        if not self.rules or not len(batch):
            return []
        wanted = np.fromiter(
            (self._is_watched(each.robot_id, each.name) for each in batch.series),
            bool, len(batch.series),
        )
        rows = np.flatnonzero(wanted[batch.numbers])
        changes: list[AlertChange] = []
        for row, number, time_ns, value in zip(
            rows.tolist(), batch.numbers[rows].tolist(), batch.times[rows].tolist(),
            batch.values[rows].tolist(), strict=True,
        ):
            if until_ns is not None and time_ns > until_ns:
                self.ahead += 1
                continue
            states = self._states_of(batch.series[number].robot_id, batch.series[number].name)
            if states:
                number_or_none = None if math.isnan(value) else value
                changes += self._see(
                    states, batch.series[number].mission_id, time_ns, number_or_none,
                    batch.texts.get(row),
                )
        return changes

    def advance(self, now_ns: int) -> list[AlertChange]:
        """Return what was due up to a time: conditions that held long enough, silent metrics."""
        self._now_ns = max(self._now_ns, now_ns)
        changes = []
        while self._queue and self._queue[0][0] <= self._now_ns:
            entry_ns, robot_id, number, metric = heapq.heappop(self._queue)
            key = (self.rules[number].name, robot_id, metric)
            self._queued.discard(key)
            state = self._states[key]
            if state.due_ns is None:
                continue
            if state.due_ns > entry_ns:  # a sample put it off; now it takes its turn
                self._plan(state, state.due_ns)
                continue
            changes.append(self._raise(state, state.due_ns, self._missions[robot_id][1]))
        return changes

    def adopt(
        self, now_ns: int, missions: Mapping[str, tuple[int, str]], states: Iterable[AlertState]
    ) -> None:
        """Go on from what now_ns, missions() and states() gave; before any sample is seen."""
        self._now_ns = now_ns
        self._missions = dict(missions)
        for state in states:
            self._states[state.rule.name, state.robot_id, state.metric] = state
            if state.due_ns is not None:
                self._plan(state, state.due_ns)

    def _see(
        self, states: Sequence[AlertState], mission_id: str, time_ns: int, value: float | None,
        text: str | None,
    ) -> list[AlertChange]:
        time_ns -= time_ns % 1000
        robot_id = states[0].robot_id
        changes = self.advance(time_ns)
        known = self._missions.get(robot_id)
        if known is None:
            self.begin(robot_id, mission_id, time_ns)
        elif time_ns >= known[0]:
            self._missions[robot_id] = (time_ns, mission_id)
        ignored = False
        for state in states:
            if time_ns < state.last_ns:
                ignored = True
                continue
            state.last_ns = time_ns
            change = self._judge(state, mission_id, time_ns, value, text)
            if change is not None:
                changes.append(change)
        self.late += ignored
        return changes

    def _judge(
        self, state: AlertState, mission_id: str, time_ns: int, value: float | None,
        text: str | None,
    ) -> AlertChange | None:
        rule, active = state.rule, state.raised_ns is not None
        holds = rule.condition.holds(state.window, time_ns, value, text, active)
        if holds is None:
            return None
        state.value, state.text = value, text
        if holds:
            if active or state.due_ns is not None:
                return None
            if rule.for_ns == 0:
                return self._raise(state, time_ns, mission_id)
            self._plan(state, time_ns + rule.for_ns)
            return None
        state.due_ns = None
        change = self._clear(state, time_ns, mission_id) if active else None
        if rule.silence_ns is not None:
            self._plan(state, time_ns + rule.silence_ns)
        return change

    def _raise(self, state: AlertState, time_ns: int, mission_id: str) -> AlertChange:
        time_ns = max(time_ns, state.changed_ns)  # after late samples
        state.raised_ns, state.changed_ns, state.due_ns = time_ns, time_ns, None
        state.message = state.rule.text(state.robot_id, state.metric, state.value, state.text)
        return _change(state, mission_id, True, state.message)

    def _clear(self, state: AlertState, time_ns: int, mission_id: str) -> AlertChange:
        state.changed_ns = max(time_ns, state.changed_ns)
        lasted = duration_text(state.changed_ns - (state.raised_ns or 0))
        change = _change(state, mission_id, False, f'cleared after {lasted}: {state.message}')
        state.raised_ns, state.message = None, ''
        return change

    def _plan(self, state: AlertState, due_ns: int) -> None:
        """Note when a state is due; it may be queued for an earlier time, never for a later."""
        state.due_ns = due_ns
        key = (state.rule.name, state.robot_id, state.metric)
        if key not in self._queued:
            self._queued.add(key)
            number = self._numbers[state.rule.name]
            heapq.heappush(self._queue, (due_ns, state.robot_id, number, state.metric))

    def _is_watched(self, robot_id: str, name: str) -> bool:
        key = (robot_id, name)
        if key in self._watched:
            return True
        if key in self._unwatched:
            return False
        if any(glob.fullmatch(name) for glob in self._globs):
            return True
        self._leave_out(key)
        return False

    def _states_of(self, robot_id: str, name: str) -> Sequence[AlertState]:
        key = (robot_id, name)
        states = self._watched.get(key)
        if states is None:
            if not self._is_watched(robot_id, name):
                return ()
            found = (
                self._state(rule, robot_id, name)
                for rule, glob in zip(self.rules, self._globs, strict=True)
                if glob.fullmatch(name)
            )
            states = [state for state in found if state is not None]
            if states:
                self._watched[key] = states
            else:
                self._leave_out(key)
        return states

    def _state(self, rule: AlertRule, robot_id: str, metric: str) -> AlertState | None:
        key = (rule.name, robot_id, metric)
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= STATE_LIMIT:
                self.refused += 1
                return None
            state = self._states[key] = AlertState(rule, robot_id, metric)
        return state

    def _leave_out(self, key: tuple[str, str]) -> None:
        if len(self._unwatched) >= _UNWATCHED_LIMIT:
            self._unwatched.clear()
        self._unwatched.add(key)


def _change(state: AlertState, mission_id: str, active: bool, message: str) -> AlertChange:
    return AlertChange(
        state.rule.name, state.robot_id, mission_id, state.metric, state.rule.severity, active,
        state.changed_ns, state.raised_ns or 0, message, state.value, state.text,
    )
