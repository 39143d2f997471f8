"""A source at another time: how several runs are played side by side."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.message import Batch, END_OF_TIME_NS, Message
from twinsight_store.source import Source


@dataclass(frozen=True)
class Shifted:
    """
    A source of one mission whose times are all moved by shift_ns; it is a Source too.

    mission_id  what was latched before it began is given as if it were the mission's own, as
                messages are told apart by it where missions of one robot are side by side
    """

    source: Source
    shift_ns: int
    mission_id: str

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic."""
        return self.source.channels

    async def span(self) -> tuple[int, int] | None:
        """Return when the messages begin and end, moved."""
        span = await self.source.span()
        return span and (span[0] + self.shift_ns, span[1] + self.shift_ns)

    async def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """Give the messages with the times at which they are to be played."""
        at_ns = None if from_ns is None else min(from_ns - self.shift_ns, END_OF_TIME_NS)
        async with aclosing(self.source.batches(at_ns)) as batches:
            async for messages, until_ns in batches:
                if until_ns != END_OF_TIME_NS:
                    until_ns += self.shift_ns
                yield Batch(self._moved(messages), until_ns)

    async def latched(self, time_ns: int) -> list[Message]:
        """
        Return what was latched at a time, moved.

        After the end of a run it is what was latched then: what its robot published later is
        another run's.
        """
        span = await self.source.span()
        at_ns = time_ns - self.shift_ns
        found = await self.source.latched(min(at_ns, span[1] + 1) if span else at_ns)
        return [
            message._replace(labels={**message.labels, label.MISSION: self.mission_id})
            for message in self._moved(found)
        ]

    def _moved(self, messages: list[Message]) -> list[Message]:
        shift_ns = self.shift_ns
        return [
            Message(channel, receive_ns + shift_ns, publish_ns + shift_ns, sequence, data, labels)
            for channel, receive_ns, publish_ns, sequence, data, labels in messages
        ]
