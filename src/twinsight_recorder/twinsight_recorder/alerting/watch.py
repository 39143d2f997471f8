"""The alerts of a live robot: the engine in a thread of its own, which may wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
import threading
import time

from twinsight_recorder.alerting.change import AlertChange
from twinsight_recorder.alerting.condition import duration_text
from twinsight_recorder.alerting.engine import AlertEngine
from twinsight_recorder.alerting.rule import AlertRule
from twinsight_recorder.alerting.state import restore_state, save_state
from twinsight_store.errors import SpoolError
from twinsight_store.metrics.batch import MetricBatch

_BEHIND_NS = 500_000_000
"""Samples may be on their way for so long; what is missing is missed after that."""

_AHEAD_NS = 1_000_000_000
_JUST_NOW_NS = 10_000_000_000
_PERIOD_S = 0.1
_SAVE_PERIOD_S = 1.0
"""Samples that a killed node saw after it saved are missed by the next one."""

_SAVE_SHARE = 20
_CLOCK_STEP_NS = 60_000_000_000
_MOST_BATCHES = 10_000


class AlertWatch:
    """
    Gives batches to the alert engine, and tells its changes once they are saved.

    A change is saved before it is told: where the process is killed between the two, nobody ever
    hears of it. The other way round a node that starts again would tell it twice, and twice is
    worse: each time that it is killed somebody is called out for nothing.

    Without rules it does nothing, and needs neither thread nor file.

    unseen   samples that the engine never saw, as the disk stalled for too long
    failure  what ended the thread, which is a defect
    """

    def __init__(
        self, rules: Sequence[AlertRule], folder: Path, robot_id: str,
        tell: Callable[[AlertChange], object], on_problem: Callable[[str], object],
    ) -> None:
        """
        Make one.

        folder  where the state of the alerts outlives the node
        tell, on_problem  are called in the thread
        """
        self.unseen = 0
        self.failure: Exception | None = None
        self._engine = AlertEngine(rules)
        self._folder = folder
        self._robot_id = robot_id
        self._tell = tell
        self._on_problem = on_problem
        self._problem = ''
        self._batches: deque[MetricBatch] = deque()
        self._stop = threading.Event()
        self._save_at = 0.0
        self._saved: object = None
        self._thread = threading.Thread(target=self._run, name='twinsight-alerts')

    @property
    def left_out(self) -> dict[str, int]:
        """Return how many samples did not count, and why: see AlertEngine."""
        engine = self._engine
        return {
            'late': engine.late, 'ahead': engine.ahead, 'refused': engine.refused,
            'unseen': self.unseen,
        }

    def start(self, mission_id: str, began_ns: int) -> None:
        """
        Go on where an earlier node stopped; from now on metrics may be missed.

        began_ns  of the mission (Unix ns): where it began just now, they are missed from then on,
                  as the history has it
        """
        now_ns = time.time_ns()
        restored = restore_state(self._engine, self._folder, now_ns)
        if restored.note:
            self._on_problem(restored.note)
        if restored.changes:
            self._save()
        if not self._engine.rules:
            for change in restored.changes:
                self._tell(change)
            return
        is_new = 0 <= now_ns - began_ns < _JUST_NOW_NS
        self._engine.begin(self._robot_id, mission_id, began_ns if is_new else now_ns)
        for change in restored.changes:
            self._tell(change)
        self._thread.start()

    def offer(self, batch: MetricBatch) -> None:
        """Take a batch; does not wait."""
        if len(self._batches) >= _MOST_BATCHES:
            self.unseen += len(batch)
        else:
            self._batches.append(batch)

    def close(self) -> None:
        """See what was offered, save how things stand, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                stopping = self._stop.wait(_PERIOD_S)
                changes = self._look()
                if changes or stopping or self._is_to_be_saved():
                    self._save()
                for change in changes:
                    self._tell(change)
                if stopping:
                    return
        except Exception as error:
            self.failure = error

    def _look(self) -> list[AlertChange]:
        changes = []
        now_ns = time.time_ns()  # before the last batch is taken: it holds all up to then
        if self._engine.now_ns > now_ns + _CLOCK_STEP_NS:
            self._begin_anew(now_ns)
        while self._batches:
            batch = self._batches.popleft()
            changes += self._engine.see_batch(batch, now_ns + _AHEAD_NS)
        changes += self._engine.advance(now_ns - _BEHIND_NS)
        return changes

    def _begin_anew(self, now_ns: int) -> None:
        """Forget what a clock said that went ahead: it would be later than all for long."""
        before = self._engine
        ahead = duration_text(before.now_ns - now_ns)
        self._on_problem(f'the clock was set back by {ahead}: the alerts start afresh')
        self._engine = AlertEngine(before.rules)
        self._engine.late, self._engine.ahead = before.late, before.ahead
        self._engine.refused = before.refused
        for robot_id, (_, mission_id) in before.missions().items():
            self._engine.begin(robot_id, mission_id, now_ns)

    def _progress(self) -> object:
        """Return what differs where a state differs."""
        states = list(self._engine.states())
        return len(states), sum(state.last_ns for state in states)

    def _is_to_be_saved(self) -> bool:
        return time.monotonic() >= self._save_at and self._progress() != self._saved

    def _save(self) -> None:
        self._saved = self._progress()
        begin_s = time.monotonic()
        try:
            save_state(self._engine, self._folder)
            self._problem = ''
        except SpoolError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._on_problem(self._problem)
        end_s = time.monotonic()
        self._save_at = end_s + max(_SAVE_PERIOD_S, _SAVE_SHARE * (end_s - begin_s))
