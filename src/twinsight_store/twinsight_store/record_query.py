"""Fetching records in time order, and going on where it stopped when the store went away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
import json
import logging
from typing import Any

from twinsight_store.batch_response import FetchedRecord, parse_batch
from twinsight_store.connection import Connection, store_errors
from twinsight_store.errors import StoreRefusedError, StoreUnavailableError

QUERY_LIFETIME_S = 600
"""The server forgets a query that nobody reads for so long; it is then asked again."""

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_NO_MORE = 204

_log = logging.getLogger(__name__)


async def fetch_records(
    connection: Connection,
    entries: Sequence[str],
    start_us: int | None = None,
    stop_us: int | None = None,
    when: Mapping[str, Any] | None = None,
    head: bool = False,
    patience_s: float = 60.0,
) -> AsyncIterator[FetchedRecord]:
    """
    Give the records of the entries from start to before stop, each once, by timestamp.

    head  fetch labels only, no bytes
    A store that goes away is waited for; after ``patience_s`` without an answer
    StoreUnavailableError is raised.
    """
    position_us, seen = start_us, set[str]()
    waited_s, wait_s = 0.0, _FIRST_WAIT_S
    while True:
        try:
            async for record in _query(connection, entries, position_us, stop_us, when, head):
                if record.timestamp_us == position_us and record.entry in seen:
                    continue
                if record.timestamp_us != position_us:
                    position_us, seen = record.timestamp_us, set()
                seen.add(record.entry)
                waited_s, wait_s = 0.0, _FIRST_WAIT_S
                yield record
            return
        except StoreRefusedError as error:
            if error.status != 404 or not seen:
                raise  # a query that had answers and is unknown now has only expired
        except StoreUnavailableError as error:
            if waited_s >= patience_s:
                raise
            _log.warning('%s; trying again', error)
            await asyncio.sleep(wait_s)
            waited_s, wait_s = waited_s + wait_s, min(2 * wait_s, _LONGEST_WAIT_S)


async def _query(
    connection: Connection,
    entries: Sequence[str],
    start_us: int | None,
    stop_us: int | None,
    when: Mapping[str, Any] | None,
    head: bool,
) -> AsyncIterator[FetchedRecord]:
    bucket = connection.settings.bucket
    question = {
        'query_type': 'QUERY', 'entries': list(entries), 'start': start_us, 'stop': stop_us,
        'when': when, 'ttl': QUERY_LIFETIME_S, 'only_metadata': head,
    }
    asked = {name: value for name, value in question.items() if value is not None}
    _, _, answer = await connection.request('POST', f'/io/{bucket}/q', asked)
    query = {'x-reduct-query-id': str(json.loads(answer)['id'])}
    while True:
        status, headers, body = await connection.request(
            'HEAD' if head else 'GET', f'/io/{bucket}/read', headers=query
        )
        if status == _NO_MORE:
            return
        with store_errors(connection.settings):
            try:
                records = parse_batch(headers, body)
            except ValueError as error:
                raise ConnectionError(str(error)) from error
        for record in records:
            yield record
        if headers.get('x-reduct-last') == 'true':
            return
