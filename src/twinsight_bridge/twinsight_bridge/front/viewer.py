"""One viewer: its WebSocket on one side, the server it looks at on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
import json
import logging
import socket
import time
from typing import Any, Protocol

from aiohttp import ClientWebSocketResponse, web, WSMsgType

from twinsight_bridge.front import protocol
from twinsight_bridge.front.loss_report import LossReport
from twinsight_bridge.front.outgoing import Outgoing

STALL_S = 60.0
"""A viewer that takes nothing for so long, while something waits for it, is disconnected."""

CONTROL_LIMIT_BYTES = 64_000_000
"""A viewer that lets so much of what must not be left out wait is disconnected."""

_TIME_FLOW = -1
_UNSENT_BYTES = 256_000
_OPERATION_WITHIN = 40
_REPORT_PERIOD_S = 2.0

_log = logging.getLogger(__name__)

Handler = Callable[['Viewer', dict[str, Any]], Awaitable[None]]
"""Answers a viewer's request, which then does not go to the server."""


class Source(Protocol):
    """Gives messages to viewers beside the server, which then has none itself."""

    def subscribe(self, viewer: Viewer, flow: int, channel_id: int) -> bool:
        """Begin to give what comes on a channel; return False where there is none."""

    def unsubscribe(self, viewer: Viewer, channel_id: int) -> None:
        """End that."""


@dataclass(frozen=True)
class Server:
    """
    What a viewer looks at.

    port      where it listens, on loopback
    latched   ids of the channels whose last message is not left out, however slow a viewer is
    handlers  by the op of the requests that do not go to the server
    source    where messages come from if not from the server
    on_leave  is called when a viewer has gone
    """

    port: int
    latched: Container[int] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    source: Source | None = None
    on_leave: Callable[[Viewer], object] = lambda _: None


class Viewer:
    """
    Relays frames as they are; what the viewer is too slow for waits here, and is left out here.

    The server's side is always read at once, so that no queue grows there.
    """

    def __init__(self, name: str, server: Server, limit_bytes: int) -> None:
        """Make one; limit_bytes bounds the messages that wait for the viewer."""
        self.name = name
        self.outgoing = Outgoing(limit_bytes)
        self.losses = LossReport(self.outgoing)
        self.since = time.time()
        self.sent = 0
        self._server = server
        self._wakeup = asyncio.Event()
        self._progress = time.monotonic()
        self._channels: dict[int, int] = {}
        self._handled: set[asyncio.Task[None]] = set()

    async def relay(self, down: web.WebSocketResponse, up: ClientWebSocketResponse[bool]) -> None:
        """Relay until one side closes; the caller closes both."""
        _send_without_delay(down)
        tasks = [
            asyncio.create_task(self._from_server(up)),
            asyncio.create_task(self._to_viewer(down)),
            asyncio.create_task(self._from_viewer(down, up)),
            asyncio.create_task(self._watch()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except ConnectionError:
            pass  # the viewer went away in the middle of a frame
        finally:
            for flow in tuple(self._channels):
                self._end(flow)
            for each in (*tasks, *self._handled):
                each.cancel()
            await asyncio.gather(*tasks, *self._handled, return_exceptions=True)
            self._server.on_leave(self)

    def give(self, flow: int, frame: bytes, keep_latest: bool) -> None:
        """Take a message of a subscription for the viewer."""
        self.outgoing.add(flow, frame, time.monotonic_ns(), keep_latest)
        self._wakeup.set()

    def tell(self, text: str) -> None:
        """Take JSON for the viewer, which is sent before messages."""
        self.outgoing.add_control(text)
        self._wakeup.set()

    def warn(self, text: str) -> None:
        """Show the viewer a warning."""
        _log.warning(f'{self.name}: {text}')
        self.tell(protocol.status_warning(text))

    async def _from_server(self, up: ClientWebSocketResponse[bool]) -> None:
        acknowledge = _acknowledge_at_once(up)
        async for message in up:
            acknowledge()
            if message.type is WSMsgType.BINARY:
                self._binary(message.data)
            elif message.type is WSMsgType.TEXT:
                self._text(message.data)
            self._wakeup.set()
            if self.outgoing.control_size > CONTROL_LIMIT_BYTES:
                _log.warning(f'{self.name}: disconnected, it does not take what it asked for')
                return

    def _binary(self, frame: bytes) -> None:
        kind = frame[0] if frame else 0
        if kind == protocol.MESSAGE_DATA:
            flow = protocol.subscription_of(frame)
            latched = self._channels.get(flow) in self._server.latched
            self.outgoing.add(flow, frame, time.monotonic_ns(), latched)
        elif kind == protocol.TIME:
            self.outgoing.add(_TIME_FLOW, frame, time.monotonic_ns())
        else:
            if protocol.is_seek(frame):  # what waits is of the time that the viewer left
                self.outgoing.forget_waiting()
            self.outgoing.add_control(frame)

    def _text(self, text: str) -> None:
        if '"advertise"' in text[:_OPERATION_WITHIN]:
            for channel in json.loads(text).get('channels', ()):
                self.losses.topics[channel['id']] = channel['topic']
        elif '"unadvertise"' in text[:_OPERATION_WITHIN]:
            gone = json.loads(text).get('channelIds', ())
            for flow in [flow for flow, channel in self._channels.items() if channel in gone]:
                self._end(flow)
        self.outgoing.add_control(text)

    async def _to_viewer(self, down: web.WebSocketResponse) -> None:
        outgoing, wakeup = self.outgoing, self._wakeup
        while True:
            frame = outgoing.take(time.monotonic_ns())
            if frame is None:
                wakeup.clear()
                await wakeup.wait()
                continue
            if isinstance(frame, str):
                await down.send_str(frame)
            else:
                await down.send_bytes(frame)
            self.sent += 1
            self._progress = time.monotonic()

    async def _from_viewer(
        self, down: web.WebSocketResponse, up: ClientWebSocketResponse[bool]
    ) -> None:
        async for message in down:
            if message.type is WSMsgType.BINARY:
                await up.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._request(message.data, up)

    async def _request(self, text: str, up: ClientWebSocketResponse[bool]) -> None:
        request = _parsed(text)
        operation = request.get('op')
        if operation == 'subscribe':
            self._subscribe(request)
        elif operation == 'unsubscribe':
            for flow in _integers(request.get('subscriptionIds')):
                self._end(flow)
        handler = self._server.handlers.get(operation) if isinstance(operation, str) else None
        if handler is None:
            return await up.send_str(text)
        task = asyncio.create_task(self._handle(handler, request))
        self._handled.add(task)
        task.add_done_callback(self._handled.discard)
        if len(self._handled) > protocol.MOST_REQUESTS:
            await asyncio.wait(self._handled, return_when=asyncio.FIRST_COMPLETED)
        return None

    async def _handle(self, handler: Handler, request: dict[str, Any]) -> None:
        try:
            await handler(self, request)
        except Exception as error:  # of one request; the viewer goes on with the others
            _log.exception(f'{self.name}: {request.get("op")}')
            self.warn(f'{request.get("op")} failed: {error}')

    def _subscribe(self, request: dict[str, Any]) -> None:
        given = request.get('subscriptions')
        for each in given if isinstance(given, list) else ():
            if not isinstance(each, dict):
                continue
            flow, channel = each.get('id'), each.get('channelId')
            if isinstance(flow, int) and isinstance(channel, int):
                self._begin(flow, channel)

    def _begin(self, flow: int, channel: int) -> None:
        """Note a subscription, as the server does: what it refuses changes nothing."""
        if flow in self._channels or channel in self._channels.values():
            return
        if channel not in self.losses.topics or not 0 <= flow <= protocol.MOST_SUBSCRIPTION:
            return
        self._channels[flow] = channel
        self.losses.begin(flow, channel)
        if self._server.source is not None:
            self._server.source.subscribe(self, flow, channel)

    def _end(self, flow: int) -> None:
        channel = self._channels.pop(flow, None)
        if channel is None:
            return
        self.losses.end(flow)
        if self._server.source is not None:
            self._server.source.unsubscribe(self, channel)

    async def _watch(self) -> None:
        """Tell the viewer what it lost, and end where it takes nothing any more."""
        while True:
            await asyncio.sleep(_REPORT_PERIOD_S)
            outgoing = self.outgoing
            if not (outgoing.size or outgoing.control_size):
                self._progress = time.monotonic()
            elif time.monotonic() - self._progress > STALL_S:
                _log.warning(f'{self.name}: disconnected, it took nothing for {STALL_S:.0f} s')
                return
            status = self.losses.news()
            if status:
                _log.warning(f'{self.name}: {status}')
                self.tell(protocol.status_warning(status, 'twinsight-loss'))


def _parsed(text: str) -> dict[str, Any]:
    """Return a request, or nothing where it is malformed: the server says so to the viewer."""
    try:
        request = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


def _integers(value: object) -> list[int]:
    return [each for each in value if isinstance(each, int)] if isinstance(value, list) else []


def _send_without_delay(down: web.WebSocketResponse) -> None:
    """Keep what waits in our queue, where it can be left out, and not in the kernel's."""
    sock = down.get_extra_info('socket')
    if sock is not None and hasattr(socket, 'TCP_NOTSENT_LOWAT'):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


def _acknowledge_at_once(up: ClientWebSocketResponse[bool]) -> Callable[[], None]:
    """
    Return what makes the kernel acknowledge what was received now.

    The server's socket waits for it before it sends another small frame (RFC 896), and an
    acknowledgement may take 40 ms where nothing is sent back. Linux forgets the option.
    """
    sock = up.get_extra_info('socket')
    if sock is None or not hasattr(socket, 'TCP_QUICKACK'):
        return lambda: None
    return lambda: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
