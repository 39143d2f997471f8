"""
Fetching records of many entries, and of one or several buckets, in time order.

The server merges the entries of a query without waiting for the slower ones, so its order
holds within an entry only. Here a span is fetched in windows; each is fetched whole, sorted,
and asked for again where the store went away in the middle of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
import json
import logging
from typing import Any, NamedTuple

from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from twinsight_store.batch_response import FetchedRecord, parse_batch
from twinsight_store.connection import Connection, store_errors
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError
from twinsight_store.selection import all_of

WINDOW_BYTES = 8_000_000
"""Messages, unpacked, that a window is meant to hold; four times as much makes it smaller."""

FIRST_WINDOW_US = 500_000
_SMALLEST_WINDOW_US = 1_000
_LARGEST_WINDOW_US = 60_000_000
_FIRST_SPAN_BACK_US = 60_000_000
_SPAN_BACK_FACTOR = 8
_NO_MORE = 204
_NOT_FOUND = 404

_log = logging.getLogger(__name__)


class Window(NamedTuple):
    """All records of a span of time; every later window's records lie at ``end_us`` or after."""

    records: list[FetchedRecord]
    end_us: int


class _TooMuchError(Exception):
    """A window holds more than fits into memory."""


async def fetch_windows(
    connection: Connection,
    entries: Sequence[str],
    start_us: int,
    stop_us: int,
    when: Mapping[str, Any] | None = None,
    length_us: int = FIRST_WINDOW_US,
) -> AsyncIterator[Window]:
    """
    Give the records from start to before stop, by timestamp and then by entry.

    Memory is bounded by the window, whose length follows the rate of the data. Where there is
    nothing for longer than a window, an empty one reaches to what comes next.

    length_us  of the first window

    Raises StoreUnavailableError where the store stays away for longer than its settings say.
    """
    while start_us < stop_us:
        end_us = min(start_us + length_us, stop_us)
        try:
            records = await fetch(
                connection, entries, start_us, end_us, when,
                most_bytes=4 * WINDOW_BYTES if length_us > _SMALLEST_WINDOW_US else None,
            )
        except _TooMuchError:
            length_us = max(length_us // 8, _SMALLEST_WINDOW_US)
            continue
        if not records:
            next_us = await first_timestamp(connection, entries, end_us, stop_us, when)
            if next_us is None:
                return
            yield Window([], next_us)
            start_us = next_us
            continue
        records.sort(key=lambda record: (record.timestamp_us, record.entry))
        yield Window(records, end_us)
        start_us = end_us
        size = sum(record.payload_bytes for record in records)
        wanted_us = length_us * WINDOW_BYTES // max(size, 1)
        length_us = min(max(wanted_us, length_us // 4, _SMALLEST_WINDOW_US), 2 * length_us)
        length_us = min(length_us, _LARGEST_WINDOW_US)


def spans_back(before_us: int, oldest_us: int) -> Iterator[tuple[int, int]]:
    """Give start and stop of spans from a time backwards, each some times as long as the last."""
    oldest_us = max(0, oldest_us)
    length_us = _FIRST_SPAN_BACK_US
    while before_us > oldest_us:
        start_us = max(oldest_us, before_us - length_us)
        yield start_us, before_us
        before_us, length_us = start_us, length_us * _SPAN_BACK_FACTOR


async def first_timestamp(
    connection: Connection,
    entries: Sequence[str],
    start_us: int | None,
    stop_us: int | None,
    when: Mapping[str, Any] | None = None,
) -> int | None:
    """Return the timestamp of the first record, or None where there is none."""
    first_of_each = all_of(when, {'$limit': 1})
    records = await fetch(connection, entries, start_us, stop_us, first_of_each, head=True)
    return min((record.timestamp_us for record in records), default=None)


async def fetch(
    connection: Connection,
    entries: Sequence[str],
    start_us: int | None = None,
    stop_us: int | None = None,
    when: Mapping[str, Any] | None = None,
    head: bool = False,
    most_bytes: int | None = None,
) -> list[FetchedRecord]:
    """
    Return the records from start to before stop, in no order, each once.

    Those of an entry that lies in several buckets come in the order of the buckets.

    head  fetch labels only, no bytes
    """
    if start_us is not None and stop_us is not None and start_us >= stop_us:
        return []  # the server refuses such a question
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailableError),
        wait=wait_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(connection.settings.patience_s),
        before_sleep=before_sleep_log(_log, logging.WARNING),
        reraise=True,
    ):
        with attempt:
            return await _fetch_once(
                connection, entries, start_us, stop_us, when, head, most_bytes
            )
    raise AssertionError('AsyncRetrying either returns or raises')


async def _fetch_once(
    connection: Connection,
    entries: Sequence[str],
    start_us: int | None,
    stop_us: int | None,
    when: Mapping[str, Any] | None,
    head: bool,
    most_bytes: int | None,
) -> list[FetchedRecord]:
    question = {
        'query_type': 'QUERY', 'entries': list(entries), 'start': start_us, 'stop': stop_us,
        'when': when, 'only_metadata': head,
    }
    asked = {name: value for name, value in question.items() if value is not None}
    found: list[FetchedRecord] = []
    size = 0
    for bucket in connection.settings.buckets:
        async for batch in _answers(connection, bucket, asked, head):
            found += batch
            size += sum(record.payload_bytes for record in batch)
            if most_bytes is not None and size > most_bytes:
                raise _TooMuchError
    return found


async def _answers(
    connection: Connection, bucket: str, question: Mapping[str, Any], head: bool
) -> AsyncIterator[list[FetchedRecord]]:
    """Give a bucket's records that answer a question, as many at a time as the server sends."""
    try:
        _, _, answer = await connection.request('POST', f'/io/{bucket}/q', question)
    except StoreRefusedError as error:
        if error.status == _NOT_FOUND and len(connection.settings.buckets) > 1:
            return  # Catalog.absent() names it
        raise
    query = {'x-reduct-query-id': str(json.loads(answer)['id'])}
    while True:
        try:
            status, headers, body = await connection.request(
                'HEAD' if head else 'GET', f'/io/{bucket}/read', headers=query
            )
        except StoreRefusedError as error:
            if error.status == _NOT_FOUND:  # restarted since the question; asked again, it knows
                raise StoreUnavailableError(str(error)) from error
            raise
        if status == _NO_MORE:
            return
        with store_errors(connection.settings):
            try:
                batch = parse_batch(headers, body)
            except ValueError as error:
                raise ConnectionError(str(error)) from error
        yield batch
        if headers.get('x-reduct-last') == 'true':
            return
