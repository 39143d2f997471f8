"""
The live values in Redis: the latest of each metric, capped streams, channels.

Writing is done in steps of bounded size. A step is one script that Redis runs as a whole, and it
notes how far each source has come: whatever is sent again, after a lost answer or a kill, is in
the streams once. A delivery is in one step, unless it is too big for any. A script touches keys
of several robots, so this needs one Redis (or Valkey, with replicas or without), version 7 or
newer, and no Redis Cluster.

A sample from a clock that is more than a day ahead of Redis is shown until the next one comes,
whatever time that has. What is of a robot goes 30 days after the last write of it; a source that
was silent for 400 days is forgotten, and what is sent again of it then would be there twice.

A Redis that crashed may have lost the last seconds of what it had acknowledged (with `appendfsync
everysec`, its default). The writer sees that and sends them once more, so they are lost only where
it ended too. A Redis that lost all its data gets these seconds and what is new.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib.resources import files

import redis

from twinsight_store.errors import ConfigurationError, RecordError
from twinsight_store.live.connection import (
    connect,
    redis_errors,
    RedisClient,
    RedisRefusedError,
    RedisSettings,
)
from twinsight_store.live.entries import BatchEntries
from twinsight_store.live.layout import (
    DELIVERED,
    Progress,
    progress_of,
    STREAM_LENGTH,
    to_bytes,
)
from twinsight_store.live.recent import RecentDeliveries
from twinsight_store.live.step import Step
from twinsight_store.metrics.batch import Delivery
from twinsight_store.metrics.sink import Written

_Known = dict[str, Progress | None]


class LiveSink:
    """A MetricSink that writes into Redis."""

    name = 'redis'

    def __init__(self, settings: RedisSettings, stream_length: int = STREAM_LENGTH) -> None:
        """
        Make one; it connects with the first write.

        stream_length  about so many entries of each robot's stream are kept

        Raises ConfigurationError.
        """
        if stream_length < 1:
            raise ConfigurationError(f'stream_length {stream_length}: accepted is 1 or more')
        self._settings = settings
        self._stream_length = stream_length
        self._client: RedisClient | None = None
        self._recent = RecentDeliveries()
        self._script = files(__package__).joinpath('apply.lua').read_text()

    def write(self, deliveries: Sequence[Delivery]) -> Written:
        """Write deliveries; see MetricSink."""
        try:
            with redis_errors(self._settings):
                if self._client is None:
                    self._client = connect(self._settings, 'twinsight-metrics')
                written = self._write(self._client, deliveries)
        except BaseException:
            self.close()
            raise
        self._recent.add(deliveries)
        return written

    def close(self) -> None:
        """End the connection; fine where there is none."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(redis.RedisError, OSError):
                client.close()

    def _write(self, client: RedisClient, deliveries: Sequence[Delivery]) -> Written:
        refused: list[Step] = []
        while True:
            known = _known(client, {
                *self._recent.sources(), *(delivery.source for delivery in deliveries)
            })
            lost = [
                delivery for delivery in self._recent.deliveries()
                if _is_missing(delivery, known[delivery.source])
            ]
            if self._apply(client, lost, known, []) and self._apply(
                client, deliveries, known, refused
            ):
                break
            # Somebody else wrote of the same source, or the server crashed: see how far it is.
        return Written(
            sum(len(delivery.batch) for delivery in deliveries),
            sum(step.refused for step in refused),
            next((step.problem for step in refused), ''),
        )

    def _apply(
        self,
        client: RedisClient,
        deliveries: Sequence[Delivery],
        known: _Known,
        refused: list[Step],
    ) -> bool:
        """
        Write what is missing of deliveries; False where a source is not where it is known to be.

        known    is kept up to date
        refused  gets the steps of which something was refused
        """
        apply = client.register_script(self._script)
        prepared: dict[int, BatchEntries] = {}
        while True:
            step = _next_step(deliveries, known, prepared)
            if not step.progress:
                return True
            if not apply(step.keys(), step.arguments(self._stream_length)):
                return False
            known.update(step.progress)
            if step.refused:
                refused.append(step)


def _known(client: RedisClient, sources: Collection[str]) -> _Known:
    """Ask how far each source has been written."""
    if not sources:
        return {}
    found = client.hmget(DELIVERED, [to_bytes(source) for source in sources])
    try:
        return {
            source: progress_of(data) for source, data in zip(sources, found, strict=True)
        }
    except RecordError as error:
        raise RedisRefusedError(str(error)) from error


def _next_step(
    deliveries: Sequence[Delivery], known: _Known, prepared: dict[int, BatchEntries]
) -> Step:
    """
    Return a step of what comes next; it is empty where all is written.

    prepared  keeps what was done for a delivery that is not written as a whole yet
    """
    step = Step(known)
    for index, delivery in enumerate(deliveries):
        done = step.progress.get(delivery.source) or known[delivery.source]
        if not _is_missing(delivery, done):
            prepared.pop(index, None)
            continue
        if index not in prepared:
            prepared[index] = BatchEntries(delivery.batch)
        if not step.add(delivery, prepared[index]):
            break
    return step


def _is_missing(delivery: Delivery, done: Progress | None) -> bool:
    """Return whether anything of a delivery is not written yet."""
    return done is None or done.number < delivery.number or (
        done.number == delivery.number and done.entries is not None
    )
