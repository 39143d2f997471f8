"""The samples of the history as messages of a timeline, each metric on a topic of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from psycopg.errors import UndefinedTable
from psycopg.sql import Literal, SQL

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.errors import ConfigurationError
from twinsight_store.history.database import Database
from twinsight_store.history.history_source import HistorySource, stored_from
from twinsight_store.history.message_bytes import MetricForm
from twinsight_store.history.message_channels import metric_channel, metric_topic
from twinsight_store.history.postgres import Connection
from twinsight_store.history.samples import (
    find_series,
    SampleReader,
    SampleSelection,
    SeriesSpan,
)
from twinsight_store.history.selection_sql import mission_condition
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.metrics.batch import MetricBatch
from twinsight_store.metrics.metric import Series
from twinsight_store.selection import Selection

_MOST_MISSIONS = 10_000


@dataclass(frozen=True)
class _Found:
    """
    What there is of a selection.

    samples  where it is read
    owners   robot and mission of the selected samples; None where ``samples`` tells all
    """

    samples: SampleSelection
    series: Sequence[SeriesSpan] = ()
    owners: frozenset[tuple[str, str]] | None = None


class MetricSource(HistorySource):
    """
    The selected samples as twinsight_interfaces/msg/Metric, with the times that are stored.

    Those of one time come by robot, name and mission. What is read ends with the last sample
    that there was when it was opened. Metrics have no sensor: where one is selected there are
    none.
    """

    def __init__(self, database: Database, found: _Found) -> None:
        self._found = found
        self._by_name = {each.name: metric_channel(each.name) for each in found.series}
        channels = {}
        for each in found.series:
            channel = self._by_name[each.name]
            channels[each.robot_id, channel.topic] = (each.robot_id, channel)
        span_ns = None
        if found.series:
            span_ns = (
                min(each.first_ns for each in found.series),
                max(each.last_ns for each in found.series),
            )
        super().__init__(database, [channels[key] for key in sorted(channels)], span_ns)

    @classmethod
    async def open(cls, database: Database, selection: Selection) -> MetricSource:
        """
        Look up what there is of a selection.

        Raises StoreUnavailableError, StoreRefusedError; ConfigurationError where labels select
        more than 10,000 missions.
        """
        return cls(database, await database.ask(partial(_find, selection)))

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """
        Give the samples from a time on, as Source has it.

        Some thousands are in memory, more only where as many have one time.
        """
        start_ns = None if from_ns is None else stored_from(from_ns)
        reader = SampleReader(self._found.samples, self._found.series, start_ns)
        if reader.done:
            yield Batch([], END_OF_TIME_NS)
        while not reader.done:
            yield await self._database.ask(partial(self._read, reader))

    def _read(self, reader: SampleReader, connection: Connection) -> Batch:
        messages = self._messages(reader.read(connection))
        return Batch(messages, END_OF_TIME_NS if reader.done else reader.until_ns)

    def _messages(self, batch: MetricBatch) -> list[Message]:
        messages = []
        texts = batch.texts
        parts = [self._parts(series) for series in batch.series]
        columns = (batch.numbers.tolist(), batch.times.tolist(), batch.values.tolist())
        for row, (number, time_ns, value) in enumerate(zip(*columns, strict=True)):
            part = parts[number]
            if part is not None:
                channel, form, labels = part
                data = form.data(time_ns, value, texts.get(row))
                messages.append(Message(channel, time_ns, time_ns, 0, data, labels))
        return messages

    def _parts(self, series: Series) -> tuple[Channel, MetricForm, dict[str, str]] | None:
        """Return what the messages of a series share, or None where it is not selected."""
        owners = self._found.owners
        if owners is not None and (series.robot_id, series.mission_id) not in owners:
            return None
        labels = {label.ROBOT: series.robot_id, label.MISSION: series.mission_id}
        return self._by_name[series.name], MetricForm(series), labels


def _find(selection: Selection, connection: Connection) -> _Found:
    samples = SampleSelection(
        selection.robots, selection.missions,
        from_ns=None if selection.from_ns is None else stored_from(selection.from_ns),
        to_ns=None if selection.to_ns is None else stored_from(selection.to_ns),
    )
    if selection.sensors:
        return _Found(samples)
    try:
        found = _labelled(connection, selection, samples) if selection.labels else _Found(
            samples, find_series(connection, samples)
        )
    except UndefinedTable:
        return _Found(samples)  # nobody has written metrics there yet
    chosen = [each for each in found.series if selection.has_topic(metric_topic(each.name))]
    return replace(found, series=chosen)


def _labelled(
    connection: Connection, selection: Selection, samples: SampleSelection
) -> _Found:
    """Return what there is of the missions that have the selected labels."""
    # Samples may be a little older than the start of their mission, so its end selects nothing.
    condition = mission_condition(replace(selection, topics=(), to_ns=None))
    rows = connection.execute(
        SQL('SELECT robot_id, mission_id FROM mission WHERE {} ORDER BY 1, 2 LIMIT {}').format(
            condition, Literal(_MOST_MISSIONS + 1)
        )
    ).fetchall()
    if len(rows) > _MOST_MISSIONS:
        raise ConfigurationError(
            f'{selection.describe()}: its labels select more than {_MOST_MISSIONS} missions: '
            'select by --robot, --mission or --from too'
        )
    missions: dict[str, list[str]] = {}
    for robot, mission in rows:
        missions.setdefault(robot, []).append(mission)
    series = [
        each for robot, theirs in missions.items() for each in find_series(
            connection, replace(samples, robots=(robot,), missions=tuple(theirs))
        )
    ]
    every = tuple({mission: None for _, mission in rows})
    return _Found(replace(samples, missions=every), series, frozenset(rows))
