"""The facts of batches on their way into PostgreSQL, in their order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from psycopg.types.json import Jsonb

from twinsight_store.history import mission_rows as missions
from twinsight_store.history.postgres import Connection
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.fact import (
    Alive,
    Event,
    Fact,
    MetricInfo,
    MissionEnded,
    MissionRecording,
    MissionStarted,
)

_RECORDING = """
    INSERT INTO mission_recording AS r (robot_id, mission_id, recorder, topic, messages, bytes)
    SELECT %s, %s, %s, * FROM unnest(%s::text[], %s::bigint[], %s::bigint[])
    ON CONFLICT (robot_id, mission_id, recorder, topic) DO UPDATE SET
        messages = EXCLUDED.messages, bytes = EXCLUDED.bytes
    WHERE (r.messages, r.bytes) IS DISTINCT FROM (EXCLUDED.messages, EXCLUDED.bytes)
"""

_EVENT = """
    INSERT INTO event (time, robot_id, mission_id, kind, severity, message, data)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""

_INFO = """
    INSERT INTO metric_info AS i (robot_id, name, unit, topic, field)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (robot_id, name) DO UPDATE SET
        unit = EXCLUDED.unit, topic = EXCLUDED.topic, field = EXCLUDED.field
    WHERE (i.unit, i.topic, i.field)
          IS DISTINCT FROM (EXCLUDED.unit, EXCLUDED.topic, EXCLUDED.field)
"""

Guard = Callable[[str, Callable[[], None]], None]
"""Does a piece of work that is named for people; may survive that it is refused."""


def at_once(what: str, work: Callable[[], None]) -> None:
    """Do the work; what is refused is raised."""
    work()


class FactWriter:
    """
    Writes the facts of one transaction.

    Signs of life are gathered, and written before the next fact that begins or ends a mission.
    """

    def __init__(self, connection: Connection, guard: Guard = at_once) -> None:
        self._connection = connection
        self._guard = guard
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}

    def write(self, batch: MetricBatch) -> None:
        """Write what a batch tells, its samples' signs of life first; flush() ends it."""
        self._see_samples(batch)
        for fact in batch.facts:
            if isinstance(fact, Alive):
                self._see((fact.robot_id, fact.mission_id), fact.time_ns, fact.time_ns)
                continue
            if isinstance(fact, (MissionStarted, MissionEnded)):
                self.flush()
            self._guard(f'{type(fact).__name__} of {fact.robot_id}', partial(self._write, fact))

    def flush(self) -> None:
        """Write the signs of life; in one order everywhere, so that no two writers deadlock."""
        for (robot_id, mission_id), times in sorted(self._seen.items()):
            self._guard(
                f'mission {mission_id[:80]!r} of {robot_id}',
                partial(
                    missions.mission_seen, self._connection, robot_id, mission_id, *times
                ),
            )
        self._seen.clear()

    def _see_samples(self, batch: MetricBatch) -> None:
        numbers: dict[tuple[str, str], list[int]] = {}
        for number, series in enumerate(batch.series):
            numbers.setdefault((series.robot_id, series.mission_id), []).append(number)
        for mission, ours in numbers.items():
            times = batch.times
            if len(numbers) > 1:
                times = times[np.isin(batch.numbers, ours)]
            if len(times):
                self._see(mission, int(times.min()), int(times.max()))

    def _see(self, mission: tuple[str, str], first_ns: int, last_ns: int) -> None:
        first, last = self._seen.get(mission, (first_ns, last_ns))
        self._seen[mission] = (min(first, first_ns), max(last, last_ns))

    def _write(self, fact: Fact) -> None:
        connection = self._connection
        if isinstance(fact, MissionStarted):
            missions.mission_started(
                connection, fact.robot_id, fact.mission_id, fact.time_ns, fact.labels
            )
        elif isinstance(fact, MissionEnded):
            missions.mission_ended(connection, fact.robot_id, fact.mission_id, fact.time_ns)
        elif isinstance(fact, MissionRecording):
            counts = list(fact.topics.values())
            connection.execute(_RECORDING, [
                fact.robot_id, fact.mission_id, fact.recorder, list(fact.topics),
                [messages for messages, _ in counts], [size for _, size in counts],
            ])
        elif isinstance(fact, Event):
            connection.execute(_EVENT, [
                missions.time_of(fact.time_ns), fact.robot_id, fact.mission_id, fact.kind,
                fact.severity, fact.message, Jsonb(dict(fact.data)),
            ])
        elif isinstance(fact, MetricInfo):
            connection.execute(
                _INFO, [fact.robot_id, fact.name, fact.unit, fact.topic, fact.field]
            )
