"""Timelines of a real ReductStore and a real PostgreSQL: what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
import time
from typing import Any, TYPE_CHECKING, TypeVar

import numpy as np
import psycopg
import pytest

from twinsight_store.channel import Channel
from twinsight_store.errors import NothingMatchedError, RecordError
from twinsight_store.history.postgres import PostgresSettings
from twinsight_store.history.sink import HistorySink
from twinsight_store.message import Message
from twinsight_store.metrics.batch import Delivery, MetricBatch
from twinsight_store.metrics.fact import Event, MissionStarted
from twinsight_store.metrics.metric import Series
from twinsight_store.open_timeline import Align, open_timeline, TimelineSettings
from twinsight_store.selection import Selection
from twinsight_store.timeline import Timeline

if TYPE_CHECKING:
    from conftest import MakeBuilder, Store

T0 = 1_763_900_000_000_000_000
MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND

T = TypeVar('T')


class Stores:
    """A bucket and a database, filled as the recorders fill them; times are since T0, in ns."""

    def __init__(self, store: Store, postgres_url: str, make_builder: MakeBuilder) -> None:
        self.store = store
        self.settings = TimelineSettings(store.settings, PostgresSettings(postgres_url))
        self._make_builder = make_builder
        self._numbers = iter(range(1000))

    def record(
        self, robot: str, mission: str, topic: str, *times_ns: int,
        channel: Channel | None = None, **rules: int,
    ) -> None:
        """Store messages that are numbered, in chunks where the rules do not say else."""
        builder = self._make_builder(
            topic, robot=robot, mission=mission, channel=channel, **rules
        )
        records = []
        for number, time_ns in enumerate(times_ns):
            records += builder.add(T0 + time_ns, T0 + time_ns - 1, number, b'x')
        self.store.write(records + builder.flush())

    def measure(self, robot: str, mission: str, name: str, *times_ns: int) -> None:
        """Store samples of a metric."""
        self._deliver(MetricBatch(
            [Series(robot, mission, name)], np.array(times_ns) + T0,
            np.zeros(len(times_ns), np.uint32), np.arange(len(times_ns), dtype=float), {},
        ))

    def tell(self, robot: str, mission: str, *times_ns: int) -> None:
        """Store alerts that were raised."""
        data = {'rule': 'low', 'metric': 'm', 'value': 0.1, 'text': None, 'raised_ns': T0}
        self._deliver(MetricBatch(facts=[
            Event(robot, mission, T0 + time_ns, 'alert_raised', 'warn', 'low', data)
            for time_ns in times_ns
        ]))

    def start(self, robot: str, mission: str, time_ns: int, **labels: str) -> None:
        """Store that a mission began."""
        self._deliver(MetricBatch(facts=[MissionStarted(robot, mission, T0 + time_ns, labels)]))

    def ask(
        self, question: Callable[[Timeline], Coroutine[Any, Any, T]], *,
        align: Align = Align.TIME, history: bool = True,
        on_bad_record: Callable[[RecordError], object] | None = None, **selected: Any,
    ) -> T:
        """Return what a coroutine answers that gets an open timeline."""
        settings = replace(self.settings, align=align)
        if on_bad_record:
            settings = replace(settings, on_bad_record=on_bad_record)
        if not history:
            settings = replace(settings, history=None)

        async def work() -> T:
            async with open_timeline(Selection(**selected), settings) as timeline:
                return await question(timeline)

        return asyncio.run(work())

    def messages(self, start_ns: int | None = None, **selected: Any) -> list[Message]:
        async def question(timeline: Timeline) -> list[Message]:
            return [
                message async for batch in timeline.batches(start_ns) for message in batch.messages
            ]

        return self.ask(question, **selected)

    def told(self, start_ns: int | None = None, **selected: Any) -> list[tuple[int, str]]:
        """Return time since T0 and topic of the selected messages."""
        return [
            (message.receive_ns - T0, message.channel.topic)
            for message in self.messages(start_ns, **selected)
        ]

    def runs(self, start_ns: int | None = None, **selected: Any) -> list[tuple[int, str]]:
        """Return the same for a common start; robot, mission and topic as one text."""
        return [
            (message.receive_ns - T0, ' '.join(
                (message.labels['robot_id'], message.labels['mission_id'], message.channel.topic)
            ))
            for message in self.messages(start_ns, align=Align.START, **selected)
        ]

    def shifts(self, **selected: Any) -> list[tuple[tuple[str, str], int]]:
        async def question(timeline: Timeline) -> list[tuple[tuple[str, str], int]]:
            return list(timeline.shifts.items())

        return self.ask(question, align=Align.START, **selected)

    def text_of_nothing(self, **selected: Any) -> str:
        with pytest.raises(NothingMatchedError) as error:
            self.messages(**selected)
        return str(error.value)

    def connections(self) -> int:
        """Return how many of ours there are at the database."""
        assert self.settings.history
        with psycopg.connect(self.settings.history.url) as connection:
            found = connection.execute(
                'SELECT FROM pg_stat_activity WHERE datname = current_database() '
                "AND application_name LIKE 'twinsight%'"
            )
            return found.rowcount

    def connections_left(self) -> int:
        """Return the same when those that end had time for it."""
        deadline = time.monotonic() + 10
        while self.connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.connections()

    def change(self, statement: str) -> None:
        """Change the database as nobody should."""
        assert self.settings.history
        with psycopg.connect(self.settings.history.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _deliver(self, batch: MetricBatch) -> None:
        assert self.settings.history
        with closing(HistorySink(self.settings.history)) as sink:
            written = sink.write([Delivery('r', next(self._numbers), batch)])
        assert not written.refused


@pytest.fixture
def stores(store: Store, postgres_url: str, make_builder: MakeBuilder) -> Stores:
    return Stores(store, postgres_url, make_builder)


@pytest.fixture
def drive(stores: Stores) -> Stores:
    """Store one mission: in chunks, in records of their own, metrics and alerts."""
    times_ns = range(0, 3 * SECOND, 100 * MS)
    stores.record('r1', 'dawn', '/scan', *times_ns, max_age_ns=700 * MS)
    stores.record('r1', 'dawn', '/image', *times_ns[::3], single_record_bytes=1)
    stores.measure('r1', 'dawn', 'battery.percentage', *times_ns[::2])
    stores.measure('r1', 'dawn', 'odom.x', *(time_ns + 1000 for time_ns in times_ns))
    stores.tell('r1', 'dawn', SECOND, 2 * SECOND)
    return stores


@pytest.fixture
def fleet(stores: Stores) -> Stores:
    """
    Store three runs of two robots.

    r1 noon  begins with a record, an hour after T0
    r2 dawn  begins with a metric, at T0 + 40 ns less than 2 hours
    r1 dawn  begins with an event, 3 hours after T0
    """
    stores.record('r1', 'noon', '/scan', HOUR, HOUR + 300 * MS, HOUR + SECOND)
    stores.measure('r1', 'noon', 'm', HOUR, HOUR + 500 * MS)
    start_ns = 2 * HOUR - 40_000
    stores.measure('r2', 'dawn', 'm', start_ns, start_ns + 300 * MS)
    stores.record('r2', 'dawn', '/scan', start_ns + 7, start_ns + 300 * MS, start_ns + SECOND)
    start_ns = 3 * HOUR
    stores.tell('r1', 'dawn', start_ns)
    stores.record('r1', 'dawn', '/scan', start_ns, start_ns + 300 * MS)
    return stores
