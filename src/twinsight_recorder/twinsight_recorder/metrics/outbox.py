"""The way of metrics out of a recorder: into the log, and from there to each sink."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
import logging
import threading
import time

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.metrics.log import MetricLog, MOST_AT_ONCE
from twinsight_recorder.metrics.reader import Reader
from twinsight_recorder.metrics.stores import Store
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.sink import Written

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0
_WAKE_S = 0.5
_READ_AGAIN_S = 0.5
_FAREWELL_S = 0.5
_UP_TO_DATE_S = 5.0
"""A robot is not missed while its samples may still be on their way to the sink."""

_log = logging.getLogger(__name__)


class SinkState(IntEnum):
    """How a sink answers; the numbers are those of MetricSinkStatus."""

    WAITING = 0
    OK = 1
    REFUSING = 2


class SinkRunner:
    """
    Brings the log to one sink, in a thread of its own, for as long as it takes.

    problem  what the sink said last, where it did not take everything
    """

    def __init__(
        self, store: Store, log: MetricLog, reader: Reader,
        on_change: Callable[[SinkRunner], None],
    ) -> None:
        self.sink = store.sink
        self.reader = reader
        self.state = SinkState.WAITING
        self.problem = ''
        self.written = 0
        self.refused = 0
        self.failure: Exception | None = None
        self._log = log
        self._store = store
        self._on_change = on_change
        self._finish = threading.Event()
        self._give_up = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f'twinsight-{self.sink.name}', daemon=True
        )

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def finish(self) -> None:
        """Ask to end once the log is written."""
        self._finish.set()
        self._log.wake()

    def join(self, timeout_s: float) -> None:
        """
        Wait for the end; after the time what is not written stays in the spool.

        A sink that hangs is left alone then, and ends with the process.
        """
        self._thread.join(timeout_s)
        self._give_up.set()
        self._thread.join(_FAREWELL_S)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self.failure = error
        finally:
            self.sink.close()

    def _work(self) -> None:
        while not self._give_up.is_set():
            if not self._log.wait(self.reader, 0.0 if self._finish.is_set() else _WAKE_S):
                if self._finish.is_set():
                    return
                continue
            begin_s = time.monotonic()
            deliveries = self._log.take(self.reader)
            if not deliveries:
                self._give_up.wait(_READ_AGAIN_S)  # the disk does not give it
                continue
            written = self._write(deliveries)
            if written is None:
                return
            self._log.done(self.reader)
            self.written += written.samples
            self._count_refused(written)
            if self._log.lag_s(self.reader) < _UP_TO_DATE_S:
                self._store.look()
            rest_s = self._store.gather_s - (time.monotonic() - begin_s)
            if rest_s > 0.0 and sum(len(each.batch) for each in deliveries) < MOST_AT_ONCE:
                self._finish.wait(rest_s)

    def _write(self, deliveries: Sequence[Delivery]) -> Written | None:
        """Write until it is done; None where there is no more time."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                written = self.sink.write(deliveries)
                self._tell(SinkState.OK, '')
                return written
            except StoreUnavailableError as error:
                self._tell(SinkState.WAITING, str(error))
            except StoreRefusedError as error:
                self._tell(SinkState.REFUSING, str(error))
            if self._give_up.wait(pause_s):
                return None
            pause_s = min(2.0 * pause_s, _LONGEST_PAUSE_S)

    def _count_refused(self, written: Written) -> None:
        self.refused += written.refused
        if written.refused:
            _log.warning('%s: %d refused: %s', self.sink.name, written.refused, written.problem)

    def _tell(self, state: SinkState, problem: str) -> None:
        if (state, problem) != (self.state, self.problem):
            self.state, self.problem = state, problem
            self._on_change(self)


class MetricOutbox:
    """
    Takes batches without ever waiting; a thread logs them, a thread a sink writes them.

    dropped  samples that came while memory was full
    """

    def __init__(
        self, source: str, spool: JournalSettings, memory_bytes: int,
        stores: Sequence[Store], on_change: Callable[[SinkRunner], None],
        on_earlier: Callable[[int], None],
    ) -> None:
        """
        Begin to write what an earlier process left.

        on_change   is called in a sink's thread, when its state changed
        on_earlier  is called once in a thread where an earlier process left samples

        Raises SpoolError where another process uses the spool's folder.
        """
        self.log = MetricLog(source, spool, memory_bytes // 2, len(stores))
        self.dropped = 0
        self.accepted = 0
        self.runners = [
            SinkRunner(store, self.log, reader, on_change)
            for store, reader in zip(stores, self.log.readers, strict=True)
        ]
        self._queue: deque[MetricBatch] = deque()
        self._bytes_in = 0  # changed by the offering thread only
        self._bytes_out = 0  # changed by the logging thread only
        self._limit_bytes = memory_bytes // 2
        self._there_is_more = threading.Semaphore(0)
        self._finish = False
        self._on_earlier = on_earlier
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name='twinsight-spool')
        self._thread.start()
        for runner in self.runners:
            runner.start()

    @property
    def failure(self) -> Exception | None:
        """Return what ended a thread, which is a defect."""
        return self._failure or next(
            (runner.failure for runner in self.runners if runner.failure), None
        )

    def offer(self, batch: MetricBatch) -> None:
        """Take a batch; where memory is full it is dropped and counted."""
        size = batch.memory_bytes()
        if self._bytes_in - self._bytes_out + size > self._limit_bytes:
            self.dropped += len(batch)
            return
        self.accepted += len(batch)
        self._bytes_in += size
        self._queue.append(batch)
        self._there_is_more.release()

    def waiting(self, runner: SinkRunner) -> int:
        """Return how many samples a sink has still to get, those of an earlier process too."""
        gone = runner.reader.samples + runner.reader.dropped
        return max(0, self.log.earlier + self.accepted - gone)

    def lag_s(self, runner: SinkRunner) -> float:
        """Return for how long the oldest sample waits that a sink has not yet (s)."""
        return self.log.lag_s(runner.reader)

    def close(self, timeout_s: float) -> int:
        """
        Write what was accepted and return; it waits at most so long for absent sinks.

        Return how many samples are lost, as no disk took them.
        """
        self._finish = True
        self._there_is_more.release()
        self._thread.join()
        end_s = time.monotonic() + timeout_s
        for runner in self.runners:
            runner.finish()
        for runner in self.runners:
            runner.join(max(0.0, end_s - time.monotonic()))
        return self.log.close()

    def _run(self) -> None:
        try:
            self.log.open()
            if self.log.earlier:
                self._on_earlier(self.log.earlier)
            while True:
                self._there_is_more.acquire()
                finish = self._finish  # before the queue is looked at: then it has all there is
                batches = []
                while self._queue:
                    batches.append(self._queue.popleft())
                if batches:
                    self.log.append(batches)
                    self._bytes_out += sum(batch.memory_bytes() for batch in batches)
                if finish:
                    return
        except Exception as error:
            self._failure = error
