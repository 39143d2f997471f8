"""What the history's sources of messages have in common."""

from __future__ import annotations

from collections.abc import Sequence

from twinsight_store.channel import Channel
from twinsight_store.history.database import Database
from twinsight_store.message import Message


class HistorySource:
    """A source that asks a database, which others may ask too; see Source."""

    def __init__(
        self, database: Database, channels: Sequence[tuple[str, Channel]],
        span_ns: tuple[int, int] | None,
    ) -> None:
        self._database = database
        self._channels = channels
        self._span_ns = span_ns

    @property
    def channels(self) -> Sequence[tuple[str, Channel]]:
        """Return robot and channel of each topic that may have messages."""
        return self._channels

    async def span(self) -> tuple[int, int] | None:
        """Return the times of the first and the last message (Unix ns) as they were at first."""
        return self._span_ns

    async def latched(self, time_ns: int) -> list[Message]:
        """Return nothing: no topic of the history keeps its last message for late ones."""
        return []


def stored_from(time_ns: int) -> int:
    """
    Return the first time at or after a time (Unix ns) that the history can hold.

    A stored time is in whole microseconds; with both ends of a span it selects the messages
    whose times lie in it.
    """
    return -(-time_ns // 1000) * 1000
