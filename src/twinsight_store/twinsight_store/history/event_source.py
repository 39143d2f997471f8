"""The events of the history as messages of a timeline, and what they tell of alerts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from psycopg.errors import UndefinedTable
from psycopg.sql import Composable, Literal, SQL

from twinsight_store import labels as label
from twinsight_store.history.database import Database
from twinsight_store.history.history_source import HistorySource, stored_from
from twinsight_store.history.message_bytes import alert_data, event_data, EventRow
from twinsight_store.history.message_channels import ALERTS, EVENTS
from twinsight_store.history.postgres import Connection
from twinsight_store.history.selection_sql import event_condition
from twinsight_store.history.time_slices import Row, TimeSlices
from twinsight_store.history.times import (
    LAST,
    moment,
    moment_us,
    POSTGRES_EPOCH_US,
    unix_ns,
)
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.metrics.fact import ALERT_CLEARED, ALERT_RAISED
from twinsight_store.selection import Selection

_ROWS = 1000  # their data is of any size

_ALERT_KINDS = (ALERT_RAISED, ALERT_CLEARED)

_BETWEEN = SQL('{condition} AND time >= {begin} AND time < {end}')
_SPANS = SQL("""
    SELECT robot_id, min(time), max(time), bool_or(kind = ANY({alerts})) FROM event
    WHERE {selected} GROUP BY robot_id ORDER BY robot_id COLLATE "C"
""")
_SLICE = SQL("""
    COPY (SELECT time, robot_id, mission_id, kind, severity, message, data::text FROM event
          WHERE {selected}
          ORDER BY time, robot_id COLLATE "C", mission_id COLLATE "C", kind COLLATE "C",
                   severity, message, data
          LIMIT {limit})
    TO STDOUT (FORMAT binary)
""")
_TYPES = ('int8', *('text',) * 6)


class _Robot(NamedTuple):
    """A robot that has selected events: the times of first and last, whether alerts are there."""

    robot_id: str
    first_ns: int
    last_ns: int
    alerts: bool


class EventSource(HistorySource):
    """
    The selected events as twinsight_interfaces/msg/Event on /events.

    An alert that was raised or cleared follows as twinsight_interfaces/msg/Alert on /alerts,
    where the event's data is whole. Events of one time come by robot, mission and kind. What is
    read ends with the last event that there was when it was opened. Events have no sensor: where
    one is selected there are none.
    """

    def __init__(
        self, database: Database, selection: Selection, robots: Sequence[_Robot]
    ) -> None:
        self._condition = _condition(selection)
        self._wants_events = selection.has_topic(EVENTS.topic)
        self._wants_alerts = selection.has_topic(ALERTS.topic)
        channels = []
        for robot in robots:
            if robot.alerts and self._wants_alerts:
                channels.append((robot.robot_id, ALERTS))
            if self._wants_events:
                channels.append((robot.robot_id, EVENTS))
        span_ns = None
        if robots:
            span_ns = (
                min(robot.first_ns for robot in robots), max(robot.last_ns for robot in robots)
            )
        super().__init__(database, channels, span_ns)

    @classmethod
    async def open(cls, database: Database, selection: Selection) -> EventSource:
        """Look up a selection; raises StoreUnavailableError, StoreRefusedError."""
        return cls(database, selection, await database.ask(partial(_find, selection)))

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """
        Give the events from a time on, as Source has it.

        1,000 are in memory, more only where as many have one time.
        """
        if self._span_ns is None:
            yield Batch([], END_OF_TIME_NS)
            return
        first_ns, last_ns = self._span_ns
        if from_ns is not None:
            first_ns = max(first_ns, stored_from(from_ns))
        slices = TimeSlices(first_ns // 1000, last_ns // 1000 + 1, _ROWS)
        if slices.done:
            yield Batch([], END_OF_TIME_NS)
        while not slices.done:
            yield await self._database.ask(partial(self._read, slices))

    def _read(self, slices: TimeSlices, connection: Connection) -> Batch:
        rows = slices.read(partial(_slice, connection, self._condition))
        messages = [message for row in rows for message in self._messages(row)]
        return Batch(messages, END_OF_TIME_NS if slices.done else slices.begin_us * 1000)

    def _messages(self, row: Row) -> list[Message]:
        time_us, *others = row
        event = EventRow((time_us + POSTGRES_EPOCH_US) * 1000, *others)
        labels = {label.ROBOT: event.robot_id, label.MISSION: event.mission_id}
        told = []
        if self._wants_events:
            told.append((EVENTS, event_data(event)))
        if self._wants_alerts and event.kind in _ALERT_KINDS:
            alert = alert_data(event)
            if alert is not None:
                told.append((ALERTS, alert))
        return [
            Message(channel, event.time_ns, event.time_ns, 0, data, labels)
            for channel, data in told
        ]


def _condition(selection: Selection) -> Composable:
    """Return what holds for the selected events, whenever they were."""
    kinds = () if selection.has_topic(EVENTS.topic) else _ALERT_KINDS
    return event_condition(
        replace(selection, sensors=(), topics=(), from_ns=None, to_ns=None), kinds, ()
    )


def _find(selection: Selection, connection: Connection) -> list[_Robot]:
    wanted = selection.has_topic(EVENTS.topic) or selection.has_topic(ALERTS.topic)
    if selection.sensors or not wanted:
        return []
    from_ns, to_ns = selection.from_ns or 0, selection.to_ns
    query = _SPANS.format(
        alerts=Literal(list(_ALERT_KINDS)),
        selected=_BETWEEN.format(
            condition=_condition(selection),
            begin=Literal(moment(stored_from(from_ns))),
            end=Literal(LAST if to_ns is None else moment(stored_from(to_ns))),
        ),
    )
    try:
        rows = connection.execute(query).fetchall()
    except UndefinedTable:
        return []  # nobody has written events there yet
    return [
        _Robot(robot, unix_ns(first), unix_ns(last), alerts)
        for robot, first, last, alerts in rows
    ]


def _slice(
    connection: Connection, condition: Composable, begin_us: int, stop_us: int, limit: int
) -> list[Row]:
    query = _SLICE.format(
        selected=_BETWEEN.format(
            condition=condition, begin=Literal(moment_us(begin_us)),
            end=Literal(moment_us(stop_us)),
        ),
        limit=Literal(limit),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(_TYPES)
        return list(copy.rows())
