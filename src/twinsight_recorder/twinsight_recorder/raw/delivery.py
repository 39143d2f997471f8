"""Delivering records to a store that may be away, slow, or refuse them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from twinsight_store.connection import Connection
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.layout import Record
from twinsight_store.writer import StoreWriter

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 2.0
_NOT_FOUND = 404
_MAY_BE_MENDED = frozenset({401, 403, _NOT_FOUND, 409, 507})
"""Statuses that change while the recorder runs: token, bucket (409: being deleted), disk."""

_INTERNAL_ERROR = 500
_INTERNAL_ERRORS_BORNE = 3
"""After so many the records are sent one by one: one of them may be the reason."""

_ALONE_BORNE = 6
"""A record that is answered so many times with an internal error is given up."""


class StoreState(IntEnum):
    """What the store does with our records; the numbers are those of RecorderStatus."""

    WAITING = 0
    OK = 1
    REFUSING = 2


class StoreReport(NamedTuple):
    """The store's state, and why where it is not OK, in one line."""

    state: StoreState
    message: str


class Delivery:
    """
    Sends batches until the store has taken or refused each record.

    settle(record, outcome) is called once for each record: ``stored`` or ``refused``.
    report is called whenever the store's state, or the reason for it, changes.
    """

    def __init__(
        self,
        connection: Connection,
        settle: Callable[[Record, str], None],
        report: Callable[[StoreReport], None],
    ) -> None:
        self._connection = connection
        self._settle = settle
        self._report = report
        self._last_report = StoreReport(StoreState.WAITING, '')
        self._writer: StoreWriter | None = None
        self._opening = asyncio.Lock()
        self._bucket_gone = False
        self._was_away = False
        self._unfinished: dict[int, Record] = {}

    def unfinished(self) -> list[Record]:
        """Return the records whose delivery began and did not end."""
        return list(self._unfinished.values())

    async def deliver(self, batch: list[Record]) -> None:
        """Return when each record of the batch is stored or refused."""
        self._unfinished.update((id(record), record) for record in batch)
        wait_s = _FIRST_WAIT_S
        errors_left = _INTERNAL_ERRORS_BORNE if len(batch) > 1 else _ALONE_BORNE
        while True:
            try:
                return await self._write(batch)
            except StoreUnavailableError as error:
                self._was_away = True
                self._tell(StoreState.WAITING, str(error))
            except StoreRefusedError as error:
                self._tell(StoreState.REFUSING, str(error))
                self._bucket_gone = error.status == _NOT_FOUND
                errors_left -= error.status == _INTERNAL_ERROR
                borne = error.status == _INTERNAL_ERROR and errors_left > 0
                if error.status not in _MAY_BE_MENDED and not borne:
                    return await self._one_by_one(batch)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _write(self, batch: list[Record]) -> None:
        writer = await self._open()
        written = await writer.write(batch)
        self._end(written.stored, 'stored')
        self._end(written.present, 'stored')
        self._end((refusal.record for refusal in written.refused), 'refused')
        if written.refused:
            self._tell(StoreState.REFUSING, written.refused[0].reason)
        else:
            self._tell(StoreState.OK, '')

    async def _one_by_one(self, batch: list[Record]) -> None:
        """Find the record for which the whole batch is refused; the others are stored."""
        if len(batch) == 1:
            return self._end(batch, 'refused')
        for record in batch:
            await self.deliver([record])
        return None

    async def _open(self) -> StoreWriter:
        async with self._opening:
            if self._writer is None:
                bucket = await self._connection.bucket(create=True)
                self._writer = StoreWriter(bucket, self._connection.settings)
            elif self._was_away:
                # After a restart the store sends on only descriptions that it gets anew.
                self._writer.forget()
                self._was_away = False
            elif self._bucket_gone:
                await self._connection.bucket(create=True)
                self._writer.forget()
                self._bucket_gone = False
            return self._writer

    def _end(self, records: Iterable[Record], outcome: str) -> None:
        for record in records:
            del self._unfinished[id(record)]
            self._settle(record, outcome)

    def _tell(self, state: StoreState, message: str) -> None:
        report = StoreReport(state, message)
        if report != self._last_report:
            self._last_report = report
            self._report(report)
