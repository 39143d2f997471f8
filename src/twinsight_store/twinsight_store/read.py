"""Reading a selection from ordinary code: scripts, notebooks, nodes' threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
import queue
import threading
from typing import Any, TypeVar

from twinsight_store.connection import connect, StoreSettings
from twinsight_store.errors import RecordError
from twinsight_store.message import Message
from twinsight_store.reader import StoreReader
from twinsight_store.selection import Selection

_READ_AHEAD = 4

T = TypeVar('T')


def read(
    selection: Selection,
    settings: StoreSettings | None = None,
    on_bad_record: Callable[[RecordError], None] | None = None,
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
                batches.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    async def fetch() -> None:
        async with connect(used) as connection:
            reader = StoreReader(connection)
            if on_bad_record:
                reader.on_bad_record = on_bad_record
            async for batch in reader.batches(selection):
                if stopped.is_set():
                    return
                hand_over(batch)

    def work() -> None:
        try:
            asyncio.run(fetch())
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


def with_reader(
    settings: StoreSettings, ask: Callable[[StoreReader], Coroutine[Any, Any, T]]
) -> T:
    """Return what one question to a StoreReader answers; outside of event loops only."""

    async def run() -> T:
        async with connect(settings) as connection:
            return await ask(StoreReader(connection))

    return asyncio.run(run())
