"""The bytes of a planned file, from any place to any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from twinsight_bridge.remote_file.ahead import ahead
from twinsight_bridge.remote_file.chunk_table import digest_of
from twinsight_bridge.remote_file.file_plan import FilePlan
from twinsight_bridge.remote_file.mcap_bytes import (
    chunk_head,
    message_head,
    message_index,
    START,
)
from twinsight_store.errors import TwinsightError
from twinsight_store.message import Message

_PIECE_BYTES = 1 << 18


class FileChangedError(TwinsightError):
    """
    The stored data is not what it was when the file was planned.

    unreadable  whether a message could not be read, which only reading shows
    """

    def __init__(self, message: str, unreadable: bool) -> None:
        super().__init__(message)
        self.unreadable = unreadable


async def read_file(plan: FilePlan, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """
    Give the bytes of a file from start to before stop, a chunk at most in one piece.

    Every chunk is compared with the plan before any of it is given, so what was given is right.
    In memory are a chunk and what the store gave of the time after it, some 10 MB.

    Raises FileChangedError, StoreUnavailableError, StoreRefusedError.
    """
    if start < len(START):
        yield START[start:stop]
    if start < plan.data_end and stop > len(START):
        first, last = plan.chunks.at(start), plan.chunks.at(min(stop, plan.data_end) - 1)
        async with aclosing(_chunks(plan, first, last)) as chunks:
            at = plan.chunks.offsets[first]
            async for chunk in chunks:
                whole = start <= at and at + len(chunk) <= stop
                yield chunk if whole else chunk[max(start - at, 0):stop - at]
                at += len(chunk)
    for at in range(max(start, plan.data_end), stop, _PIECE_BYTES):
        end = min(at + _PIECE_BYTES, stop)
        yield plan.ending[at - plan.data_end:end - plan.data_end]


async def _chunks(plan: FilePlan, first: int, last: int) -> AsyncGenerator[bytes, None]:
    """Give the chunks from the first to the last, each with its index."""
    table, sources = plan.chunks, plan.sources
    bad = sources.bad.count
    number, skip = first, table.skips[first]
    chunk = _Chunk(plan, number)
    async with aclosing(ahead(sources.reading().batches(table.starts_ns[first]))) as batches:
        async for messages, _ in batches:
            at = min(skip, len(messages))
            skip -= at
            while at < len(messages):
                end = min(at + chunk.missing, len(messages))
                chunk.add(messages[at:end])
                at = end
                if chunk.missing:
                    break
                if not chunk.is_right:
                    raise _changed(plan, number, bad)
                yield chunk.data()
                if number == last:
                    return
                number += 1
                chunk = _Chunk(plan, number)
    raise _changed(plan, number, bad)


class _Chunk:
    """Gathers the messages of a chunk."""

    def __init__(self, plan: FilePlan, number: int) -> None:
        table = plan.chunks
        self.missing = table.counts[number]
        self._digest = table.digests[number]
        self._channels = plan.channels
        self._start_ns = self._end_ns = table.starts_ns[number]
        introduction = plan.channels.introduction(*table.introduced(number))
        self._size = len(introduction)
        self._heads: list[bytes] = []
        self._parts = [introduction]
        self._index: dict[int, list[int]] = {}

    def add(self, messages: Sequence[Message]) -> None:
        """Take the next messages."""
        heads, parts, index, size = self._heads, self._parts, self._index, self._size
        for channel, receive_ns, publish_ns, sequence, data, labels in messages:
            channel_id = self._channels.known(channel, labels) or 0
            head = message_head(channel_id, receive_ns, publish_ns, sequence, len(data))
            heads.append(head)
            parts += (head, data)
            index.setdefault(channel_id, []).extend((receive_ns, size))
            size += len(head) + len(data)
        self._size = size
        self._end_ns = messages[-1].receive_ns
        self.missing -= len(messages)

    @property
    def is_right(self) -> bool:
        """Return whether the messages are those of the plan."""
        return digest_of(b''.join(self._heads)) == self._digest

    def data(self) -> bytes:
        """Return the chunk and its index."""
        return b''.join((
            chunk_head(self._start_ns, self._end_ns, self._size), *self._parts,
            *(message_index(each, self._index[each]) for each in sorted(self._index)),
        ))


def _changed(plan: FilePlan, number: int, bad: int) -> FileChangedError:
    sources = plan.sources
    unreadable = sources.bad.count > bad
    reason = 'a record cannot be read' if unreadable else 'records were added or are gone'
    return FileChangedError(
        f'{sources.selection.describe()}: the file {plan.version} cannot be read on from chunk '
        f'{number + 1} of {len(plan.chunks)}, {reason} since it was opened: open it again',
        unreadable,
    )
