"""Reading a timeline ahead of its playing, in a thread of its own, within a bound of memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
import threading
from types import TracebackType

from twinsight_replay.piece_queue import Piece, PieceQueue
from twinsight_store.channel import Channel
from twinsight_store.timeline import Timeline

READ_AHEAD_BYTES = 64_000_000
"""What waits to be played at most, but for the last window that was read."""

_MESSAGE_BYTES = 400  # what Python takes for a message, besides its data


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
        self._pieces = PieceQueue()
        self._room = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # a reading that was cancelled is still closing
        self._failure: BaseException | None = None  # in opening

    def __enter__(self) -> ReadAhead:
        """Open the timeline; raises what opening it does."""
        self._thread.start()
        self._opened.wait()
        if self._failure:
            self._thread.join()
            raise self._failure
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
        return self._pieces.queued

    def start(self, from_ns: int | None, latched: bool = False) -> None:
        """
        Read from a time on, or from the beginning; what was read before, or failed, is dropped.

        latched  first give what was latched at that time, in a piece of its own
        """
        generation = self._pieces.begin()
        self._loop.call_soon_threadsafe(self._restart, generation, from_ns, latched)

    def take(self) -> Piece | None:
        """Return the next piece, or None where none is there yet; raises what reading raised."""
        taken = self._pieces.take()
        if taken is None:
            return None
        piece, _ = taken
        if not self._is_full() and not piece.is_last:
            self._loop.call_soon_threadsafe(self._room.set)
        return piece

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # belongs to the thread that plays
            self._failure = error
            self._pieces.fail(error)
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
            if self._pieces.fail(error, generation):
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
                while self._is_full():
                    self._room.clear()
                    await self._room.wait()
                self._put(generation, Piece(*batch))

    def _put(self, generation: int, piece: Piece) -> None:
        size = sum(len(message.data) for message in piece.messages)
        size += len(piece.messages) * _MESSAGE_BYTES
        if self._pieces.put(generation, piece, size):
            self._on_news()

    def _is_full(self) -> bool:
        return self._pieces.queued[1] >= self._limit_bytes
