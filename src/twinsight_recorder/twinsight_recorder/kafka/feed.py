"""From Kafka into one sink: takes, writes, and then says to Kafka that it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import threading
import time

from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.source import KafkaMessage, KafkaSource
from twinsight_recorder.kafka.topic import ensure_topic
from twinsight_recorder.metrics.notices import Notices
from twinsight_recorder.metrics.outbox import SinkState
from twinsight_store.errors import RecordError, StoreRefusedError, StoreUnavailableError
from twinsight_store.metrics.batch import decode, Delivery
from twinsight_store.metrics.sink import MetricSink

_WAIT_S = 0.5
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 3.0
_LOOK_AROUND_S = 1.0
_RECENT_NS = 5_000_000_000


@dataclass(frozen=True)
class FeedSettings:
    """
    How one sink is fed.

    group              of consumers; each group gets every message
    most, most_bytes   bounds of one write, in messages and in bytes as they lie in Kafka
    gather_s           least time between two writes
    session_timeout_s  after so long without a sign of us others take our partitions
    """

    group: str
    most: int
    most_bytes: int
    gather_s: float
    session_timeout_s: float


@dataclass
class FeedTally:
    """
    What became of the messages; written by the feed's thread.

    messages    that were written, also those that hold nothing that can be read
    unreadable  messages that hold no batch
    samples     that the sink has
    refused     samples and facts that the sink does not take
    waiting     samples that were taken and are not written yet
    behind      messages that lie in Kafka and are not written yet
    oldest_ns   when the oldest message that was taken and is not written came into Kafka, or 0
    """

    messages: int = 0
    unreadable: int = 0
    samples: int = 0
    refused: int = 0
    waiting: int = 0
    behind: int = 0
    oldest_ns: int = 0


class KafkaFeed:
    """
    Brings a topic's messages to one sink, in a thread, for as long as it takes.

    partitions  that are ours at the moment
    failure     what ended the thread, which is a defect
    """

    def __init__(
        self, kafka: KafkaSettings, settings: FeedSettings, sink: MetricSink, notices: Notices,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Make one.

        look  is called about once a second while the sink has all there is, or is just behind
        """
        self.sink = sink
        self._sink_state = SinkState.WAITING
        self._sink_problem = ''
        self._kafka_problem = ''
        self.partitions: list[int] = []
        self.tally = FeedTally()
        self.failure: Exception | None = None
        self._kafka = kafka
        self._settings = settings
        self._notices = notices
        self._look = look
        self._written_until_ns = 0
        self._look_at = 0.0
        self._deliveries: dict[tuple[int, int], Delivery | None] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f'twinsight-{sink.name}', daemon=True
        )

    @property
    def state(self) -> SinkState:
        """Return how the sink answers; WAITING where Kafka does not."""
        return SinkState.WAITING if self._kafka_problem else self._sink_state

    @property
    def problem(self) -> str:
        """Return why the state is not OK, in one line."""
        return self._kafka_problem or self._sink_problem

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """Ask to end after the write that is under way."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; return whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            source = self._open()
            if source is not None:
                try:
                    self._work(source)
                finally:
                    source.close()
        except Exception as error:
            self.failure = error
        finally:
            self.sink.close()

    def _open(self) -> KafkaSource | None:
        """Return the source once Kafka answers and has the topic; None at the end."""
        pause_s = _FIRST_PAUSE_S
        while not self._stop.wait(0.0):
            try:
                ensure_topic(self._kafka)
                self._hear_of_kafka('')
                return KafkaSource(
                    self._kafka, self._settings.group, self._settings.session_timeout_s
                )
            except (StoreUnavailableError, StoreRefusedError) as error:
                self._hear_of_kafka(str(error))
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return None

    def _work(self, source: KafkaSource) -> None:
        while not self._stop.is_set():
            begin_s = time.monotonic()
            messages = source.take(self._settings.most, self._settings.most_bytes, _WAIT_S)
            if messages and self._write(source, messages):
                source.commit()
                self._deliveries.clear()
                if not self._is_full(messages):
                    rest_s = begin_s + self._settings.gather_s - time.monotonic()
                    self._stop.wait(max(0.0, rest_s))
            self._hear_of_kafka(source.problem)
            self._look_around(source)
        self.tally.behind = source.behind()

    def _is_full(self, messages: list[KafkaMessage]) -> bool:
        """Return whether more wait, as far as can be known: then there is no time to gather."""
        settings = self._settings
        return (
            len(messages) >= settings.most
            or sum(len(each.data) for each in messages) >= settings.most_bytes
        )

    def _write(self, source: KafkaSource, messages: list[KafkaMessage]) -> bool:
        """Return whether the sink has them; False where the end comes first."""
        pause_s = _FIRST_PAUSE_S
        while messages:
            deliveries = [each for each in map(self._delivery, messages) if each is not None]
            self.tally.waiting = sum(len(each.batch) for each in deliveries)
            self.tally.oldest_ns = min(each.time_ns for each in messages)
            try:
                written = self.sink.write(deliveries)
            except StoreUnavailableError as error:
                self._hear_of_sink(SinkState.WAITING, str(error))
            except StoreRefusedError as error:
                self._hear_of_sink(SinkState.REFUSING, str(error))
            else:
                self._hear_of_sink(SinkState.OK, '')
                self.tally.samples += written.samples
                self.tally.refused += written.refused
                if written.refused:
                    self._notices.refused(self.sink.name, written)
                break
            end = time.monotonic() + pause_s
            while not self._stop.is_set() and (left_s := end - time.monotonic()) > 0:
                messages = source.hold(min(left_s, _WAIT_S))
                self._look_around(source)
            if self._stop.is_set():
                return False
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self.tally.messages += len(messages)
        newest = {each.partition: each.time_ns for each in messages}
        self._written_until_ns = min(newest.values(), default=0)
        self.tally.waiting = self.tally.oldest_ns = 0
        return True

    def _delivery(self, message: KafkaMessage) -> Delivery | None:
        """Return what a message holds; None where it holds nothing that can be read."""
        place = (message.partition, message.offset)
        if place not in self._deliveries:
            try:
                self._deliveries[place] = decode(message.data)
            except RecordError as error:
                self._deliveries[place] = None
                self.tally.unreadable += 1
                self._notices.unreadable(
                    f'{self._kafka.topic} partition {place[0]} offset {place[1]}', error
                )
        return self._deliveries[place]

    def _look_around(self, source: KafkaSource) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_AROUND_S
        self.partitions = source.partitions
        self.tally.behind = source.behind()
        is_recent = time.time_ns() - self._written_until_ns < _RECENT_NS
        if self.partitions and not self.problem and (is_recent or not self.tally.behind):
            self._look()

    def _hear_of_kafka(self, problem: str) -> None:
        self._kafka_problem = problem
        self._notices.hear('Kafka', self.sink.name, problem)

    def _hear_of_sink(self, state: SinkState, problem: str) -> None:
        self._sink_state, self._sink_problem = state, problem
        self._notices.hear(self.sink.name, self.sink.name, problem)
        if state == SinkState.OK and (layout := getattr(self.sink, 'layout', '')):
            self._notices.tell(layout)
