"""
A member of a Kafka consumer group: takes messages, and says when they are dealt with.

Whoever else is in the group has other partitions; Kafka hands them over when members come and
go. What was not committed until then, another member gets again.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from twinsight_recorder.kafka.client import library, made, translated, Trouble
from twinsight_recorder.kafka.settings import KafkaSettings

_PROBE_S = 1.0
_NEW_PARTITIONS_MS = 10_000
_PREFETCH_KB = 32 * 1024
_FETCH_BYTES = 16 * 1024 * 1024


class KafkaMessage(NamedTuple):
    """
    A message as it lies in Kafka.

    time_ns  Unix time at which the producer wrote it
    """

    partition: int
    offset: int
    time_ns: int
    data: bytes


class KafkaSource:
    """
    Takes the messages of a topic, as one member of a group; used by one thread.

    problem  why nothing comes at the moment, in one line; '' where all is well
    """

    def __init__(self, settings: KafkaSettings, group: str, session_timeout_s: float) -> None:
        """
        Join the group, as soon as Kafka answers.

        session_timeout_s  after so long without a sign of this member others take its partitions

        Raises ConfigurationError without the library.
        """
        self.problem = ''
        self._settings = settings
        self._trouble = Trouble()
        self._held: list[KafkaMessage] = []
        self._paused = False
        self._probe_at = 0.0
        self._consumer = made(
            library().Consumer, settings, self._trouble,
            group_id=group,
            auto_offset_reset='earliest',
            enable_auto_commit='false',
            partition_assignment_strategy='cooperative-sticky',
            session_timeout_ms=round(session_timeout_s * 1000),
            heartbeat_interval_ms=round(session_timeout_s * 1000 / 4),
            topic_metadata_refresh_interval_ms=_NEW_PARTITIONS_MS,
            queued_max_messages_kbytes=_PREFETCH_KB,
            fetch_max_bytes=_FETCH_BYTES,
        )
        self._consumer.subscribe(
            [settings.topic], on_assign=self._assigned, on_revoke=self._revoked,
            on_lost=self._revoked,
        )

    @property
    def partitions(self) -> list[int]:
        """Return the partitions that are this member's."""
        return sorted(each.partition for each in self._consumer.assignment())

    def take(self, most: int, most_bytes: int, wait_s: float) -> list[KafkaMessage]:
        """
        Return the next messages, none where there are none in time; the first one is awaited.

        They are held until they are committed. ``most`` and ``most_bytes`` bound them; at least
        one is returned, however large.
        """
        size = 0
        while len(self._held) < most and size < most_bytes:
            message = self._poll(0.0 if self._held else wait_s)
            if message is None:
                break
            size += len(message.data)
            self._held.append(message)
        return list(self._held)

    def hold(self, wait_s: float) -> list[KafkaMessage]:
        """
        Wait, and return what is still held: without what went to another member.

        Nothing new is fetched meanwhile, and the group keeps its member.
        """
        if not self._paused:
            self._paused = True
            self._consumer.pause(self._consumer.assignment())
        end = time.monotonic() + wait_s
        while (left_s := end - time.monotonic()) > 0:
            if (message := self._poll(left_s)) is not None:
                self._held.append(message)
        return list(self._held)

    def commit(self) -> None:
        """
        Note in Kafka that what is held is dealt with, and go on.

        Where Kafka does not take the note, the next one says it too.
        """
        ends = {message.partition: message.offset + 1 for message in self._held}
        self._held.clear()
        if self._paused:
            self._paused = False
            self._consumer.resume(self._consumer.assignment())
        kafka = library()
        try:
            if ends:
                self._consumer.commit(
                    offsets=[
                        kafka.TopicPartition(self._settings.topic, partition, end)
                        for partition, end in ends.items()
                    ],
                    asynchronous=False,
                )
        except kafka.KafkaException as error:
            self._note(error.args[0])

    def behind(self) -> int:
        """Return how many messages of its partitions are not committed, as far as is known."""
        count = len(self._held)
        for place in self._consumer.position(self._consumer.assignment()):
            newest = self._consumer.get_watermark_offsets(place, cached=True)[1]
            if newest >= 0 and place.offset >= 0:
                count += max(0, newest - place.offset)
        return count

    def close(self) -> None:
        """Leave the group; others get the partitions at once."""
        self._consumer.close()

    def _poll(self, wait_s: float) -> KafkaMessage | None:
        found = self._consumer.poll(wait_s)
        if self._trouble.serious:
            self._note(None)
        if found is None:
            self._probe()
            return None
        if found.error() is not None:
            self._note(found.error())
            return None
        self.problem = ''
        return KafkaMessage(
            found.partition(), found.offset(), found.timestamp()[1] * 1_000_000,
            found.value() or b'',
        )

    def _note(self, error: Any) -> None:
        """Keep the first reason for as long as there is trouble."""
        self.problem = self.problem or str(translated(self._settings, error, self._trouble))
        self._trouble.clear()

    def _probe(self) -> None:
        """Ask whether the trouble is over; an idle topic would not tell."""
        now = time.monotonic()
        if not self.problem or now < self._probe_at:
            return
        kafka = library()
        try:
            found = self._consumer.list_topics(self._settings.topic, _PROBE_S)
            if found.topics[self._settings.topic].error is None:
                self.problem = ''
                self._trouble.clear()
        except kafka.KafkaException:
            pass  # it is not over
        self._probe_at = time.monotonic() + _PROBE_S

    def _assigned(self, consumer: Any, places: list[Any]) -> None:
        consumer.incremental_assign(places)
        if self._paused:
            consumer.pause(places)

    def _revoked(self, consumer: Any, places: list[Any]) -> None:
        gone = {place.partition for place in places}
        self._held = [message for message in self._held if message.partition not in gone]
