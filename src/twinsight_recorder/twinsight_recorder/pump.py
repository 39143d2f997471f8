"""The writing side of the recorder: from the intake into the store, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
import threading
import time

from twinsight_recorder.delivery import Delivery, StoreReport
from twinsight_recorder.intake import Arrival, Intake
from twinsight_recorder.recorded_topic import RecordedTopic
from twinsight_store import labels as label
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.layout import Record
from twinsight_store.record_builder import ChunkRules, RecordBuilder, TimestampAllocator
from twinsight_store.writer import MAX_BATCH_BYTES, MAX_BATCH_RECORDS

_PERIOD_S = 0.02
_MOST_AT_ONCE = 5000
_REQUESTS_UNDER_WAY = 4
_LONGEST_WAIT_FOR_A_BATCH_S = 0.2


class Pump:
    """
    Moves messages from the intake into records and the records into the store.

    Several requests are under way at once. While the store is away or refuses the request
    the records wait in memory; the intake's limit bounds them. ``failure`` is set where the
    thread ended by a defect.
    """

    def __init__(
        self,
        intake: Intake,
        store: StoreSettings,
        robot_id: str,
        mission_id: str,
        rules: ChunkRules,
        on_report: Callable[[StoreReport], None],
    ) -> None:
        """Make one; on_report is called, in the writing thread, when the store's state changes."""
        self._intake = intake
        self._store = store
        self._robot_id = robot_id
        self._mission_id = mission_id
        self._rules = rules
        self._on_report = on_report
        self._builders: dict[str, RecordBuilder] = {}
        self._timestamps: dict[str, TimestampAllocator] = {}
        self._topics: dict[str, RecordedTopic] = {}
        self._ready: deque[Record] = deque()
        self._ready_bytes = 0
        self._ready_since = 0.0
        self._stopping = threading.Event()
        self._give_up_at = float('inf')
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name='twinsight-store')

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """
        Write what was accepted and return; it waits at most so long for an absent store.

        What could not be written by then is counted as unsaved.
        """
        self._give_up_at = time.monotonic() + timeout_s
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._pump())
        except Exception as error:
            self.failure = error

    async def _pump(self) -> None:
        async with connect(self._store) as connection:
            delivery = Delivery(connection, self._settle, self._on_report)
            under_way: set[asyncio.Task[None]] = set()
            while True:
                stopping = self._stopping.is_set()
                arrivals = self._intake.take(_MOST_AT_ONCE)
                for arrival in arrivals:
                    self._add(arrival)
                self._close_old_chunks(everything=stopping and not arrivals)
                while self._ready and len(under_way) < _REQUESTS_UNDER_WAY:
                    if not self._is_due(stopping):
                        break
                    under_way.add(asyncio.create_task(delivery.deliver(self._next_batch())))
                under_way = {task for task in under_way if not _finished(task)}
                if stopping and not arrivals and not self._ready and not under_way:
                    return None
                if time.monotonic() >= self._give_up_at:
                    return await self._give_up(delivery, under_way)
                if len(arrivals) < _MOST_AT_ONCE:
                    await asyncio.sleep(_PERIOD_S)
                else:
                    await asyncio.sleep(0)

    def _add(self, arrival: Arrival) -> None:
        topic = arrival.topic
        builder = self._builders.get(topic.name)
        if builder is None or builder.channel is not topic.channel:
            if builder is not None:
                self._queue(builder.flush())
            builder = self._builder_for(topic)
        self._queue(
            builder.add(arrival.receive_ns, arrival.publish_ns, arrival.sequence, arrival.data)
        )

    def _builder_for(self, topic: RecordedTopic) -> RecordBuilder:
        labels = label.record_labels(
            self._robot_id, self._mission_id, topic.rule.sensor_type, topic.rule.labels
        )
        timestamps = self._timestamps.setdefault(topic.name, TimestampAllocator())
        builder = RecordBuilder(self._robot_id, topic.channel, labels, self._rules, timestamps)
        self._builders[topic.name] = builder
        self._topics[topic.name] = topic
        return builder

    def _close_old_chunks(self, everything: bool) -> None:
        now_ns = time.time_ns()
        for builder in self._builders.values():
            self._queue(builder.flush() if everything else builder.flush_older(now_ns))

    def _queue(self, records: list[Record]) -> None:
        if records and not self._ready:
            self._ready_since = time.monotonic()
        for record in records:
            self._ready.append(record)
            self._ready_bytes += len(record.data)

    def _is_due(self, stopping: bool) -> bool:
        """Return whether a request is worth sending: full, or its first record waited enough."""
        return (
            stopping
            or self._ready_bytes >= MAX_BATCH_BYTES // 4
            or len(self._ready) >= MAX_BATCH_RECORDS
            or time.monotonic() - self._ready_since >= _LONGEST_WAIT_FOR_A_BATCH_S
        )

    def _next_batch(self) -> list[Record]:
        batch = [self._ready.popleft()]
        size = len(batch[0].data)
        while self._ready and len(batch) < MAX_BATCH_RECORDS:
            size += len(self._ready[0].data)
            if size > MAX_BATCH_BYTES:
                break
            batch.append(self._ready.popleft())
        self._ready_bytes -= sum(len(record.data) for record in batch)
        self._ready_since = time.monotonic()
        return batch

    def _settle(self, record: Record, outcome: str) -> None:
        """Count what became of a record: stored, refused or unsaved."""
        tally = self._topics[record.channel.topic].tally
        setattr(tally, outcome, getattr(tally, outcome) + record.messages)
        self._intake.done(record.payload_bytes)

    async def _give_up(self, delivery: Delivery, under_way: set[asyncio.Task[None]]) -> None:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for record in (*delivery.unfinished(), *self._ready):
            self._settle(record, 'unsaved')
        self._ready.clear()


def _finished(task: asyncio.Task[None]) -> bool:
    if task.done():
        task.result()  # a defect of ours must not pass unseen
        return True
    return False


