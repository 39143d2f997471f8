"""The stores that the server asks; each may be away at start, or go and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
import os
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from fastapi.requests import HTTPConnection

from twinsight_bridge.web.streaming import in_threads
from twinsight_bridge.web.turns import Turns
from twinsight_store.connection import connect, Connection, StoreSettings
from twinsight_store.errors import (
    ConfigurationError,
    NothingMatchedError,
    StoreUnavailableError,
)
from twinsight_store.history.postgres import PostgresRefusedError, PostgresSettings
from twinsight_store.layout import DEFAULT_BUCKET
from twinsight_store.live.connection import RedisSettings

T = TypeVar('T')

_TIMEOUT_S = 10.0
_PATIENCE_S = 2.0
_THREADS = 8
_WAITING = 56
_READERS = 4
_STREAMS = 8
_NO_TABLE = '42P01'


class StoreNotSetError(StoreUnavailableError):
    """The server was started without this store's address."""


@dataclass(frozen=True)
class StoreAddresses:
    """
    Where the stores are; None for one whose address is not set.

    records  ReductStore
    history  PostgreSQL
    live     Redis
    missing  why one is None: its name → what to set
    """

    records: StoreSettings | None
    history: PostgresSettings | None
    live: RedisSettings | None
    missing: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ,
        buckets: tuple[str, ...] = (DEFAULT_BUCKET,),
    ) -> StoreAddresses:
        """
        Return the addresses of the environment.

        They are asked with short time-outs: who asks over HTTP is told soon that a store is away.

        Raises ConfigurationError for an address that cannot be, and where none is set.
        """
        first, *more = buckets
        missing: dict[str, str] = {}

        def of(name: str, kind: Any, **settings: Any) -> Any:
            try:
                return kind.from_environment(environment, **settings)
            except ConfigurationError as error:
                if ' is not set: ' not in str(error):
                    raise
                missing[name] = str(error)
                return None

        found = cls(
            of(
                'ReductStore', StoreSettings, timeout_s=_TIMEOUT_S, patience_s=_PATIENCE_S,
                bucket=first, more_buckets=tuple(more),
            ),
            of('PostgreSQL', PostgresSettings, patience_s=_PATIENCE_S),
            of('Redis', RedisSettings, timeout_s=_TIMEOUT_S / 2),
            missing,
        )
        if len(missing) == 3:
            raise ConfigurationError('; '.join(missing.values()))
        return found


class Stores:
    """
    The stores while the server runs; made by opened().

    The methods raise StoreUnavailableError where a store is away or not set, which is answered
    with 503, StoreRefusedError (502), and NothingMatchedError (404). Nothing is remembered of a
    store that was away: the next question reaches it as soon as it is back.
    """

    def __init__(self, addresses: StoreAddresses, records: Connection | None) -> None:
        self.addresses = addresses
        self._records = records
        # One each, so that a database that hangs does not hold up what Redis knows.
        self._history_threads = ThreadPoolExecutor(_THREADS, 'history')
        self._live_threads = ThreadPoolExecutor(_THREADS, 'live')
        self._stream_threads = ThreadPoolExecutor(_STREAMS, 'stream')
        self._history_turns = Turns('PostgreSQL', _THREADS, _WAITING)
        self._live_turns = Turns('Redis', _THREADS, _WAITING)
        self._stream_turns = Turns('PostgreSQL', _STREAMS, _WAITING)
        self.reading = Turns('ReductStore', _READERS, _WAITING)

    @property
    def records(self) -> Connection:
        """Return the connection to ReductStore; all requests share it."""
        if self._records is None:
            raise StoreNotSetError(self.addresses.missing['ReductStore'])
        return self._records

    @property
    def history(self) -> PostgresSettings:
        """Return where the history is."""
        if self.addresses.history is None:
            raise StoreNotSetError(self.addresses.missing['PostgreSQL'])
        return self.addresses.history

    @property
    def live(self) -> RedisSettings:
        """Return where the live values are."""
        if self.addresses.live is None:
            raise StoreNotSetError(self.addresses.missing['Redis'])
        return self.addresses.live

    async def ask_history(self, question: Callable[[PostgresSettings], T]) -> T:
        """Return what a question to PostgreSQL answers; it runs in a thread."""
        settings = self.history
        loop = asyncio.get_running_loop()
        with _nothing_yet(settings):
            async with self._history_turns.turn():
                return await loop.run_in_executor(self._history_threads, question, settings)

    async def read_history(
        self, question: Callable[[PostgresSettings], Iterator[T]]
    ) -> AsyncGenerator[T, None]:
        """Give what an iterator over PostgreSQL's rows gives; its steps run in a thread."""
        settings = self.history
        with _nothing_yet(settings):
            async with self._stream_turns.turn(), aclosing(
                in_threads(self._stream_threads, lambda: question(settings))
            ) as answers:
                async for answer in answers:
                    yield answer

    async def ask_live(self, question: Callable[[RedisSettings], T]) -> T:
        """Return what a question to Redis answers; it runs in a thread."""
        settings = self.live
        loop = asyncio.get_running_loop()
        async with self._live_turns.turn():
            return await loop.run_in_executor(self._live_threads, question, settings)

    def close(self) -> None:
        """End the threads; what they are at ends by the stores' time-outs."""
        for threads in (self._history_threads, self._live_threads, self._stream_threads):
            threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _nothing_yet(settings: PostgresSettings) -> Iterator[None]:
    """Take a database without our tables for an empty one: no recorder was there yet."""
    try:
        yield
    except PostgresRefusedError as error:
        if error.sqlstate != _NO_TABLE:
            raise
        raise NothingMatchedError(
            f'PostgreSQL at {settings.where} holds no history: nothing was recorded there yet'
        ) from error


@asynccontextmanager
async def opened(addresses: StoreAddresses) -> AsyncIterator[Stores]:
    """Give the stores; nothing is asked of them yet."""
    if addresses.records is None:
        stores = Stores(addresses, None)
        try:
            yield stores
        finally:
            stores.close()
        return
    async with connect(addresses.records) as connection:
        stores = Stores(addresses, connection)
        try:
            yield stores
        finally:
            stores.close()


def _stores_of(connection: HTTPConnection) -> Stores:
    stores: Stores = connection.app.state.stores
    return stores


StoresOfApp = Annotated[Stores, Depends(_stores_of)]
"""The dependency of an endpoint that asks a store."""
