"""All replay sessions of a bridge: opening, joining, limits, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
import logging
import os
import secrets
from typing import Any

from twinsight_bridge.playback.errors import (
    NoSessionError,
    QueryError,
    SessionConflictError,
    SessionEndedError,
    SessionLimitError,
)
from twinsight_bridge.playback.order import Order
from twinsight_bridge.playback.session import Session
from twinsight_bridge.playback.session_child import SessionChild
from twinsight_bridge.playback.session_query import Query, SessionQuery
from twinsight_bridge.playback.session_settings import DEFAULT_READ_AHEAD_BYTES, SessionSettings
from twinsight_store.connection import StoreSettings
from twinsight_store.errors import ConfigurationError, TwinsightError
from twinsight_store.layout import DEFAULT_BUCKET

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionRules:
    """
    What sessions may take.

    max_sessions      how many there are at a time, those that begin included
    grace_s           a session without a viewer ends after so long
    start_s           one that is not ready after so long is given up
    buckets           where the records are
    read_ahead_bytes  what waits in the memory of one, at most
    """

    max_sessions: int = 8
    grace_s: float = 60.0
    start_s: float = 60.0
    buckets: tuple[str, ...] = (DEFAULT_BUCKET,)
    read_ahead_bytes: int = DEFAULT_READ_AHEAD_BYTES

    def __post_init__(self) -> None:
        for name in ('max_sessions', 'grace_s', 'start_s', 'read_ahead_bytes'):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f'{name} {getattr(self, name)}: accepted is more than 0')


class Sessions:
    """The sessions; used within one event loop, closed with aclose()."""

    def __init__(
        self, rules: SessionRules | None = None, environment: Mapping[str, str] = os.environ
    ) -> None:
        """Make none yet; the environment has the addresses and secrets of the stores."""
        self._rules = rules or SessionRules()
        self._environment = dict(environment)
        self._sessions: dict[str, Session] = {}
        self._starting: dict[str, tuple[SessionQuery, asyncio.Task[Session]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, query: Query) -> Session:
        """
        Return the session that a query asks for: a new one, or the one that it names.

        Raises QueryError, NothingMatchedError, StoreUnavailableError, SessionLimitError,
        SessionConflictError.
        """
        wanted = SessionQuery.parsed(query)
        known = self._known(wanted.session)
        if known is None:
            return await self._begin(wanted)
        self._check_same(wanted, known)
        if wanted.session in self._sessions:
            return self._sessions[wanted.session]
        return await _started(self._starting[wanted.session][1])

    def get(self, session_id: str) -> Session:
        """Return a session; raise NoSessionError where there is none of that name."""
        if session_id not in self._sessions:
            raise NoSessionError(f'session {session_id!r}: there is none; it may have ended')
        return self._sessions[session_id]

    async def control(
        self, session_id: str, *, play: bool | None = None, seek_ns: int | None = None,
        rate: float | None = None,
    ) -> dict[str, Any]:
        """
        Have a session play or pause, go to a time, change its speed; return what it does then.

        Raises NoSessionError, QueryError, SessionEndedError.
        """
        return await self.get(session_id).control(Order(play, seek_ns, rate))

    def describe(self) -> list[dict[str, Any]]:
        """Return what each session plays and where it is, as JSON has it."""
        return [session.describe() for session in self._sessions.values()]

    async def close(self, session_id: str) -> None:
        """End a session; its viewers are disconnected. Raises NoSessionError."""
        session = self.get(session_id)
        del self._sessions[session_id]
        await session.close()

    async def aclose(self) -> None:
        """End all sessions, within a bounded time."""
        starting = [task for _, task in self._starting.values()]
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        sessions = list(self._sessions.values())
        self._sessions.clear()
        await asyncio.gather(*(session.close() for session in sessions))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _known(self, name: str) -> SessionQuery | None:
        if name in self._sessions:
            return self._sessions[name].query
        return self._starting[name][0] if name in self._starting else None

    async def _begin(self, wanted: SessionQuery) -> Session:
        if wanted.session and not wanted.given:
            raise QueryError('session', (
                f'{wanted.session!r} does not run: say what it is to play '
                '(robot, mission, topic, from, to …)'
            ))
        StoreSettings.from_environment(self._environment)  # or none could ever be ready
        running = len({*self._sessions, *self._starting})
        if running >= self._rules.max_sessions:
            raise SessionLimitError(
                f'{running} replay sessions run, which is as many as may '
                f'(max_sessions {self._rules.max_sessions}): join or close one, or try again later'
            )
        session_id = wanted.session or f'replay-{secrets.token_hex(4)}'
        task = asyncio.create_task(self._start(session_id, wanted))
        self._starting[session_id] = (wanted, task)
        task.add_done_callback(lambda done: self._forget_start(session_id, done))
        return await _started(task)

    async def _start(self, session_id: str, wanted: SessionQuery) -> Session:
        rules = self._rules
        settings = SessionSettings(
            session_id, wanted.selection, wanted.rate, wanted.paused, rules.buckets,
            rules.read_ahead_bytes,
        )
        child = await SessionChild.start(settings, self._environment, rules.start_s)
        session = Session(
            session_id, wanted, child, rules.grace_s,
            lambda: self._spawn(self._end_lonely(session)),
        )
        self._sessions[session_id] = session
        self._spawn(self._watch(session))
        _log.info('session %s: %s', session_id, wanted.selection.describe())
        return session

    def _forget_start(self, session_id: str, task: asyncio.Task[Session]) -> None:
        del self._starting[session_id]
        if not task.cancelled() and isinstance(task.exception(), TwinsightError):
            _log.info('session %s: %s', session_id, task.exception())

    async def _end_lonely(self, session: Session) -> None:
        if not session.viewers and self._sessions.get(session.id) is session:
            _log.info('session %s: ended, it has no viewer', session.id)
            await self.close(session.id)

    async def _watch(self, session: Session) -> None:
        """Forget a session that ends by itself."""
        reason = await session.ended()
        if self._sessions.get(session.id) is session:
            _log.error('session %s: %s', session.id, reason)
            await self.close(session.id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_same(self, wanted: SessionQuery, known: SessionQuery) -> None:
        if wanted.given and wanted.given != known.given:
            raise SessionConflictError(
                f'session {wanted.session!r} plays {known.selection.describe()}: leave out what '
                'it is to play to join it, or choose another name'
            )


async def _started(task: asyncio.Task[Session]) -> Session:
    """Return a session that begins; who waits for it may go away, as others may wait too."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError as error:
        if task.cancelled():
            raise SessionEndedError('the bridge ends: try again when it runs again') from error
        raise
