"""What viewers ask of their server, brought into the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import contextlib
from typing import Any

from foxglove import Parameter
from foxglove.websocket import ChannelView, Client, ClientChannel, ServerListener

from twinsight_bridge.live.client_publishing import ClientPublishing
from twinsight_bridge.live.parameters import LiveParameters
from twinsight_bridge.live.topics import LiveTopics

_MOST_WAITING = 10_000


class Listener(ServerListener):
    """
    Is called by the server's threads, and acts in the event loop.

    watches_parameters, watches_graph  whether a viewer does
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        topics: LiveTopics,
        parameters: LiveParameters,
        publishing: ClientPublishing,
        on_watching: Callable[[], object],
    ) -> None:
        """Make one; on_watching is called in the loop when one of the two has changed."""
        self.watches_parameters = False
        self.watches_graph = False
        self._loop = loop
        self._topics = topics
        self._parameters = parameters
        self._publishing = publishing
        self._on_watching = on_watching
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

    def on_get_parameters(
        self, client: Client, param_names: list[str], request_id: str | None = None
    ) -> list[Parameter]:
        """See ServerListener; the front has fetched them."""
        return self._parameters.known(param_names)

    def on_set_parameters(
        self, client: Client, parameters: list[Parameter], request_id: str | None = None
    ) -> list[Parameter]:
        """See ServerListener; the front has set them, and they are what the nodes say."""
        return self._parameters.known([each.name for each in parameters])

    def on_parameters_subscribe(self, param_names: list[str]) -> None:
        """See ServerListener."""
        self._soon(self._watch, 'watches_parameters', True)

    def on_parameters_unsubscribe(self, param_names: list[str]) -> None:
        """See ServerListener."""

    def on_connection_graph_subscribe(self) -> None:
        """See ServerListener."""
        self._soon(self._watch, 'watches_graph', True)

    def on_connection_graph_unsubscribe(self) -> None:
        """See ServerListener."""
        self._soon(self._watch, 'watches_graph', False)

    def stop_watching(self) -> None:
        """Note that the last viewer went."""
        self._watch('watches_parameters', False)
        self._watch('watches_graph', False)

    def _publish(self, client_id: int, channel_id: int, data: bytes) -> None:
        self._waiting -= 1
        self._publishing.publish(client_id, channel_id, data)

    def _watch(self, what: str, value: bool) -> None:
        if getattr(self, what) != value:
            setattr(self, what, value)
            self._on_watching()

    def _soon(self, action: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the bridge may have ended
            self._loop.call_soon_threadsafe(action, *arguments)
