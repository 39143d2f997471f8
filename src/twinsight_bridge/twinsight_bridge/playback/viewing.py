"""Replay in the viewer: a WebSocket address that names what is to be played."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from twinsight_bridge.front.front import Front
from twinsight_bridge.front.viewer import Server
from twinsight_bridge.playback.routes import add_session_routes
from twinsight_bridge.playback.sessions import Sessions
from twinsight_store.errors import TwinsightError


class Viewing:
    """Serves ``/replay?robot=…&from=…&to=…`` and the sessions behind it on the bridge's port."""

    def __init__(self, front: Front, sessions: Sessions) -> None:
        """Add the addresses to a front that does not listen yet."""
        self._front = front
        self._sessions = sessions
        front.app.router.add_get('/replay', self._view)
        add_session_routes(front.app, sessions)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        """Answer a viewer; one that asks for what cannot be played is shown why."""
        try:
            return await self._front.relay(request, lambda: self._opened(request))
        except TwinsightError as error:
            return await self._front.explain(request, str(error))

    @asynccontextmanager
    async def _opened(self, request: web.Request) -> AsyncIterator[Server]:
        query = {name: request.query.getall(name) for name in request.query}
        session = await self._sessions.open(query)
        with session.viewer():
            yield Server(session.port, session.latched)
