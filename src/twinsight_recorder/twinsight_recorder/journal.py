"""
The recorder's spool: every accepted message, until the store has it.

It serves twice. What the recorder held in memory when it was killed is read by the next one;
and while the store is away, messages wait here that memory has no room for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
import json
from pathlib import Path
import struct
import time

from twinsight_recorder.intake import Arrival
from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.recorded_topic import RecordedTopic, Source
from twinsight_recorder.topic_rules import TopicRule
from twinsight_store.channel import Channel
from twinsight_store.errors import SpoolError, TwinsightError
from twinsight_store.spool import Frame, Position, Spool

_MESSAGE = struct.Struct('<BIqqQ')
_SOURCE = struct.Struct('<BI')
_IS_SOURCE, _IS_MESSAGE = 0, 1
_RETRY_S = 1.0
_ROLL_S = 2.0
"""Segments that live for about so long are released before the kernel writes them to the disk."""

_DROP_FIRST_SHARE = 0.75


class Journal:
    """
    Messages on disk, in the order of their arrival.

    Used by one asyncio thread; the disk is waited for in another. Where the disk does not take
    messages, ``problem`` says why, and it is tried again from time to time.
    """

    def __init__(
        self, settings: JournalSettings, count_dropped: Callable[[RecordedTopic, int], None]
    ) -> None:
        """Make one; count_dropped is called for messages that gave way to newer ones."""
        self._settings = settings
        self._count_dropped = count_dropped
        self._disk = ThreadPoolExecutor(1, 'twinsight-spool')
        self._spool: Spool | None = None
        self._retry_at = 0.0
        self._described: set[int] = set()
        self._segment = -1
        self._roll_at = 0.0
        self._reading: dict[int, Source] = {}
        self._topics: dict[str, RecordedTopic] = {}
        self.earlier: dict[str, RecordedTopic] = {}
        """Topics of an earlier recorder, by name, with what became of its messages."""
        self.first_own = Position(0, 0)
        self.cursor = Position(0, 0)
        """Messages before it were handed out; the next read() goes on from it."""
        self.problem = ''

    @property
    def folder(self) -> Path:
        """Return where the messages lie."""
        return self._settings.folder

    @property
    def limit_bytes(self) -> int:
        """Return the most that may lie on disk; 0 where there is no spool."""
        return self._settings.limit_bytes

    @property
    def size_bytes(self) -> int:
        """Return what lies on disk."""
        return self._spool.size_bytes if self._spool else 0

    @property
    def end(self) -> Position:
        """Return where the next message goes."""
        return self._spool.end if self._spool else Position(0, 0)

    @property
    def is_read(self) -> bool:
        """Return whether every message on disk was handed out, or never left memory."""
        return self._spool is None or self.cursor >= self._spool.end

    async def open(self) -> bool:
        """Open the spool where it is not; return whether an earlier recorder left messages."""
        if self._spool is not None or not self.limit_bytes or time.monotonic() < self._retry_at:
            return False
        try:
            self._spool = await self._run(Spool, self._settings.folder, self.limit_bytes)
        except SpoolError as error:
            self._failed(error)
            return False
        self.cursor, self.first_own = self._spool.start, self._spool.end
        self.problem = ''
        return self.cursor < self.first_own

    async def append(self, arrivals: Sequence[Arrival], behind: bool) -> list[Arrival] | None:
        """
        Add messages at the end.

        behind  they wait on disk only; where there is no room something has to go
        Returns the messages that are on disk now; None where the disk takes nothing at the
        moment (see ``problem``).
        """
        spool = self._spool
        if spool is None or time.monotonic() < self._retry_at:
            return None
        if behind:
            arrivals = self._worth_keeping(spool, arrivals)
        try:
            if not behind and time.monotonic() >= self._roll_at:
                self._roll_at = time.monotonic() + _ROLL_S
                await self._run(spool.roll)
            segment = await self._run(spool.next_segment)
            if segment != self._segment:
                self._segment = segment
                self._described.clear()
            frames = list(self._frames(arrivals))
            size = sum(len(head) + len(body) + 8 for head, body in frames)
            while not spool.room_for(size):
                if self._settings.keep_oldest or not await self._make_room(spool):
                    return self._full(arrivals, behind)
            await self._run(spool.append, frames)
        except SpoolError as error:
            self._described.clear()
            self._failed(error)
            return None
        self.problem = ''
        return list(arrivals)

    async def begin_behind(self) -> bool:
        """
        From the next message on, messages are read from disk: they are not kept in memory.

        Returns False where the disk takes nothing.
        """
        if self._spool is None or time.monotonic() < self._retry_at:
            return False
        try:
            await self._run(self._spool.roll)
        except SpoolError as error:
            self._failed(error)
            return False
        self.cursor = self._spool.end
        return True

    def caught_up(self) -> None:
        """Tell that what is on disk now is in memory too."""
        self.cursor = self.end

    async def read(self, most_bytes: int) -> list[Arrival]:
        """
        Return the next messages after the cursor, and move it behind them.

        Where a segment cannot be read the next one follows; ``problem`` says so.
        """
        if self._spool is None:
            return []
        try:
            arrivals, cursor = await self._run(self._read_some, self._spool, most_bytes)
        except SpoolError as error:
            self._failed(error)
            arrivals, cursor = [], Position(self.cursor.segment + 1, 0)
        self.cursor = min(cursor, self.end)
        return arrivals

    async def release(self, position: Position) -> None:
        """Forget messages before a position: the store has them."""
        if self._spool is not None:
            await self._run(self._spool.release, min(position, self.cursor))

    async def close(self, everything_stored: bool) -> None:
        """Leave what is not stored to the next recorder."""
        if self._spool is not None:
            if everything_stored:
                await self._run(self._spool.clear)
            await self._run(self._spool.close)
            self._spool = None
        self._disk.shutdown()

    async def _run(self, function: Callable, *arguments: object):  # type: ignore[no-untyped-def]
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    def _failed(self, error: SpoolError) -> None:
        self.problem = str(error)
        self._retry_at = time.monotonic() + _RETRY_S

    def _frames(self, arrivals: Sequence[Arrival]) -> Iterator[Frame]:
        pack = _MESSAGE.pack
        for source, receive_ns, publish_ns, sequence, data in arrivals:
            number = source.number
            if number not in self._described:
                self._described.add(number)
                self._topics[source.topic.name] = source.topic
                yield _SOURCE.pack(_IS_SOURCE, number), _description(source)
            yield pack(_IS_MESSAGE, number, receive_ns, publish_ns, sequence), data

    def _worth_keeping(self, spool: Spool, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Drop what the configuration wants dropped first, once the spool fills up."""
        if spool.size_bytes < _DROP_FIRST_SHARE * self.limit_bytes:
            return arrivals
        kept = []
        for arrival in arrivals:
            if arrival.source.drop_first:
                self._count_dropped(arrival.topic, 1)
            else:
                kept.append(arrival)
        return kept

    def _full(self, arrivals: Sequence[Arrival], behind: bool) -> list[Arrival] | None:
        """Say that the limit is reached; messages that would wait on disk only are lost."""
        self._described.clear()
        self.problem = f'spool {self._settings.folder}: full ({self.limit_bytes} bytes)'
        if not behind:
            return None
        for arrival in arrivals:
            self._count_dropped(arrival.topic, 1)
        return []

    async def _make_room(self, spool: Spool) -> bool:
        """Remove the oldest messages; False where there are none but the newest."""
        first = spool.start.segment
        if self.cursor.segment == first and first < spool.end.segment:
            lost, _ = await self._run(self._read_some, spool, None, first)
            for arrival in lost:
                self._count_dropped(arrival.topic, 1)
            self.cursor = Position(first + 1, 0)
        return await self._run(spool.drop_oldest) is not None

    def _read_some(
        self, spool: Spool, most_bytes: int | None, segment: int | None = None
    ) -> tuple[list[Arrival], Position]:
        """Return messages after the cursor, up to so many bytes, or to a segment's end."""
        arrivals: list[Arrival] = []
        cursor, size = self.cursor, 0
        if not cursor.offset:
            self._reading.clear()
        at = cursor.segment
        for payload, after in spool.read(cursor):
            if segment is not None and after.segment != segment:
                return arrivals, cursor
            if after.segment != at:
                at = after.segment
                self._reading.clear()
            cursor = after
            if payload[0] == _IS_SOURCE:
                number = _SOURCE.unpack_from(payload)[1]
                self._reading[number] = self._source(bytes(payload[_SOURCE.size:]), number, at)
                continue
            _, number, receive_ns, publish_ns, sequence = _MESSAGE.unpack_from(payload)
            data = bytes(payload[_MESSAGE.size:])
            source = self._reading[number]
            if at < self.first_own.segment:
                source.topic.tally.received += 1
            arrivals.append(Arrival(source, receive_ns, publish_ns, sequence, data))
            size += len(data)
            if most_bytes is not None and size >= most_bytes:
                return arrivals, cursor
        return arrivals, max(cursor, spool.end)

    def _source(self, description: bytes, number: int, segment: int) -> Source:
        try:
            found = json.loads(description)
            channel = Channel.from_attachment(found['channel'], f'spool {self._settings.folder}')
            known = self.earlier if segment < self.first_own.segment else self._topics
            topic = known.setdefault(channel.topic, RecordedTopic(channel, TopicRule('')))
            return Source(
                topic, found['robot_id'], channel, found['labels'], found['bucket'],
                found['compression'], False, number,
            )
        except (ValueError, KeyError, TypeError, TwinsightError) as error:
            raise SpoolError(
                f'spool {self._settings.folder}: a description cannot be read ({error})'
            ) from error


def _description(source: Source) -> bytes:
    return json.dumps(
        {
            'robot_id': source.robot_id,
            'channel': source.channel.to_attachment(),
            'labels': dict(source.labels),
            'bucket': source.bucket,
            'compression': source.compression,
        }
    ).encode()
