"""What viewers ask of their server, brought into the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import contextlib
from typing import Any

from foxglove.websocket import ChannelView, Client, ClientChannel, ServerListener

from twinsight_bridge.live.client_publishing import ClientPublishing
from twinsight_bridge.live.topics import LiveTopics

_MOST_WAITING = 10_000


class Listener(ServerListener):
    """Is called by the server's threads, and acts in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, topics: LiveTopics, publishing: ClientPublishing
    ) -> None:
        """Make one."""
        self._loop = loop
        self._topics = topics
        self._publishing = publishing
        self._waiting = 0

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        """See ServerListener."""
        self._soon(self._topics.watch, channel.id)

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        """See ServerListener."""
        self._soon(self._topics.leave, channel.id)

    def on_client_advertise(self, client: Client, channel: ClientChannel) -> None:
        """See ServerListener."""
        self._soon(self._publishing.advertise, client.id, channel)

    def on_client_unadvertise(self, client: Client, client_channel_id: int) -> None:
        """See ServerListener."""
        self._soon(self._publishing.unadvertise, client.id, client_channel_id)

    def on_message_data(self, client: Client, client_channel_id: int, data: bytes) -> None:
        """See ServerListener."""
        if self._waiting < _MOST_WAITING:
            self._waiting += 1
            self._soon(self._publish, client.id, client_channel_id, data)

    def _publish(self, client_id: int, channel_id: int, data: bytes) -> None:
        self._waiting -= 1
        self._publishing.publish(client_id, channel_id, data)

    def _soon(self, action: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the bridge may have ended
            self._loop.call_soon_threadsafe(action, *arguments)
