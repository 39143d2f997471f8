"""Messages of a selection page by page, and single ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple, TypeVar

from twinsight_bridge.web.topic_query import topic_selection
from twinsight_store import layout
from twinsight_store.catalog import Catalog
from twinsight_store.connection import Connection
from twinsight_store.errors import RecordError
from twinsight_store.message import Message
from twinsight_store.record_query import first_timestamp, spans_back
from twinsight_store.record_source import OnBadRecord, RecordSource
from twinsight_store.selection import Selection

_CLOSE_US = 1_000_000

T = TypeVar('T')


class Numbered(NamedTuple):
    """A message, and how many of its topic and time come before it."""

    message: Message
    number: int


class Position(NamedTuple):
    """
    Where a page begins.

    receive_ns  time of the last message before it
    given       how many messages of that time come before it
    """

    receive_ns: int
    given: int


async def read_page(
    connection: Connection, selection: Selection, position: Position | None, limit: int,
    row_of: Callable[[Message, int], T], on_bad_record: OnBadRecord,
) -> tuple[list[T], Position | None]:
    """
    Return the rows of the next messages, and the position after them; None where none follow.

    row_of  makes a row of a message, and of how many of its topic and time come before it: no
            message is kept
    """
    source = await RecordSource.open(connection, selection, on_bad_record)
    rows: list[T] = []
    start_ns = None if position is None else position.receive_ns
    same = _Same()
    async with aclosing(source.batches(start_ns)) as batches:
        async for batch in batches:
            for message in batch.messages:
                before = same.position
                index = same.count(message)
                if position is not None and same.position <= position:
                    continue
                if len(rows) == limit:
                    return rows, before
                rows.append(row_of(message, index))
    return rows, None


async def message_at(
    connection: Connection, selection: Selection, index: int = 0
) -> Numbered:
    """
    Return a message of a selection of one time; ``index`` counts those of that time from 0.

    Raises NothingMatchedError, which says what there is, and RecordError.
    """
    errors: list[RecordError] = []
    found = await _all(connection, selection, errors)
    if index < len(found):
        return Numbered(found[index], index)
    if errors:
        raise errors[0]
    raise await Catalog(connection).nothing(selection)


async def latest_message(
    connection: Connection, robot_id: str, topic: str, before_ns: int | None
) -> Numbered:
    """
    Return the latest message of a topic, that before a time (Unix ns) where one is given.

    It takes some twenty questions for labels, however long ago that was. Raises
    NothingMatchedError, which says what there is, and RecordError.
    """
    selection = topic_selection(robot_id, topic, to_ns=before_ns)
    catalog = Catalog(connection)
    name = layout.entry_name(robot_id, topic)
    stop_us = max(
        (entry.latest_us + 1 for entry in await catalog.entries() if entry.name == name), default=0
    )
    if before_ns is not None:
        stop_us = min(stop_us, -(-before_ns // 1000) + layout.MAX_SHIFT_US)
    while stop_us > 0:
        begin_us = await _latest_begin_us(connection, name, stop_us)
        if begin_us is None:
            break
        errors: list[RecordError] = []
        from_ns = max(0, begin_us - layout.MAX_SHIFT_US) * 1000
        found: list[Message] = []
        if before_ns is None or from_ns < before_ns:
            found = await _all(connection, replace(selection, from_ns=from_ns), errors)
        if found:
            last = found[-1]
            same = sum(message.receive_ns == last.receive_ns for message in found)
            return Numbered(last, same - 1)
        if errors:
            raise errors[0]
        stop_us = begin_us  # it begins a moment after the time that was asked for
    raise await catalog.nothing(selection)


async def _all(
    connection: Connection, selection: Selection, errors: list[RecordError]
) -> list[Message]:
    source = await RecordSource.open(connection, selection, errors.append)
    async with aclosing(source.batches()) as batches:
        return [message async for batch in batches for message in batch.messages]


async def _latest_begin_us(connection: Connection, entry: str, stop_us: int) -> int | None:
    """Return when a record begins (µs) after which others do for a second at most; None: none."""
    for start_us, end_us in spans_back(stop_us, 0):
        found_us = await first_timestamp(connection, [entry], start_us, end_us)
        if found_us is None:
            continue
        while end_us - found_us > _CLOSE_US:
            middle_us = (found_us + end_us) // 2
            later_us = await first_timestamp(connection, [entry], middle_us, end_us)
            if later_us is None:
                end_us = middle_us
            else:
                found_us = later_us
        return found_us
    return None


class _Same:
    """Counts the messages of one time, all of them and those of each topic."""

    def __init__(self) -> None:
        self.position = Position(-1, 0)
        self._topics: Counter[tuple[str, str]] = Counter()

    def count(self, message: Message) -> int:
        """Return how many of the message's topic and time came before it."""
        receive_ns, given = self.position
        if message.receive_ns != receive_ns:
            given = 0
            self._topics.clear()
        self.position = Position(message.receive_ns, given + 1)
        topic = (message.robot_id, message.topic)
        self._topics[topic] += 1
        return self._topics[topic] - 1
