"""The history's database for an event loop: asked in threads, and again where it went away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
import threading
from typing import TypeVar

import psycopg
from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from twinsight_store.errors import StoreUnavailableError
from twinsight_store.history.postgres import (
    connect,
    Connection,
    postgres_errors,
    PostgresSettings,
)

_GOODBYE_S = 2.0

_log = logging.getLogger(__name__)

T = TypeVar('T')


class Database:
    """
    One connection that an event loop asks; a lost one is replaced.

    Questions are answered one after the other, whoever asks.
    """

    def __init__(self, settings: PostgresSettings, application: str) -> None:
        self._settings = settings
        self._application = application
        # One that was cancelled is still at work in its thread.
        self._turn = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    @classmethod
    async def open(cls, settings: PostgresSettings, application: str) -> Database:
        """
        Connect; the caller closes it.

        Raises StoreUnavailableError at once where nobody answers, StoreRefusedError.
        """
        database = cls(settings, application)
        try:
            await asyncio.to_thread(database._answer, lambda connection: None)
        except BaseException:
            await database.aclose()
            raise
        return database

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """
        Return what a question answers, which runs in a thread.

        It is asked again where the database goes away, until it answers. Raises
        StoreUnavailableError where it stays away for longer than the settings say,
        StoreRefusedError.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            wait=wait_exponential(multiplier=0.2, max=5),
            stop=stop_after_delay(self._settings.patience_s),
            before_sleep=before_sleep_log(_log, logging.WARNING),
            reraise=True,
        ):
            with attempt:
                return await asyncio.to_thread(self._answer, question)
        raise AssertionError('AsyncRetrying either returns or raises')

    async def aclose(self) -> None:
        """End the connection, and the question that it may be at."""
        await asyncio.to_thread(self._close)

    def _answer(self, question: Callable[[Connection], T]) -> T:
        with self._turn:
            if self._closed:
                raise RuntimeError('the database is asked after its end')
            if self._connection is None:
                self._connection = connect(self._settings, self._application)
            try:
                with postgres_errors(self._settings):
                    return question(self._connection)
            except Exception:
                # It may be lost, or in the middle of something.
                self._connection.close()
                self._connection = None
                raise

    def _close(self) -> None:
        self._closed = True
        asked = self._connection
        if asked is not None and self._turn.locked():
            with suppress(psycopg.Error):
                asked.cancel_safe(timeout=_GOODBYE_S)
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
