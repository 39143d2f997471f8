"""Stored messages as a Python iterable, and their fields as Arrow columns; needs no ROS 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
import os
import threading
from types import TracebackType
from typing import Literal, TYPE_CHECKING

from twinsight_replay.piece_queue import Piece
from twinsight_replay.read_ahead import ReadAhead
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import ConfigurationError, NothingMatchedError, RecordError
from twinsight_store.field_steps import hint
from twinsight_store.history.postgres import PostgresSettings, URL_VARIABLE
from twinsight_store.message import Message
from twinsight_store.open_timeline import Align, open_timeline, TimelineSettings
from twinsight_store.record_source import log_bad_record, OnBadRecord
from twinsight_store.selection import Selection

if TYPE_CHECKING:
    import pyarrow as pa

_VALUE = 'value'

Texts = str | Sequence[str]


def open_episode(
    selection: Selection | None = None,
    *,
    robots: Texts = (),
    missions: Texts = (),
    sensors: Texts = (),
    topics: Texts = (),
    from_ns: int | None = None,
    to_ns: int | None = None,
    labels: Mapping[str, str] | None = None,
    records: StoreSettings | None = None,
    history: PostgresSettings | Literal['environment'] | None = 'environment',
    align: Align | Literal['time', 'start'] = Align.TIME,
    on_bad_record: OnBadRecord = log_bad_record,
) -> Episode:
    """
    Return an episode, to be used in a ``with`` block.

    selection      what is read; robots to labels are Selection's fields, and replace its own
    records        where the records are; by default the store of the environment
    history        where metrics, events and alerts are; by default the database of the
                   environment, where it names one; None leaves them out
    align          several missions at their true times, or all from a common start
    on_bad_record  is called for each record that cannot be read; reading goes on

    Raises ConfigurationError.
    """
    given = {
        'robots': _texts(robots), 'missions': _texts(missions), 'sensors': _texts(sensors),
        'topics': _texts(topics), 'from_ns': from_ns, 'to_ns': to_ns, 'labels': labels,
    }
    chosen = {name: value for name, value in given.items() if value not in ((), None)}
    return Episode(
        replace(selection or Selection(), **chosen),  # type: ignore[arg-type]
        TimelineSettings(
            records or StoreSettings.from_environment(),
            history_of_environment() if history == 'environment' else history,
            Align(align),
            on_bad_record,
        ),
    )


def history_of_environment(patience_s: float = 60.0) -> PostgresSettings | None:
    """Return where metrics and events are, None where the environment does not say."""
    if not os.environ.get(URL_VARIABLE):
        return None
    return PostgresSettings.from_environment(patience_s=patience_s)


class Episode:
    """
    The messages of a selection, in time order; a context manager, used by one thread.

    Each iteration begins anew, and ends the one before it: that one raises RuntimeError where
    it is continued. Messages are read ahead in a thread of its own, within a bound of memory,
    so all of it works inside a running event loop too.
    """

    def __init__(self, selection: Selection, settings: TimelineSettings) -> None:
        """Make one; nothing is opened before its block begins."""
        self._selection = selection
        self._settings = settings
        self._news = threading.Event()
        self._ahead = ReadAhead(lambda: open_timeline(selection, settings), self._news.set)
        self._iteration = 0
        self._is_open = False

    def __enter__(self) -> Episode:
        """
        Connect, and look up what there is.

        Raises NothingMatchedError, which says what there is, StoreUnavailableError,
        StoreRefusedError.
        """
        self._ahead.__enter__()
        self._is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._ahead.__exit__(kind, error, trace)

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic that may have messages."""
        return self._ahead.channels

    @property
    def topics(self) -> list[str]:
        """Return the names of the topics that may have messages."""
        return sorted({channel.topic for _, channel in self.channels})

    @property
    def span_ns(self) -> tuple[int, int]:
        """Return when the messages begin and end (Unix ns), to within a chunk."""
        return self._ahead.span_ns

    @property
    def shifts(self) -> Mapping[tuple[str, str], int]:
        """Return by how much the times of robots' missions are moved (ns), where they are."""
        return self._ahead.shifts

    def __iter__(self) -> Iterator[Message]:
        """Give all messages; raises StoreUnavailableError, StoreRefusedError."""
        return self.since(None)

    def since(self, time_ns: int | None) -> Iterator[Message]:
        """Give the messages from a time on (Unix ns), as iterating does."""
        self._iteration += 1
        iteration = self._iteration
        self._check(iteration)
        self._ahead.start(time_ns)
        while True:
            piece = self._piece(iteration)
            yield from piece.messages
            if piece.is_last:
                return

    def column(self, topic: str, field: str) -> pa.Table:
        """Return one field as the column ``value``; see columns()."""
        return self._table(topic, {_VALUE: field})

    def columns(self, topic: str, fields: Sequence[str]) -> pa.Table:
        """
        Return fields of a topic's messages as a table, a row a message; reads that topic only.

        Columns: ``time`` (receive time), ``stamp`` where the type begins with a header,
        ``robot_id`` where several robots have the topic, ``mission_id`` where several missions
        of a robot are aligned, and each field by its path (``pose.pose.position.x``,
        ``ranges``, ``status[name=battery].level``). A message that cannot be decoded is told to
        on_bad_record and left out.

        Raises NothingMatchedError; ConfigurationError where there is no such field;
        RecordError where the topic's definition cannot be used.
        """
        return self._table(topic, {field: field for field in fields})

    def _table(self, topic: str, fields: Mapping[str, str]) -> pa.Table:
        from twinsight_store.field_columns import FieldColumns, STAMP, TIME  # only here: Arrow

        channels = {robot: each for robot, each in self.channels if each.topic == topic}
        if not channels:
            raise NothingMatchedError(f'no topic {topic}{hint(topic, self.topics)}')
        owners = [label.ROBOT] if len(channels) > 1 else []
        if len(self.shifts) > len({robot for robot, _ in self.shifts}):
            owners = [label.ROBOT, label.MISSION]
        for name in {TIME, STAMP, *owners} & fields.keys():
            raise ConfigurationError(f'field {name!r}: a column of its name is there already')
        columns = FieldColumns(list(channels.values()), fields, owners)
        for message in self._of_topic(topic):
            try:
                columns.add(message)
            except RecordError as error:
                self._settings.on_bad_record(error)
        table = columns.table()
        if not table.num_rows:
            raise NothingMatchedError(
                f'nothing matches {self._narrowed(topic).describe()} that can be decoded'
            )
        return table.sort_by(TIME) if self.shifts else table

    def _narrowed(self, topic: str) -> Selection:
        return replace(self._selection, topics=(topic,))

    def _of_topic(self, topic: str) -> Iterator[Message]:
        """Give the messages of one topic, which is read apart from what is iterated over."""
        # Where runs begin depends on all topics, so what is aligned is read as it was recorded.
        settings = replace(self._settings, align=Align.TIME)
        with Episode(self._narrowed(topic), settings) as narrowed:
            for message in narrowed:
                if not self.shifts:
                    yield message
                    continue
                shift_ns = self.shifts.get((message.robot_id, message.mission_id))
                if shift_ns is not None:
                    yield message._replace(receive_ns=message.receive_ns + shift_ns)

    def _piece(self, iteration: int) -> Piece:
        """Return the next messages, when they are there."""
        while True:
            self._check(iteration)
            self._news.clear()
            piece = self._ahead.take()
            if piece is not None:
                return piece
            self._news.wait()

    def _check(self, iteration: int) -> None:
        if not self._is_open:
            raise RuntimeError('an episode is read in its with block')
        if iteration != self._iteration:
            raise RuntimeError(
                'another iteration over this episode has begun: open one for each that is to go '
                'on beside others'
            )


def _texts(given: Texts) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
