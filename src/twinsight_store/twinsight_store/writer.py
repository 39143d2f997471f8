"""Writing records to ReductStore: in batches, each exactly once, whatever is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, AsyncExitStack
import json
import logging
import time
from typing import NamedTuple

from reduct import Bucket, ReductError
from reduct.batch.batch_v2 import RecordBatch

from twinsight_store import chunk, compression, layout
from twinsight_store import labels as label
from twinsight_store.channel import Channel
from twinsight_store.connection import store_errors, StoreSettings, translated
from twinsight_store.errors import RecordError, StoreUnavailableError, TwinsightError
from twinsight_store.layout import Record

MAX_BATCH_RECORDS = 60
"""The server reads at most 100 header lines in a request; each record takes one."""

MAX_BATCH_BYTES = 8_000_000

_UNFINISHED = 425
"""A record whose writer has not sent all of it; it stays so where the writer was killed."""

_CONCERNS_ALL = frozenset({401, 403, 404, 500, 507})
"""Statuses of token, bucket and server, though the server names them record by record."""

_UNFINISHED_PATIENCE_S = 2.0
_UNFINISHED_POLL_S = 0.1

_ONE_MESSAGE = frozenset({layout.CDR, layout.CDR_ZSTD})

_IDENTITY = (
    label.ROBOT, label.MISSION, label.CHANNEL,
    label.RECEIVE_NS, label.PUBLISH_NS, label.SEQUENCE,
)

_log = logging.getLogger(__name__)


class Refusal(NamedTuple):
    """A record that the store did not take, and why, in one line."""

    record: Record
    reason: str


class Written(NamedTuple):
    """
    What became of some records; together they are all that were given.

    present  were in the store already, the same messages under the same robot and mission
    """

    stored: list[Record]
    present: list[Record]
    refused: list[Refusal]


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut records into pieces that each fit into one request, in their order."""
    batch: list[Record] = []
    size = 0
    for record in records:
        full = len(batch) == MAX_BATCH_RECORDS or size + len(record.data) > MAX_BATCH_BYTES
        if batch and full:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record.data)
    if batch:
        yield batch


class StoreWriter:
    """
    Writes records and the description of their channels into one bucket.

    Every call may be repeated with the same records: what is stored already is recognised.
    """

    def __init__(self, bucket: Bucket, settings: StoreSettings) -> None:
        self._bucket = bucket
        self._settings = settings
        self._described: set[tuple[str, str]] = set()
        self._turns: dict[str, asyncio.Lock] = {}

    async def write(self, records: Sequence[Record]) -> Written:
        """
        Write at most a request's worth of records (see batches()).

        Calls for different entries run at the same time, those for one entry one after the
        other: ReductStore 1.21 locks up where two requests write to one entry.
        Raises StoreUnavailableError where the store does not answer, StoreRefusedError where
        it refuses the whole request; then some of the records may be stored all the same.
        """
        async with self._turn(record.entry for record in records):
            return await self._write(records)

    async def _write(self, records: Sequence[Record]) -> Written:
        with store_errors(self._settings):
            await self._describe(records)
            batch = RecordBatch()
            sent: dict[tuple[str, int], Record] = {}
            taken: list[Record] = []
            for record in records:
                place = (record.entry, record.timestamp_us)
                if place in sent:
                    taken.append(record)  # by another writer's record in the same request
                    continue
                sent[place] = record
                batch.add(
                    record.entry,
                    record.timestamp_us,
                    record.data,
                    content_type=record.content_type,
                    labels=record.labels,
                )
            errors = await self._bucket.write_record_batch(batch)
            failed = {
                (entry, timestamp_us): error
                for entry, of_entry in errors.items()
                for timestamp_us, error in of_entry.items()
            }
            stored = [record for place, record in sent.items() if place not in failed]
            refused = []
            for place, error in failed.items():
                if error.status_code == 409:
                    taken.append(sent[place])
                else:
                    refused.append(Refusal(sent[place], self._reason(error)))
            present: list[Record] = []
            give_up_at = time.monotonic() + _UNFINISHED_PATIENCE_S
            for record in taken:
                outcome = await self._write_beside(record, give_up_at)
                if isinstance(outcome, Refusal):
                    refused.append(outcome)
                else:
                    (stored if outcome else present).append(record)
        return Written(stored, present, refused)

    async def describe(self, entry: str, channel: Channel) -> None:
        """
        Store what has to be known to read the channel's messages.

        Where the store refuses it, the next call tries again.
        """
        if (entry, channel.id) in self._described:
            return
        # Each in a request of its own: before it takes a description, the store removes the former
        # one of that name, and ReductStore 1.21 gives up the whole block, with the descriptions
        # of all earlier channels, where another is on its way into it just then. So not with
        # write_attachments() either, which keeps silent about what was refused besides.
        attachment = json.dumps(channel.to_attachment()).encode()
        now_us = time.time_ns() // 1000
        for shift, key in enumerate((layout.ATTACHMENT, layout.attachment_key(channel))):
            refused = await self._attach(entry, now_us + shift, key, attachment)
            if refused is not None:
                if refused.status_code not in _CONCERNS_ALL:  # what the messages meet too, and say
                    _log.warning(
                        f'{entry}: the description of {channel.topic} was refused: {refused}'
                    )
                return
        self._described.add((entry, channel.id))

    async def _attach(
        self, entry: str, timestamp_us: int, key: str, attachment: bytes
    ) -> ReductError | None:
        """Store one attachment of an entry; return why the store refuses it."""
        batch = RecordBatch()
        batch.add(
            f'{entry}/$meta',
            timestamp_us,
            attachment,
            content_type='application/json',
            labels={'key': key},
        )
        with store_errors(self._settings):
            errors = await self._bucket.write_record_batch(batch)
        return next((error for each in errors.values() for error in each.values()), None)

    @asynccontextmanager
    async def _turn(self, entries: Iterable[str]) -> AsyncIterator[None]:
        """Wait until no other call writes to the entries, and keep them until the end."""
        async with AsyncExitStack() as stack:
            for entry in sorted(set(entries)):  # one order, so nobody waits in a circle
                await stack.enter_async_context(self._turns.setdefault(entry, asyncio.Lock()))
            yield

    def forget(self) -> None:
        """Describe every channel anew; for a bucket that was removed and made again."""
        self._described.clear()

    async def _describe(self, records: Sequence[Record]) -> None:
        for entry, channel in {(record.entry, record.channel): None for record in records}:
            await self.describe(entry, channel)

    async def _write_beside(self, record: Record, give_up_at: float) -> bool | Refusal:
        """Write a record whose microsecond is taken; False where it is there already."""
        for shift in range(layout.MAX_CONFLICT_SHIFT_US + 1):
            timestamp_us = record.timestamp_us + shift
            if shift:
                try:
                    await self._bucket.write(
                        record.entry,
                        record.data,
                        timestamp_us,
                        content_type=record.content_type,
                        labels=record.labels,
                    )
                    return True
                except ReductError as error:
                    if error.status_code != 409:
                        return Refusal(record, self._reason(error))
            if await self._is_stored(record, timestamp_us, give_up_at):
                return False
        return Refusal(
            record,
            f'{layout.MAX_CONFLICT_SHIFT_US} records lie at {record.timestamp_us} µs already',
        )

    async def _is_stored(self, record: Record, timestamp_us: int, give_up_at: float) -> bool:
        while True:
            try:
                async with self._bucket.read(record.entry, timestamp_us) as there:
                    same_kind = _same_kind(record.content_type, there.content_type) and all(
                        there.labels.get(name) == record.labels.get(name)
                        for name in _IDENTITY
                    )
                    return same_kind and _same_content(
                        record, there.content_type, await there.read_all()
                    )
            except ReductError as error:
                if error.status_code == 404:
                    return False  # what lay there has given way to the quota
                if error.status_code != _UNFINISHED:
                    raise
                if time.monotonic() >= give_up_at:
                    return False  # whoever began to write there was killed
            await asyncio.sleep(_UNFINISHED_POLL_S)

    def _reason(self, error: ReductError) -> str:
        """Return why a record is refused; raise where that concerns every record."""
        meaning: TwinsightError = translated(self._settings, error)
        if isinstance(meaning, StoreUnavailableError) or error.status_code in _CONCERNS_ALL:
            raise meaning
        return str(meaning)


def _same_kind(ours: str, theirs: str) -> bool:
    return ours == theirs or {ours, theirs} == _ONE_MESSAGE


def _same_content(record: Record, content_type: str, data: bytes) -> bool:
    if (content_type, data) == (record.content_type, record.data):
        return True
    # Another version of the libraries, or another setting, may pack the same differently.
    try:
        return _unpacked(record, record.content_type, record.data) == _unpacked(
            record, content_type, data
        )
    except RecordError:
        return False


def _unpacked(record: Record, content_type: str, data: bytes) -> bytes | list[chunk.Timed]:
    """Return what data holds that lies, or is to lie, in a record's place."""
    if content_type == layout.MCAP:
        return chunk.unpack(data, record.entry, record.timestamp_us)
    if content_type == layout.CDR_ZSTD:
        return compression.unpack(
            data, record.payload_bytes, record.entry, record.timestamp_us
        )
    return data
