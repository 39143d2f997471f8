"""The bridge's port: viewers' WebSockets, and who is connected as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import contextlib
from contextlib import AbstractAsyncContextManager
import logging
import ssl

from aiohttp import ClientError, ClientSession, web

from twinsight_bridge.front import protocol
from twinsight_bridge.front.settings import FrontSettings
from twinsight_bridge.front.viewer import Server, Viewer
from twinsight_store.errors import ConfigurationError

_READ_BYTES = 1 << 20
_CLOSING_S = 1.0
_EXPLAINED_S = 30.0
_MOST_FROM_VIEWER_BYTES = 64_000_000

_log = logging.getLogger(__name__)

Opened = Callable[[], AbstractAsyncContextManager[Server]]
"""Opens the server that a viewer looks at, for as long as the viewer is there."""


class Front:
    """
    Accepts viewers and connects each to a server on loopback.

    viewers  those that are connected now
    """

    def __init__(self, settings: FrontSettings, live: Opened) -> None:
        """Make one; live opens what a viewer gets that asks for nothing else."""
        self.viewers: list[Viewer] = []
        self.app = web.Application()
        self.app.router.add_get('/', self._live)
        self.app.router.add_get('/viewers', self._list)
        self._settings = settings
        self._opened_live = live
        self._session: ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; return the port. Raises ConfigurationError where that is not possible."""
        settings = self._settings
        self._session = ClientSession(read_bufsize=_READ_BYTES)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, settings.address, settings.port, ssl_context=_tls(settings)
        )
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise ConfigurationError(
                f'port {settings.port} of {settings.address}: cannot listen there '
                f'({error.strerror}); give another port or address, port 0 takes a free one'
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Disconnect all viewers and stop to listen."""
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def relay(self, request: web.Request, opened: Opened) -> web.StreamResponse:
        """Answer a WebSocket request: a viewer of the server that opened() gives."""
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        async with opened() as server:
            viewer = Viewer(_name(request), server, self._settings.send_buffer_limit)
            self.viewers.append(viewer)
            try:
                return await self._connect(request, viewer, server)
            finally:
                self.viewers.remove(viewer)
                _log.info(f'{viewer.name}: disconnected')

    async def explain(self, request: web.Request, text: str) -> web.StreamResponse:
        """
        Show a viewer why there is nothing to see; it would not show an HTTP error.

        After a while it is disconnected, and tries again by itself.
        """
        down = web.WebSocketResponse(protocols=protocol.VIEWER_PROTOCOLS)
        await down.prepare(request)
        _log.warning(f'{_name(request)}: {text}')
        for frame in protocol.nothing_but(text):
            await down.send_str(frame)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_until_closed(down), _EXPLAINED_S)
        await down.close()
        return down

    async def _connect(
        self, request: web.Request, viewer: Viewer, server: Server
    ) -> web.StreamResponse:
        assert self._session is not None
        down = web.WebSocketResponse(
            protocols=protocol.VIEWER_PROTOCOLS, max_msg_size=_MOST_FROM_VIEWER_BYTES,
            compress=self._settings.use_compression,
        )
        try:
            async with self._session.ws_connect(
                f'ws://127.0.0.1:{server.port}/', protocols=(protocol.SERVER_PROTOCOL,),
                max_msg_size=0, compress=0,
            ) as up:
                await down.prepare(request)
                _log.info(f'{viewer.name}: connected')
                await viewer.relay(down, up)
                _abort_if_stuck(down)
                await asyncio.wait_for(down.close(), _CLOSING_S)
        except (ClientError, OSError, asyncio.TimeoutError) as error:
            _log.info(f'{viewer.name}: {error or "did not close in time"}')
        return down

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get('Upgrade', '').lower() != 'websocket':
            secure = 's' if self._settings.tls else ''
            return web.Response(
                status=426, headers={'Upgrade': 'websocket'},
                text=f'This is a TwinSight bridge. Open ws{secure}://{request.host} in Foxglove '
                '(Open connection, Foxglove WebSocket).\n',
            )
        offered = request.headers.get('Sec-WebSocket-Protocol', '')
        if not {each.strip() for each in offered.split(',')} & set(protocol.VIEWER_PROTOCOLS):
            known = ' or '.join(protocol.VIEWER_PROTOCOLS)
            return web.Response(
                status=400, text=f'The WebSocket has to offer the subprotocol {known}.\n'
            )
        if len(self.viewers) >= self._settings.max_clients:
            return web.Response(
                status=503, headers={'Retry-After': '10'},
                text=f'{len(self.viewers)} viewers are connected, max_clients allows no more.\n',
            )
        return None

    async def _live(self, request: web.Request) -> web.StreamResponse:
        return await self.relay(request, self._opened_live)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response([
            {
                'name': each.name,
                'since': each.since,
                'sent': each.sent,
                'waiting_bytes': each.outgoing.size + each.outgoing.control_size,
                'lost': {
                    topic: {'messages': lost.messages, 'bytes': lost.size}
                    for topic, lost in each.losses.by_topic().items()
                },
            }
            for each in self.viewers
        ])


def _name(request: web.Request) -> str:
    peer = request.transport.get_extra_info('peername') if request.transport else None
    return f'viewer {peer[0]}:{peer[1]}' if peer else 'viewer'


async def _until_closed(down: web.WebSocketResponse) -> None:
    async for _ in down:
        pass  # there is nothing to ask for


def _abort_if_stuck(down: web.WebSocketResponse) -> None:
    """Drop what a viewer does not take: closing in order would wait for it."""
    transport = down.get_extra_info('transport')
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()


def _tls(settings: FrontSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certfile, settings.keyfile)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f'certfile {settings.certfile!r}, keyfile {settings.keyfile!r}: cannot be used '
            f'({error}); accepted are PEM files of one certificate and its key'
        ) from error
    return context
