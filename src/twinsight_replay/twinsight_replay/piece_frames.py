"""
Pieces on their way from the process that reads to the one that plays.

A frame: its kind, the size of its head and of its data, the head (a pickle), the data. Of a piece
the head has the columns of its messages, the data their bytes, one after the other. A message is
made when it is asked for, so taking a piece costs the receiver next to nothing.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from enum import Enum
from itertools import accumulate
from mmap import mmap
import pickle
import socket
import struct
from typing import Any, overload

from twinsight_replay.piece_queue import Piece
from twinsight_store.channel import Channel
from twinsight_store.message import Message

_HEAD = struct.Struct('<BIQ')
_POOL = 2


class Kind(Enum):
    """
    What a frame says.

    OPENED  channels, span, shifts     BAD    a record that cannot be read: the error
    PIECE   generation and a piece     FAILED reading ended: the error
    START   generation, from, latched  TAKEN  how many bytes are read no more
    BEGIN   what to read
    """

    OPENED = 1
    PIECE = 2
    BAD = 3
    FAILED = 4
    START = 5
    TAKEN = 6
    BEGIN = 7


def send(stream: socket.socket, kind: Kind, content: Any, data: bytes = b'') -> None:
    """Send a frame; raises OSError where the other side is gone."""
    head = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    stream.sendall(_HEAD.pack(kind.value, len(head), len(data)) + head)
    if data:
        stream.sendall(data)


class Buffers:
    """
    Memory for the data of frames, used again, as fresh memory is slow to fill and to free.

    It is mapped: a bytearray would be filled with zeros first, while no other thread runs.
    """

    def __init__(self) -> None:
        self._free: deque[mmap] = deque(maxlen=_POOL)

    def take(self, size: int) -> mmap:
        """Return a buffer of that size at least."""
        for _ in range(len(self._free)):
            buffer = self._free.popleft()
            if len(buffer) >= size:
                return buffer
            self._free.append(buffer)
        return mmap(-1, 1 << max(16, (size - 1).bit_length()))

    def give_back(self, buffer: mmap) -> None:
        """Take a buffer whose data nobody needs any more."""
        self._free.append(buffer)


def receive(stream: socket.socket, buffers: Buffers) -> tuple[Kind, Any, mmap | None] | None:
    """Return the next frame, its data None where it has none; None where nobody sends any more."""
    head = bytearray(_HEAD.size)
    if not _fill(stream, head, _HEAD.size):
        return None
    kind, head_size, size = _HEAD.unpack(head)
    content = bytearray(head_size)
    data = buffers.take(size) if size else None
    if not _fill(stream, content, head_size) or (data and not _fill(stream, data, size)):
        return None
    return Kind(kind), pickle.loads(content), data


def _fill(stream: socket.socket, buffer: bytearray | mmap, size: int) -> bool:
    """Receive so many bytes; return whether they came."""
    filled = 0
    with memoryview(buffer) as view:
        while filled < size:
            got = stream.recv_into(view[filled:size], 0, socket.MSG_WAITALL)
            if not got:
                return False
            filled += got
    return True


class PieceSender:
    """Sends pieces; each channel is sent once."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._channels: dict[int, tuple[int, Channel]] = {}

    def send(self, generation: int, piece: Piece) -> int:
        """Send a piece; return its size. Raises OSError where the other side is gone."""
        fresh: list[Channel] = []
        labels: list[dict[str, str]] = []
        known_labels: dict[int, int] = {}
        channels, labelled = array('I'), array('I')
        for message in piece.messages:
            found = self._channels.get(id(message.channel))
            if found is None:  # kept, so that nothing else gets its id
                found = (len(self._channels), message.channel)
                self._channels[id(message.channel)] = found
                fresh.append(message.channel)
            channels.append(found[0])
            number = known_labels.setdefault(id(message.labels), len(labels))
            if number == len(labels):
                labels.append(dict(message.labels))
            labelled.append(number)
        messages = piece.messages
        columns = (
            channels, labelled, array('q', [each.receive_ns for each in messages]),
            array('q', [each.publish_ns for each in messages]),
            array('Q', [each.sequence for each in messages]),
            array('Q', accumulate((len(each.data) for each in messages), initial=0)),
        )
        data = b''.join([each.data for each in messages])
        head = (generation, piece.until_ns, piece.latched, fresh, labels, columns)
        send(self._stream, Kind.PIECE, head, data)
        return len(data)


class PieceReceiver:
    """Makes pieces of what a PieceSender has sent."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._channels: list[Channel] = []

    def piece(self, content: Any, data: mmap | None) -> tuple[int, Piece, int]:
        """Return a piece with its generation and the size of its data."""
        generation, until_ns, latched, fresh, labels, columns = content
        self._channels += fresh
        messages = PackedMessages(self._channels, labels, columns, data, self._buffers)
        return generation, Piece(messages, until_ns, latched), columns[-1][-1]


class PackedMessages(Sequence[Message]):
    """Messages that are made when they are asked for."""

    def __init__(
        self, channels: Sequence[Channel], labels: Sequence[dict[str, str]],
        columns: Sequence[array[int]], data: mmap | None, buffers: Buffers,
    ) -> None:
        self._channels = channels
        self._labels = labels
        (
            self._channel, self._labelled, self._receive_ns, self._publish_ns, self._sequence,
            self._ends,
        ) = columns
        self._data = data
        self._view = memoryview(data or b'')
        self._buffers = buffers

    def __len__(self) -> int:
        return len(self._receive_ns)

    @overload
    def __getitem__(self, at: int) -> Message: ...

    @overload
    def __getitem__(self, at: slice) -> list[Message]: ...

    def __getitem__(self, at: int | slice) -> Message | list[Message]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if at < 0:
            at += len(self)
        return Message(
            self._channels[self._channel[at]],
            self._receive_ns[at],
            self._publish_ns[at],
            self._sequence[at],
            bytes(self._view[self._ends[at]:self._ends[at + 1]]),
            self._labels[self._labelled[at]],
        )

    def __del__(self) -> None:
        if self._data is not None:
            self._view.release()
            self._buffers.give_back(self._data)
