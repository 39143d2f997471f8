"""
One timeline of several sources: records, metrics and events, of one or of several runs.

Order: time, then the source (records, metrics, events; of each kind those of the first run come
before those of the second), then the order of the source itself. All of it depends on what is
stored only, so a selection always comes out alike.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, AsyncExitStack
from itertools import chain
from operator import attrgetter

from twinsight_store.channel import Channel
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.source import Source

_BEFORE_ALL_NS = -(1 << 63)

_RECEIVE_NS = attrgetter('receive_ns')


class _Head:
    """What was read of a source and not given yet."""

    def __init__(self, batches: AsyncGenerator[Batch, None]) -> None:
        self._batches = batches
        self._messages: list[Message] = []
        self.until_ns = _BEFORE_ALL_NS

    async def read(self) -> None:
        batch = await anext(self._batches, Batch([], END_OF_TIME_NS))
        self._messages += batch.messages
        self.until_ns = batch.until_ns

    def take_before(self, horizon_ns: int) -> list[Message]:
        end = bisect_left(self._messages, horizon_ns, key=_RECEIVE_NS)
        taken, self._messages = self._messages[:end], self._messages[end:]
        return taken


class Timeline:
    """
    Merges sources; it is a Source itself.

    shifts  robot and mission → by how much its messages' times are moved (ns), where they are
    """

    def __init__(
        self, sources: Sequence[Source], shifts: Mapping[tuple[str, str], int] | None = None
    ) -> None:
        """Make one; of messages of one time those of an earlier source come first."""
        self.shifts = dict(shifts or {})
        self._sources = sources
        self._span_ns: tuple[int, int] | None = None

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic that may have messages, each once."""
        every = (each for source in self._sources for each in source.channels)
        return list({(robot, channel.id): (robot, channel) for robot, channel in every}.values())

    async def span(self) -> tuple[int, int] | None:
        """Return when the messages begin and end (Unix ns), to within a chunk; None for none."""
        if self._span_ns is None:
            spans = [span for source in self._sources if (span := await source.span())]
            if spans:
                starts, ends = zip(*spans, strict=True)
                self._span_ns = min(starts), max(ends)
        return self._span_ns

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """
        Give all messages in one order, those from a time on; see Source.

        Of each source one batch is in memory at most, and what it gave before of the time that
        the others have not reached yet.
        """
        async with AsyncExitStack() as opened:
            heads = []
            for source in self._sources:
                batches = source.batches(from_ns)
                await opened.enter_async_context(aclosing(batches))
                heads.append(_Head(batches))
            given_ns = _BEFORE_ALL_NS
            while given_ns < END_OF_TIME_NS:
                await _read([head for head in heads if head.until_ns <= given_ns])
                horizon_ns = min((head.until_ns for head in heads), default=END_OF_TIME_NS)
                if horizon_ns > given_ns:
                    # Stable, and linear as the parts are sorted already.
                    parts = chain(*(head.take_before(horizon_ns) for head in heads))
                    yield Batch(sorted(parts, key=_RECEIVE_NS), horizon_ns)
                    given_ns = horizon_ns

    async def latched(self, time_ns: int) -> list[Message]:
        """
        Return the latest message before a time of each topic whose publisher keeps its last.

        Each source tells its own: several runs of a robot may have one each.
        """
        found = [message for source in self._sources for message in await source.latched(time_ns)]
        return sorted(found, key=_RECEIVE_NS)


async def _read(heads: Sequence[_Head]) -> None:
    """Read on, at all stores at once; raise when all have answered, so that they can be closed."""
    answers = await asyncio.gather(*(head.read() for head in heads), return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer
