"""Who asked for what, and what became of it: events on their way into the stores."""

from __future__ import annotations

from collections import deque
import logging
import threading
import time
from typing import NamedTuple
import uuid

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event
from twinsight_store.metrics.sink import MetricSink

MOST_WAITING = 1_000
_AT_ONCE = 100
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

_log = logging.getLogger(__name__)


class EventCounts(NamedTuple):
    """
    What became of events.

    written  that the store has
    waiting  that it has not yet
    lost     as too many waited, or as the store does not take them, or the server ended
    problem  why some wait; '' for none
    """

    written: int
    waiting: int
    lost: int
    problem: str


class EventLog:
    """
    Writes events into one store, in a thread of its own, each once and in their order.

    While the store is away they wait in memory, MOST_WAITING at most: then the oldest that are
    not on their way are lost, which is counted, and the program's log has them.
    """

    def __init__(self, sink: MetricSink, most_waiting: int = MOST_WAITING) -> None:
        """Begin; close() ends it."""
        self._sink = sink
        self._most = most_waiting
        self._source = f'api {uuid.uuid4().hex}'
        self._number = 0
        self._waiting: deque[Delivery] = deque()
        self._on_the_way = 0
        self._changed = threading.Condition()
        self._written = self._lost = 0
        self._problem = ''
        self._end_s: float | None = None
        self._thread = threading.Thread(
            target=self._run, name=f'twinsight-events-{sink.name}', daemon=True
        )
        self._thread.start()

    def add(self, event: Event) -> None:
        """Take an event; does not wait."""
        with self._changed:
            self._number += 1
            self._waiting.append(
                Delivery(self._source, self._number, MetricBatch(facts=[event]))
            )
            if len(self._waiting) > self._most:
                oldest = self._waiting[self._on_the_way]
                del self._waiting[self._on_the_way]
                self._lose(oldest, 'too many wait')
            self._changed.notify()

    def counts(self) -> EventCounts:
        """Return what became of the events so far."""
        with self._changed:
            return EventCounts(
                self._written, len(self._waiting), self._lost, self._problem
            )

    def close(self, patience_s: float) -> None:
        """End, within about so long; what is not written by then is lost."""
        with self._changed:
            self._end_s = time.monotonic() + patience_s
            self._changed.notify()
        self._thread.join(patience_s)
        with self._changed:
            while self._waiting:
                self._lose(self._waiting.popleft(), 'the server ends')

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while (deliveries := self._next()):
            try:
                written = self._sink.write(deliveries)
            except (StoreUnavailableError, StoreRefusedError) as error:
                self._hold_up(str(error), pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s = _FIRST_PAUSE_S
            with self._changed:
                self._problem, self._on_the_way = '', 0
                for _ in range(min(len(deliveries), len(self._waiting))):
                    self._waiting.popleft()
                self._written += len(deliveries) - written.refused
                self._lost += written.refused
            if written.refused:
                _log.error('%d events are lost: %s', written.refused, written.problem)
        self._sink.close()

    def _next(self) -> list[Delivery]:
        """Return what is to be written next; nothing at the end."""
        with self._changed:
            while not self._waiting and self._end_s is None:
                self._changed.wait()
            if self._end_s is not None and time.monotonic() > self._end_s:
                return []
            self._on_the_way = min(len(self._waiting), _AT_ONCE)
            return list(self._waiting)[:_AT_ONCE]

    def _hold_up(self, problem: str, pause_s: float) -> None:
        with self._changed:
            if not self._problem:
                _log.warning('events wait: %s', problem)
            self._problem, self._on_the_way = problem, 0
            if self._end_s is None:
                self._changed.wait_for(lambda: self._end_s is not None, pause_s)
            else:
                self._changed.wait(_FIRST_PAUSE_S)

    def _lose(self, delivery: Delivery, why: str) -> None:
        self._lost += 1
        event = delivery.batch.facts[0]
        assert isinstance(event, Event)
        _log.error('an event is lost (%s): %s: %s', why, event.robot_id, event.message)
