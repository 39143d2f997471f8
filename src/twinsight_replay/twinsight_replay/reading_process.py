"""
Reading a timeline ahead in a process of its own, so that it never holds up the one that plays.

Python runs one thread of a process at a time: while a thread takes answers of a store apart, the
one that plays would be late, by milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from mmap import mmap
import socket
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

from twinsight_replay.piece_frames import Buffers, Kind, PieceReceiver, receive, send
from twinsight_replay.piece_queue import Piece, PieceQueue
from twinsight_replay.read_ahead import READ_AHEAD_BYTES
from twinsight_store.channel import Channel
from twinsight_store.errors import TwinsightError
from twinsight_store.open_timeline import TimelineSettings
from twinsight_store.record_source import log_bad_record
from twinsight_store.selection import Selection

_END_S = 10.0


class ReadingProcess:
    """
    Reads a selection's timeline from a time on, as often as asked; used as ReadAhead is.

    channels  robot and channel of each topic
    span_ns   when the messages begin and end, to within a chunk
    shifts    as a timeline's
    """

    def __init__(
        self, selection: Selection, settings: TimelineSettings, on_news: Callable[[], object],
        limit_bytes: int = READ_AHEAD_BYTES,
    ) -> None:
        """
        Make one; nothing is opened before its block begins.

        on_news      is called, from another thread, when there is a piece to take, or an error
        limit_bytes  what waits to be played at most, but for the last window that was read
        """
        self.channels: Sequence[tuple[str, Channel]] = ()
        self.span_ns = (0, 0)
        self.shifts: Mapping[tuple[str, str], int] = {}
        self._on_bad_record = settings.on_bad_record
        self._begin = (selection, replace(settings, on_bad_record=log_bad_record), limit_bytes)
        self._on_news = on_news
        self._opened = threading.Event()
        self._pieces = PieceQueue()
        self._failure: BaseException | None = None  # for good
        self._is_closing = False
        self._thread = threading.Thread(target=self._receive, name='twinsight-reading')

    def __enter__(self) -> ReadingProcess:
        """Open the timeline; raises what opening it does."""
        self._stream, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'twinsight_replay.reading_child', str(theirs.fileno())],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for us, who end it
            )
        try:
            send(self._stream, Kind.BEGIN, self._begin)
            self._thread.start()
            self._opened.wait()
            if self._failure:
                raise self._failure
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    @property
    def queued(self) -> tuple[int, int]:
        """Return how many messages wait to be taken, and their bytes."""
        return self._pieces.queued

    def start(self, from_ns: int | None, latched: bool = False) -> None:
        """Read from a time on, as ReadAhead.start() does; what was read before is dropped."""
        generation = self._pieces.begin()
        if self._failure:
            self._pieces.fail(self._failure)
        self._send(Kind.START, (generation, from_ns, latched))

    def take(self) -> Piece | None:
        """Return the next piece, or None where none is there yet; raises what reading raised."""
        taken = self._pieces.take()
        if taken is None:
            return None
        piece, size = taken
        self._send(Kind.TAKEN, (self._pieces.generation, size))
        return piece

    def _send(self, kind: Kind, content: Any) -> None:
        with suppress(OSError):  # it has ended, which the other thread sees
            send(self._stream, kind, content)

    def _receive(self) -> None:
        buffers = Buffers()
        pieces = PieceReceiver(buffers)
        error: BaseException | None = None
        try:
            while frame := receive(self._stream, buffers):
                error = self._accept(pieces, *frame) or error
        except OSError:
            pass  # it was killed in the middle of a frame
        except Exception as failure:
            error = failure
        if not self._is_closing:
            code = self._process.wait()
            self._fail(error or TwinsightError(
                f'the process that reads ended by itself (exit code {code}): start it again'
            ))

    def _accept(
        self, pieces: PieceReceiver, kind: Kind, content: Any, data: mmap | None
    ) -> BaseException | None:
        """Take a frame; return the error that ended reading for good."""
        if kind is Kind.PIECE:
            if self._pieces.put(*pieces.piece(content, data)):
                self._on_news()
        elif kind is Kind.OPENED:
            self.channels, self.span_ns, self.shifts = content
            self._opened.set()
        elif kind is Kind.BAD:
            self._on_bad_record(content)
        elif kind is Kind.FAILED:
            self._fail(content)
            error: BaseException = content
            return error
        return None

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._pieces.fail(error)
        self._opened.set()
        self._on_news()

    def _close(self) -> None:
        self._is_closing = True
        with suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._thread.ident:
            self._thread.join()
        self._stream.close()
