"""
A spool: a bounded queue on disk that outlives the process.

Frames are appended at the end and read from any position on; what is no longer needed is
released from the front, a segment (one file) at a time. What append() returned from is in the
kernel's hands, so it survives the end of the process (SIGKILL too). A file that is appended to
and released within some seconds is seldom written to the disk itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
import fcntl
import logging
import os
from pathlib import Path
from typing import NamedTuple

from twinsight_store.errors import SpoolError
from twinsight_store.spool_frames import (
    buffers_of,
    DamagedFrameError,
    Frame,
    HEAD_BYTES,
    read_frames,
    write_all,
)

SMALLEST_LIMIT = 1_000_000
"""A spool of less than this (bytes) could not hold two segments."""

MESSAGES, METRICS = b'twinsight-spool-1\n', b'twinsight-metrics-1\n'
"""How each segment begins: what kind of frames a spool holds."""

_SUFFIX = '.spool'
_DIGITS = 10
_LARGEST_SEGMENT = 64_000_000
_SEGMENTS = 16

_log = logging.getLogger(__name__)


class Position(NamedTuple):
    """A place in the spool; later ones are greater."""

    segment: int
    offset: int


class Found(NamedTuple):
    """A frame that was read, and where the next one begins."""

    payload: memoryview
    after: Position


class _Segment(NamedTuple):
    number: int
    size: int


class Spool:
    """
    One folder of segments, used by one process at a time.

    Not thread-safe; its calls block on the disk.
    """

    def __init__(self, folder: Path, limit_bytes: int, kind: bytes = MESSAGES) -> None:
        """
        Open a spool; what an earlier process left there is kept.

        kind  MESSAGES or METRICS

        Raises SpoolError where the folder cannot be written to, is in use, or holds frames of
        another kind.
        """
        self.folder = folder
        self._kind = kind
        self.limit_bytes = limit_bytes
        self._segment_bytes = min(max(limit_bytes // _SEGMENTS, 1), _LARGEST_SEGMENT)
        self._file = -1
        self._lock = -1
        self._closed: deque[_Segment] = deque()
        try:
            if folder.exists() and not folder.is_dir():
                raise SpoolError(f'spool {folder}: not a folder')
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for number in sorted(filter(None, map(_number, folder.glob(f'*{_SUFFIX}')))):
                self._closed.append(_Segment(number, self._path(number).stat().st_size))
            self._check_kind()
        except SpoolError:
            self.close()
            raise
        except BlockingIOError as error:
            self.close()
            raise SpoolError(
                f'spool {folder}: another process uses it; give each recorder a folder of its own'
            ) from error
        except OSError as error:
            self.close()
            raise _failed(folder, error) from error
        self._left = sum(segment.size for segment in self._closed)
        self._number = self._closed[-1].number + 1 if self._closed else 1
        self._size = 0

    @property
    def segment_bytes(self) -> int:
        """Return the size at which a segment ends; what is appended at once should be less."""
        return self._segment_bytes

    @property
    def size_bytes(self) -> int:
        """Return what lies on the disk."""
        return self._left + self._size

    @property
    def start(self) -> Position:
        """Return the first position that may still be read."""
        return Position(self._closed[0].number if self._closed else self._number, 0)

    @property
    def end(self) -> Position:
        """Return the position that the next frame gets."""
        return Position(self._number, self._size)

    def room_for(self, size: int) -> bool:
        """Return whether so many bytes more stay within the limit."""
        return self.size_bytes + size + HEAD_BYTES + len(self._kind) <= self.limit_bytes

    @property
    def is_segment_full(self) -> bool:
        """Return whether next_segment() begins a new one; else it does not touch the disk."""
        return self._size >= self._segment_bytes

    def next_segment(self) -> int:
        """Return the segment that the next frames go into; it may be a new one."""
        if self.is_segment_full:
            self.roll()
        return self._number

    def append(self, frames: Sequence[Frame]) -> None:
        """
        Add frames at the end; all of them, or, where it raises SpoolError, none.

        None may be empty: the zeros that a power loss can leave would look like one.
        They lie in one segment, the one that next_segment() gave. The limit is the caller's
        to keep: ask room_for() before.
        """
        buffers, size = buffers_of(frames)
        try:
            if self._file < 0:
                self._file = os.open(
                    self._path(self._number),
                    os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644,
                )
                self._size = 0
            if not self._size:
                buffers.insert(0, self._kind)
                size += len(self._kind)
            write_all(self._file, buffers)
        except OSError as error:
            self._undo()
            raise _failed(self.folder, error) from error
        self._size += size

    def roll(self, sync: bool = False) -> None:
        """End the open segment; with ``sync`` wait until the disk itself has it."""
        if self._file < 0:
            return
        try:
            if sync:
                os.fdatasync(self._file)
        except OSError as error:
            raise _failed(self.folder, error) from error
        finally:
            os.close(self._file)
            self._file = -1
            self._closed.append(_Segment(self._number, self._size))
            self._left += self._size
            self._number += 1
            self._size = 0

    def read(self, position: Position) -> Iterator[Found]:
        """
        Give the frames from a position on, to the end as it is now.

        What was damaged (power loss, a disk error) ends its segment: the next one follows.
        Raises SpoolError where a segment cannot be read.
        """
        end = self.end
        for number in [segment.number for segment in self._closed] + [self._number]:
            if number < position.segment or (number == self._number and self._file < 0):
                continue
            offset = position.offset if number == position.segment else 0
            last = end.offset if number == end.segment else None
            yield from self._read_segment(number, offset, last)

    def release(self, position: Position) -> None:
        """Remove the segments that lie whole before a position."""
        while self._closed and self._closed[0].number < position.segment:
            self._remove_first()
        if position == self.end and self._file >= 0 and self._size > self._segment_bytes // 2:
            self.roll()
            self._remove_first()

    def drop_oldest(self) -> int | None:
        """Remove the oldest segment but the open one; return its number, None without any."""
        if not self._closed:
            return None
        number = self._closed[0].number
        self._remove_first()
        return number

    def close(self) -> None:
        """Leave everything on the disk, for the next one who opens it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def clear(self) -> None:
        """Remove all segments; for when everything in them is dealt with."""
        if self._file >= 0:
            self.roll()
        while self._closed:
            self._remove_first()

    def _check_kind(self) -> None:
        for segment in self._closed:
            with self._path(segment.number).open('rb') as file:
                begin = file.read(max(map(len, (MESSAGES, METRICS))))
            if any(begin.startswith(kind) for kind in {MESSAGES, METRICS} - {self._kind}):
                raise SpoolError(
                    f'spool {self.folder}: it holds what another kind of recorder left there; '
                    'give each recorder a folder of its own'
                )

    def _remove_first(self) -> None:
        segment = self._closed.popleft()
        self._left -= segment.size
        with suppress(OSError):  # one that stays is read again, and found to be stored
            self._path(segment.number).unlink()

    def _undo(self) -> None:
        """Take back what of a failed append is in the file: the next frame has to be readable."""
        if self._file < 0:
            return
        try:
            os.ftruncate(self._file, self._size)
            os.lseek(self._file, self._size, os.SEEK_SET)
        except OSError:
            self.roll()  # its readers stop at the damage; new frames go elsewhere

    def _read_segment(self, number: int, offset: int, last: int | None) -> Iterator[Found]:
        try:
            with self._path(number).open('rb', buffering=0) as file:
                if last is None:
                    last = os.fstat(file.fileno()).st_size
                if not offset:
                    magic = file.read(len(self._kind))
                    if magic != self._kind:
                        if magic:
                            _warn_of_loss(number, 0, last)
                        return
                    offset = len(self._kind)
                for payload, after in read_frames(file.fileno(), offset, last):
                    yield Found(payload, Position(number, after))
        except DamagedFrameError as error:
            _warn_of_loss(number, error.offset, last or 0)
        except OSError as error:
            raise _failed(self.folder, error) from error

    def _path(self, number: int) -> Path:
        return self.folder / f'{number:0{_DIGITS}d}{_SUFFIX}'


def _warn_of_loss(number: int, offset: int, last: int) -> None:
    _log.warning(
        'spool: segment %d is damaged at byte %d: %d bytes of it are lost',
        number, offset, last - offset,
    )


def _number(path: Path) -> int:
    """Return the number of a segment; 0 for what is none of ours."""
    is_ours = path.stem.isascii() and path.stem.isdigit() and len(path.stem) == _DIGITS
    return int(path.stem) if is_ours and path.is_file() else 0


def _failed(folder: Path, error: OSError) -> SpoolError:
    return SpoolError(f'spool {folder}: {error.strerror or error}')
