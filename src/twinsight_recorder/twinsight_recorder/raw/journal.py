"""
The recorder's spool: every accepted message, until the store has it.

It serves twice. What the recorder held in memory when it was killed is read by the next one;
and while the store is away, messages wait here that memory has no room for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
import time

from twinsight_recorder.journal_settings import JournalSettings
from twinsight_recorder.raw.intake import Arrival
from twinsight_recorder.raw.journal_frames import arrival_of, FrameReader, frames_of
from twinsight_recorder.raw.recorded_topic import RecordedTopic
from twinsight_store.errors import SpoolError
from twinsight_store.spool import Position, Spool
from twinsight_store.spool_frames import HEAD_BYTES

_RETRY_S = 1.0
_WELL_AFTER_S = 3.0
"""A spool that is full now and again is told of once, not each time."""

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
        self._well_at = 0.0
        self._described: set[int] = set()
        self._segment = -1
        self._roll_at = 0.0
        self._reader = FrameReader(settings.folder)
        self._moving = asyncio.Lock()
        """Held while the cursor moves: what is read is not dropped as unread meanwhile."""

        self._notice = ''
        self.cursor = Position(0, 0)
        """Messages before it were handed out; the next read() goes on from it."""
        self.problem = ''
        """What is wrong and what follows from it, in one line; empty where all is well."""

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
    def start(self) -> Position:
        """Return where the oldest message that is still on disk lies."""
        return self._spool.start if self._spool else Position(0, 0)

    @property
    def topics(self) -> list[RecordedTopic]:
        """Return all topics, an earlier recorder's too, of which messages were on disk."""
        return [*self._reader.topics.values(), *self._reader.earlier.values()]

    @property
    def earlier(self) -> list[RecordedTopic]:
        """Return an earlier recorder's topics, with what became of its messages."""
        return list(self._reader.earlier.values())

    @property
    def first_own(self) -> Position:
        """Return where this recorder began to write; before it lies an earlier one's."""
        return self._reader.first_own

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
        self.cursor, self._reader.first_own = self._spool.start, self._spool.end
        return self.cursor < self.first_own

    async def append(self, arrivals: Sequence[Arrival], behind: bool) -> int:
        """
        Add messages at the end.

        behind  they wait on disk only; where there is no room something has to go
        Returns how many of them, from the first on, are dealt with: on disk now, or counted as
        dropped. The disk takes none of the others at the moment (see ``problem``).
        """
        spool = self._spool
        if spool is None or time.monotonic() < self._retry_at:
            return 0
        self._notice = ''
        done = 0
        try:
            if not behind and time.monotonic() >= self._roll_at:
                self._roll_at = time.monotonic() + _ROLL_S
                await self._run(spool.roll)
            for piece in _pieces(arrivals, spool.segment_bytes):
                if not await self._append(spool, piece, behind):
                    break
                done += len(piece)
        except SpoolError as error:
            self._failed(error)
        else:
            if self._notice:
                self._tell(self._notice)
            elif time.monotonic() >= self._well_at:
                self.problem = ''
        return done

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
        async with self._moving:
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

    def _tell(self, problem: str) -> None:
        self.problem = problem
        self._well_at = time.monotonic() + _WELL_AFTER_S

    def _failed(self, error: SpoolError) -> None:
        self._described.clear()
        self._tell(f'{error}; messages wait in memory only')
        self._retry_at = time.monotonic() + _RETRY_S

    async def _append(self, spool: Spool, piece: Sequence[Arrival], behind: bool) -> bool:
        """Deal with a piece that fits into a segment; False where the disk does not take it."""
        kept = self._worth_keeping(spool, piece) if behind else piece
        if not kept:
            return True
        if spool.is_segment_full:  # rarely: a hop to the other thread costs more than all else
            await self._run(spool.next_segment)
        segment = spool.end.segment
        if segment != self._segment:
            self._segment = segment
            self._described.clear()
        frames, described = frames_of(kept, self._described)
        size = sum(len(head) + len(body) + HEAD_BYTES for head, body in frames)
        while not spool.room_for(size):
            if not self._settings.keep_oldest and await self._make_room(spool, behind):
                continue
            if not behind:
                self._notice = f'{self._is_full}; messages wait in memory only'
                return False
            if len(kept) > 1:  # some of them may fit
                for arrival in kept:
                    await self._append(spool, [arrival], behind)
            else:
                self._notice = f'{self._is_full}; new messages are dropped'
                self._count_dropped(kept[0].topic, 1)
            return True
        await self._run(spool.append, frames)
        self._described.update(described)
        for source in described.values():
            self._reader.topics[source.topic.name] = source.topic
        return True

    @property
    def _is_full(self) -> str:
        return f'spool {self._settings.folder}: full ({self.limit_bytes} bytes)'

    def _worth_keeping(self, spool: Spool, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Drop what the configuration wants dropped first, once the spool fills up."""
        if spool.size_bytes < _DROP_FIRST_SHARE * self.limit_bytes:
            return arrivals
        kept = []
        for arrival in arrivals:
            if arrival.source.drop_first:
                self._count_dropped(arrival.topic, 1)
                self._notice = (
                    f'spool {self._settings.folder}: three quarters full; '
                    'messages of streams with drop_first are dropped'
                )
            else:
                kept.append(arrival)
        return kept

    async def _make_room(self, spool: Spool, behind: bool) -> bool:
        """Remove the oldest messages; False where there are none but the newest."""
        async with self._moving:
            first = spool.start.segment
            if behind and self.cursor.segment <= first < spool.end.segment:
                for topic, messages in (await self._run(self._unread, spool, first)).items():
                    self._count_dropped(topic, messages)
                    self._notice = f'{self._is_full}; the oldest messages give way to new ones'
                self.cursor = Position(first + 1, 0)
            return await self._run(spool.drop_oldest) is not None

    def _unread(self, spool: Spool, segment: int) -> dict[RecordedTopic, int]:
        """Return how many messages of a segment were not handed out."""
        lost: dict[RecordedTopic, int] = {}
        with suppress(SpoolError):  # what cannot be read is lost anyway
            for source, _, after in self._reader.read(spool, self.cursor):
                if after.segment != segment:
                    break
                if source is not None:
                    lost[source.topic] = lost.get(source.topic, 0) + 1
                    if segment < self.first_own.segment:
                        source.topic.tally.received += 1
        return lost

    def _read_some(
        self, spool: Spool, most_bytes: int
    ) -> tuple[list[Arrival], Position]:
        """Return messages after the cursor, up to so many bytes, and where they end."""
        arrivals: list[Arrival] = []
        cursor, size = self.cursor, 0
        try:
            for source, payload, after in self._reader.read(spool, self.cursor):
                cursor = after
                if source is None:
                    continue
                if after.segment < self.first_own.segment:
                    source.topic.tally.received += 1
                arrivals.append(arrival_of(source, payload))
                size += len(arrivals[-1].data)
                if size >= most_bytes:
                    return arrivals, cursor
        except SpoolError:
            if not arrivals:
                raise
            return arrivals, cursor  # the next call meets the error again
        return arrivals, max(cursor, spool.end)


def _pieces(arrivals: Sequence[Arrival], most_bytes: int) -> Iterator[Sequence[Arrival]]:
    """Cut messages into pieces of about a size, so that segments do not outgrow theirs."""
    first = size = 0
    for place, arrival in enumerate(arrivals):
        size += len(arrival.data)
        if size >= most_bytes:
            yield arrivals[first:place + 1]
            first, size = place + 1, 0
    if first < len(arrivals):
        yield arrivals[first:]
