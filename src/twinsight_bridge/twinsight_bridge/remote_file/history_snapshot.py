"""Metrics or events of a selection as they were at one moment, also where more come later."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from twinsight_store.channel import Channel
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.source import Source

_LATE_NS = 10_000_000_000
_MOST = 20_000


class HistorySnapshot:
    """
    A source of the history that gives again what it gave first; it is a Source too.

    What it was read for the first time is the count. Its last ten seconds are kept in memory, as
    samples of one time arrive one after the other; in what is older nothing new is expected.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._counted = False
        self._cut_ns = END_OF_TIME_NS
        self._late: list[Message] = []

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic that may have messages."""
        return self._source.channels

    async def span(self) -> tuple[int, int] | None:
        """Return when the messages begin and end (Unix ns)."""
        return await self._source.span()

    async def latched(self, time_ns: int) -> list[Message]:
        """Return what the source has latched: nothing."""
        return await self._source.latched(time_ns)

    def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """Give the messages from a time on; the first time they are counted, from the begin."""
        return self._again(from_ns) if self._counted else self._first()

    async def _first(self) -> AsyncGenerator[Batch, None]:
        span = await self.span()
        if span is not None:
            self._cut_ns = span[1] - _LATE_NS
        self._late = []
        async with aclosing(self._source.batches()) as batches:
            async for batch in batches:
                self._keep(batch.messages)
                self._counted = batch.until_ns == END_OF_TIME_NS
                yield batch

    def _keep(self, messages: Sequence[Message]) -> None:
        self._late += [each for each in messages if each.receive_ns >= self._cut_ns]
        if len(self._late) > _MOST:
            self._cut_ns = self._late[len(self._late) // 2].receive_ns + 1
            self._late = [each for each in self._late if each.receive_ns >= self._cut_ns]

    async def _again(self, from_ns: int | None) -> AsyncGenerator[Batch, None]:
        if from_ns is None or from_ns < self._cut_ns:
            async with aclosing(self._source.batches(from_ns)) as batches:
                async for messages, until_ns in batches:
                    if until_ns > self._cut_ns:
                        early = [each for each in messages if each.receive_ns < self._cut_ns]
                        yield Batch(early, self._cut_ns)
                        break
                    yield Batch(messages, until_ns)
        late = [each for each in self._late if from_ns is None or each.receive_ns >= from_ns]
        yield Batch(late, END_OF_TIME_NS)
