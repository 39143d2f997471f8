"""Reading a timeline ahead of its playing, in a thread of its own, within a bound of memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
import threading
from types import TracebackType
from typing import NamedTuple

from twinsight_store.channel import Channel
from twinsight_store.message import END_OF_TIME_NS, Message
from twinsight_store.timeline import Timeline

READ_AHEAD_BYTES = 64_000_000
"""What waits to be played at most, but for the last window that was read."""

_MESSAGE_BYTES = 400  # what Python takes for a message, besides its data


class Piece(NamedTuple):
    """
    Messages in time order, and how far they are complete.

    until_ns  every message of a later piece is at this time or after it
    latched   whether they are older than where reading began, and hold there
    """

    messages: Sequence[Message]
    until_ns: int
    latched: bool = False

    @property
    def is_last(self) -> bool:
        """Return whether nothing follows."""
        return self.until_ns == END_OF_TIME_NS


class ReadAhead:
    """
    Reads a timeline from a time on, as often as asked; a context manager, used by one thread.

    channels  robot and channel of each topic
    span_ns   when the messages begin and end, to within a chunk
    """

    def __init__(
        self,
        open_timeline: Callable[[], AbstractAsyncContextManager[Timeline]],
        on_news: Callable[[], object],
        limit_bytes: int = READ_AHEAD_BYTES,
    ) -> None:
        """
        Make one; nothing is opened before its block begins.

        on_news  is called, from another thread, when there is a piece to take, or an error
        """
        self.channels: Sequence[tuple[str, Channel]] = ()
        self.span_ns = (0, 0)
        self.shifts: Mapping[tuple[str, str], int] = {}
        self._open_timeline = open_timeline
        self._on_news = on_news
        self._limit_bytes = limit_bytes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name='twinsight-read-ahead', daemon=True)
        self._opened = threading.Event()
        self._closing = asyncio.Event()
        self._lock = threading.Lock()
        self._queue: deque[tuple[Piece, int]] = deque()
        self._queued_bytes = 0
        self._queued_messages = 0
        self._generation = 0
        self._room = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # a reading that was cancelled is still closing
        self._error: BaseException | None = None

    def __enter__(self) -> ReadAhead:
        """Open the timeline; raises what opening it does."""
        self._thread.start()
        self._opened.wait()
        if self._error:
            self._thread.join()
            raise self._error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    @property
    def queued(self) -> tuple[int, int]:
        """Return how many messages wait to be taken, and their bytes."""
        return self._queued_messages, self._queued_bytes

    def start(self, from_ns: int | None, latched: bool = False) -> None:
        """
        Read from a time on, or from the beginning; what was read before, or failed, is dropped.

        latched  first give what was latched at that time, in a piece of its own
        """
        with self._lock:
            self._generation += 1
            self._queue.clear()
            self._queued_bytes = self._queued_messages = 0
            self._error = None
        self._loop.call_soon_threadsafe(self._restart, self._generation, from_ns, latched)

    def take(self) -> Piece | None:
        """Return the next piece, or None where none is there yet; raises what reading raised."""
        with self._lock:
            if not self._queue:
                if self._error:
                    raise self._error
                return None
            piece, size = self._queue.popleft()
            self._queued_bytes -= size
            self._queued_messages -= len(piece.messages)
            has_room = self._queued_bytes < self._limit_bytes
        if has_room and not piece.is_last:
            self._loop.call_soon_threadsafe(self._room.set)
        return piece

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # belongs to the thread that plays
            self._error = error
            self._on_news()
        finally:
            self._loop.close()
            self._opened.set()

    async def _serve(self) -> None:
        async with self._open_timeline() as timeline:
            self._timeline = timeline
            self.channels, self.shifts = timeline.channels, timeline.shifts
            span_ns = await timeline.span()
            assert span_ns is not None  # open_timeline() raises where there is nothing
            self.span_ns = span_ns
            self._opened.set()
            await self._closing.wait()
            await self._stop_reading()

    def _restart(self, generation: int, from_ns: int | None, latched: bool) -> None:
        if self._reading:
            self._reading.cancel()
        self._reading = self._loop.create_task(self._read(generation, from_ns, latched))

    async def _stop_reading(self) -> None:
        if self._reading:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        async with self._turn:
            pass

    async def _read(self, generation: int, from_ns: int | None, latched: bool) -> None:
        try:
            async with self._turn:
                await self._read_from(generation, from_ns, latched)
        except Exception as error:
            with self._lock:
                if generation != self._generation:
                    return
                self._error = error
            self._on_news()

    async def _read_from(self, generation: int, from_ns: int | None, latched: bool) -> None:
        begin_ns = self.span_ns[0] if from_ns is None else from_ns
        async with aclosing(self._timeline.batches(from_ns)) as batches:
            first = self._loop.create_task(anext(batches))
            try:
                if latched:
                    held = await self._timeline.latched(begin_ns)
                    self._put(generation, Piece(held, begin_ns, latched=True))
                self._put(generation, Piece(*await first))
            finally:
                first.cancel()  # and has to be over before its batches can be closed
                await asyncio.gather(first, return_exceptions=True)
            async for batch in batches:
                while self._queued_bytes >= self._limit_bytes:
                    self._room.clear()
                    await self._room.wait()
                self._put(generation, Piece(*batch))

    def _put(self, generation: int, piece: Piece) -> None:
        size = sum(len(message.data) for message in piece.messages)
        size += len(piece.messages) * _MESSAGE_BYTES
        with self._lock:
            if generation != self._generation:
                return
            self._queue.append((piece, size))
            self._queued_bytes += size
            self._queued_messages += len(piece.messages)
        self._on_news()
