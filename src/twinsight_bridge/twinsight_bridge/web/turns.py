"""How many may ask a store at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twinsight_store.errors import StoreUnavailableError


class Turns:
    """
    Lets so many in at once, has others wait, and turns away who comes when too many wait.

    what      is asked, for people
    most      at once
    waiting   at most so many
    """

    def __init__(self, what: str, most: int, waiting: int) -> None:
        self._what = what
        self._room = asyncio.Semaphore(most)
        self._waiting = 0
        self._most_waiting = waiting

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the block; who is turned away: StoreUnavailableError."""
        if self._room.locked() and self._waiting >= self._most_waiting:
            raise StoreUnavailableError(
                f'{self._what} is asked by too many at once: try again in a moment'
            )
        self._waiting += 1
        try:
            await self._room.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()
