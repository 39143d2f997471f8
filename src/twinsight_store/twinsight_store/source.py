"""What a timeline is made of: places that messages come from in time order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from twinsight_store.channel import Channel
from twinsight_store.message import Batch, Message


class Source(Protocol):
    """
    Selected messages of one kind; what there is was looked up when it was made.

    All of it runs in one event loop and never blocks it.
    """

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic that may have messages."""

    async def span(self) -> tuple[int, int] | None:
        """Return when the messages begin and end (Unix ns), to within a chunk; None for none."""

    def batches(self, from_ns: int | None = None) -> AsyncGenerator[Batch, None]:
        """
        Give the selected messages in time order, those from a time on.

        A store that goes away is asked again; reading goes on where it was. Where long nothing
        was recorded, an empty batch tells until when. Raises StoreUnavailableError where the
        store stays away, StoreRefusedError.
        """

    async def latched(self, time_ns: int) -> list[Message]:
        """Return the latest message before a time of each topic whose publisher keeps its last."""


async def first_ns(source: Source) -> int | None:
    """Return the time of a source's first message, Unix ns; None where it has none."""
    async with aclosing(source.batches()) as batches:
        async for batch in batches:
            if batch.messages:
                return batch.messages[0].receive_ns
    return None
