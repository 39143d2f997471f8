"""Pieces that were read and wait to be played, between who reads and who plays."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import threading
from typing import NamedTuple

from twinsight_store.message import END_OF_TIME_NS, Message


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


class PieceQueue:
    """
    Pieces of one reading: those of an earlier one are dropped, also where they come late.

    generation  counts the readings
    """

    def __init__(self) -> None:
        self.generation = 0
        self._lock = threading.Lock()
        self._queue: deque[tuple[Piece, int]] = deque()
        self._messages = 0
        self._bytes = 0
        self._error: BaseException | None = None

    @property
    def queued(self) -> tuple[int, int]:
        """Return how many messages wait to be taken, and their bytes."""
        return self._messages, self._bytes

    def begin(self) -> int:
        """Begin a reading, without what was read and what failed before; return its generation."""
        with self._lock:
            self.generation += 1
            self._queue.clear()
            self._messages = self._bytes = 0
            self._error = None
            return self.generation

    def put(self, generation: int, piece: Piece, size: int) -> bool:
        """Add a piece; return whether it is of the reading of now."""
        with self._lock:
            if generation != self.generation:
                return False
            self._queue.append((piece, size))
            self._messages += len(piece.messages)
            self._bytes += size
            return True

    def fail(self, error: BaseException, generation: int | None = None) -> bool:
        """Let take() raise an error of the reading of now, or of all, when it is empty."""
        with self._lock:
            if generation not in (None, self.generation):
                return False
            self._error = self._error or error
            return True

    def take(self) -> tuple[Piece, int] | None:
        """Return the next piece and its size, or None; raises what reading has failed with."""
        with self._lock:
            if not self._queue:
                if self._error:
                    raise self._error
                return None
            piece, size = self._queue.popleft()
            self._messages -= len(piece.messages)
            self._bytes -= size
            return piece, size
