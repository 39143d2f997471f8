"""Reading a selection from ordinary code: scripts, notebooks, nodes' threads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
import queue
import threading

from twinsight_store.catalog import Catalog
from twinsight_store.connection import connect, StoreSettings
from twinsight_store.message import Message
from twinsight_store.record_source import log_bad_record, OnBadRecord, RecordSource
from twinsight_store.selection import Selection

_READ_AHEAD = 2
_LONGEST_WAIT_S = 0.2


def read(
    selection: Selection,
    settings: StoreSettings | None = None,
    on_bad_record: OnBadRecord = log_bad_record,
) -> Iterator[Message]:
    """
    Give the selected messages lazily, in time order.

    Fetches some batches ahead in a thread of its own, which ends with the iterator. Works
    inside a running event loop (notebooks) too. ``settings`` default to the environment's.

    Raises NothingMatchedError, StoreUnavailableError, StoreRefusedError.
    """
    used = settings or StoreSettings.from_environment()
    batches: queue.Queue[list[Message] | Exception | None] = queue.Queue(_READ_AHEAD)
    stopped = threading.Event()

    def hand_over(item: list[Message] | Exception | None) -> None:
        while not stopped.is_set():
            try:
                batches.put(item, timeout=_LONGEST_WAIT_S)
                return
            except queue.Full:
                continue

    async def fetch() -> None:
        async with connect(used) as connection:
            source = await RecordSource.open(connection, selection, on_bad_record)
            empty = True
            async for batch in source.batches():
                if batch.messages:
                    empty = False
                    hand_over(batch.messages)
            if empty:
                raise await Catalog(connection).nothing(selection)

    async def fetch_until_stopped() -> None:
        fetching = asyncio.create_task(fetch())
        while not fetching.done() and not stopped.is_set():
            await asyncio.wait([fetching], timeout=_LONGEST_WAIT_S)
        if not fetching.done():
            fetching.cancel()  # it may be waiting for a store that is away
        with suppress(asyncio.CancelledError):
            await fetching

    def work() -> None:
        try:
            asyncio.run(fetch_until_stopped())
            hand_over(None)
        except Exception as error:  # every failure belongs to whoever iterates
            hand_over(error)

    thread = threading.Thread(target=work, name='twinsight-read', daemon=True)
    thread.start()
    try:
        while (item := batches.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield from item
    finally:
        stopped.set()
        thread.join()
