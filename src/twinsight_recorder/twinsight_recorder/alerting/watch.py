"""The alerts of a live robot: the engine in a thread of its own, which may wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
import threading
import time

from twinsight_recorder.alerting.change import AlertChange
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
_SAVE_PERIOD_S = 5.0
_MOST_BATCHES = 10_000


class AlertWatch:
    """
    Gives batches to the alert engine, and tells its changes once they are saved.

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
                if changes or stopping or time.monotonic() >= self._save_at:
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
        while self._batches:
            batch = self._batches.popleft()
            changes += self._engine.see_batch(batch, now_ns + _AHEAD_NS)
        changes += self._engine.advance(now_ns - _BEHIND_NS)
        return changes

    def _save(self) -> None:
        self._save_at = time.monotonic() + _SAVE_PERIOD_S
        try:
            save_state(self._engine, self._folder)
            self._problem = ''
        except SpoolError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._on_problem(self._problem)
