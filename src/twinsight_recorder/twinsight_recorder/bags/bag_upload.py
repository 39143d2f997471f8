"""Writing a bag's batches: several requests at a time, patient with a store that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import time

from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.layout import Record
from twinsight_store.writer import Refusal, StoreWriter, Written

AT_ONCE = 4
"""Requests under way; with the batch being built they are all that is held in memory."""

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_ALL_REFUSED = frozenset({401, 403, 404})
"""Statuses that no other batch will escape: token, bucket."""


class BagUpload:
    """
    Writes batches of records, AT_ONCE at a time; the first failure ends it.

    patience_s  how long a store that does not answer is asked again
    settle      called with what became of each batch
    say         called with a line for the user when the store goes away and comes back
    """

    def __init__(
        self,
        writer: StoreWriter,
        patience_s: float,
        settle: Callable[[Written], None],
        say: Callable[[str], None],
    ) -> None:
        self._writer = writer
        self._patience_s = patience_s
        self._settle = settle
        self._say = say
        self._away_since_s: float | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def put(self, batch: list[Record]) -> None:
        """
        Take a batch as soon as there is room.

        Raises StoreUnavailableError or StoreRefusedError where a batch before it failed.
        """
        while len(self._under_way) >= AT_ONCE:
            await self._wait(asyncio.FIRST_COMPLETED)
        self._under_way.add(asyncio.create_task(self._deliver(batch)))

    async def finish(self) -> None:
        """Return when every batch is settled; raise as put() does."""
        while self._under_way:
            await self._wait(asyncio.FIRST_EXCEPTION)

    async def cancel(self) -> None:
        """Give up what is under way; records of it may be stored all the same."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()

    async def _wait(self, until: str) -> None:
        done, self._under_way = await asyncio.wait(self._under_way, return_when=until)
        for task in done:
            task.result()

    async def _deliver(self, batch: list[Record]) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                written = await self._write(batch)
                break
            except StoreUnavailableError as error:
                left_s = self._patience_left(error)
                if left_s <= 0:
                    raise
                await asyncio.sleep(min(wait_s, left_s))
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        if self._away_since_s is not None:
            self._away_since_s = None
            self._say('ReductStore answers again')
        self._settle(written)

    def _patience_left(self, error: StoreUnavailableError) -> float:
        now_s = time.monotonic()
        if self._away_since_s is None:
            self._away_since_s = now_s
            if self._patience_s > 0:
                self._say(f'{error}; trying again for {self._patience_s:g} s')
        return self._away_since_s + self._patience_s - now_s

    async def _write(self, batch: list[Record]) -> Written:
        """Write a batch; where the store refuses it as a whole, find out which record it is."""
        try:
            return await self._writer.write(batch)
        except StoreRefusedError as error:
            if error.status in _ALL_REFUSED:
                raise
            if len(batch) == 1:
                return Written([], [], [Refusal(batch[0], str(error))])
        parts = [await self._write([record]) for record in batch]
        return Written(
            [record for part in parts for record in part.stored],
            [record for part in parts for record in part.present],
            [refusal for part in parts for refusal in part.refused],
        )
