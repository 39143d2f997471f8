"""
Metrics into Kafka: one message a delivery, each robot's in order.

A writer takes them from there into the stores, and skips what it has of a source. So a message
twice is fine, but one that comes behind a later one would be lost: a producer never goes on
behind a message that it could not send. It ends then, with all that waits in it, and another
one begins with the next write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
import time
from typing import Any

from twinsight_recorder.kafka.client import library, made, translated
from twinsight_recorder.kafka.settings import KafkaSettings
from twinsight_recorder.kafka.topic import ensure_topic
from twinsight_store.errors import TwinsightError
from twinsight_store.metrics.batch import Delivery, encode, MetricBatch
from twinsight_store.metrics.sink import Written

_TOO_LARGE = 'MSG_SIZE_TOO_LARGE'

_FULL_S = 0.1
_PURGE_S = 1.0

_CONSEQUENCES = frozenset({'_FATAL', '_GAPLESS_GUARANTEE', '_PURGE_QUEUE', '_PURGE_INFLIGHT'})
"""What is said of the messages behind the one that failed."""


class KafkaSink:
    """Writes deliveries to a Kafka topic, where the writers of the stores find them."""

    name = 'kafka'

    def __init__(self, settings: KafkaSettings) -> None:
        """Make one; it connects when it writes. Raises ConfigurationError without the library."""
        library()
        self._settings = settings
        self._producer: Any = None

    def write(self, deliveries: Sequence[Delivery]) -> Written:
        """
        Write deliveries, in their order; return when the brokers have acknowledged all.

        One that is larger than the topic takes is refused, the rest is written. Raises
        StoreUnavailableError or StoreRefusedError; nothing of them is sent later then.
        """
        try:
            left = self._send(deliveries)
            if len(left) > 1:  # they went together, so they were refused together
                left = [each for each in left if self._send([each])]
        except TwinsightError:
            self.close()
            raise
        return self._written(deliveries, left)

    def close(self) -> None:
        """End the connection, and with it what was not sent; fine where there is none."""
        if self._producer is not None:
            self._producer.purge()
            self._wait(lambda: not len(self._producer), time.monotonic() + _PURGE_S)
            with suppress(library().KafkaException):
                self._producer.close()
            self._producer = None

    def _send(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return what was not written because it, or what went with it, is too large."""
        answers: dict[int, Any] = {}
        end = time.monotonic() + self._settings.timeout_s
        self._open()
        for index, delivery in enumerate(deliveries):
            if not self._produce(delivery, partial(_keep, answers, index), end):
                break
        self._wait(lambda: len(answers) == len(deliveries), end)
        failed = [index for index in range(len(deliveries)) if answers.get(index, True)]
        if not failed:
            return []
        self.close()
        errors = [answers[index] for index in failed if index in answers]
        errors = [error for error in errors if error.name() not in _CONSEQUENCES]
        if len(answers) == len(deliveries) and _TOO_LARGE in [each.name() for each in errors]:
            return [deliveries[index] for index in failed]
        raise translated(self._settings, errors[0] if errors else None)

    def _produce(self, delivery: Delivery, acknowledged: Callable[..., None], end: float) -> bool:
        """Hand one over; return whether there was a place for it in time."""
        message = (self._settings.topic, encode(delivery), robot_of(delivery.batch))
        while True:
            try:
                self._producer.produce(*message, on_delivery=acknowledged)
                return True
            except BufferError:
                if time.monotonic() > end:
                    return False
                self._wait(lambda: False, time.monotonic() + _FULL_S)
            except library().KafkaException as error:
                acknowledged(error.args[0], None)
                return bool(error.args[0].name() == _TOO_LARGE)

    def _wait(self, until: Callable[[], bool], end: float) -> None:
        while not until() and (left_s := end - time.monotonic()) > 0:
            # An error that ends the producer is raised here once; the answers tell of it too.
            # (flush() would be called back in the middle of raising it.)
            with suppress(library().KafkaException):
                self._producer.poll(left_s)

    def _open(self) -> None:
        if self._producer is not None:
            return
        ensure_topic(self._settings)
        self._producer = made(
            library().Producer, self._settings,
            enable_idempotence='true',
            # A message that fails fails all behind it, instead of being left out.
            enable_gapless_guarantee='true',
            # Nothing is given up by the producer itself: the time-out is that of write().
            message_timeout_ms=0,
            compression_type='zstd',
            # where the clients of other languages would put a robot too
            partitioner='murmur2_random',
        )

    def _written(self, deliveries: Sequence[Delivery], left: Sequence[Delivery]) -> Written:
        lost = sum(len(each.batch) for each in left)
        facts = sum(len(each.batch.facts) for each in left)
        problem = ''
        if left:
            problem = (
                f'topic {self._settings.topic} takes no message of {len(encode(left[0]))} bytes '
                f'(batch {left[0].number} of {left[0].source}): raise its max.message.bytes'
            )
        samples = sum(len(each.batch) for each in deliveries)
        return Written(samples - lost, lost + facts, problem)


def robot_of(batch: MetricBatch) -> str:
    """Return the robot whose metrics a batch holds; '' where it holds nothing."""
    return next((each.robot_id for each in (*batch.series, *batch.facts)), '')


def _keep(answers: dict[int, Any], index: int, error: Any, message: Any) -> None:
    answers[index] = error
