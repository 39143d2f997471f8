"""The server that all viewers of the live robot share: the ROS graph, put onto foxglove-sdk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import logging

from foxglove import Context, set_log_level, start_server
from foxglove.websocket import Capability, StatusLevel
from rcl_interfaces.msg import ParameterEvent
from rclpy.node import Node
from rclpy.qos import qos_profile_parameter_events
from rclpy.subscription import Subscription

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.front.viewer import Handler, Server, Viewer
from twinsight_bridge.live.assets import Assets
from twinsight_bridge.live.client_publishing import ClientPublishing, ENCODINGS
from twinsight_bridge.live.connection_graph import ConnectionGraph, read_graph
from twinsight_bridge.live.distribution import Distribution
from twinsight_bridge.live.graph_feed import GraphFeed
from twinsight_bridge.live.listener import Listener
from twinsight_bridge.live.loss_watch import LossWatch
from twinsight_bridge.live.parameter_feed import ParameterFeed
from twinsight_bridge.live.parameters import LiveParameters
from twinsight_bridge.live.services import LiveServices
from twinsight_bridge.live.sim_time import SimTime
from twinsight_bridge.live.taker import Taker
from twinsight_bridge.live.topics import LiveTopics

_log = logging.getLogger(__name__)

_PERIOD_S = 1.0
_GRAPH_PERIOD_S = 2.0

_CAPABILITIES = {
    'clientPublish': Capability.ClientPublish,
    'parameters': Capability.Parameters,
    'services': Capability.Services,
    'connectionGraph': Capability.ConnectionGraph,
}


class LiveServer:
    """Serves the ROS graph on loopback; while no viewer is there it does nothing."""

    def __init__(self, node: Node, settings: BridgeSettings, use_sim_time: bool) -> None:
        """Start it, in the running event loop; an executor elsewhere spins the node."""
        loop = asyncio.get_running_loop()
        self._node = node
        self._settings = settings
        self._sim_time = SimTime(node, self._tell_time) if use_sim_time else None
        context = Context()
        self._distribution = Distribution(loop)
        self._taker = Taker(node.context, self._distribution.flush)
        log_time = self._sim_time.log_time if self._sim_time else _unchanged
        self._topics = LiveTopics(
            node, context, settings, self._taker, self._distribution, log_time
        )
        self._parameters = ParameterFeed(
            LiveParameters(node, settings), self._follow_parameters
        )
        self._graph = GraphFeed(self._read_graph)
        self._services = LiveServices(node, settings, loop)
        publishing = ClientPublishing(node, settings, self._tell)
        has = settings.capabilities
        capabilities = [kind for name, kind in _CAPABILITIES.items() if name in has]
        if self._sim_time:
            capabilities.append(Capability.Time)
        set_log_level('ERROR')  # what it warns of, the front says, with the viewer's name
        self._sdk = start_server(
            name='TwinSight', host='127.0.0.1', port=0, context=context,
            capabilities=capabilities,
            server_listener=Listener(loop, self._topics, publishing),
            supported_encodings=ENCODINGS,
            asset_handler=Assets(settings.asset_uri_allowlist).read if 'assets' in has else None,
        )
        self._server = Server(
            self._sdk.port, handlers=self._handlers(), source=self._distribution,
            on_leave=self._leave,
        )
        self._events: Subscription[ParameterEvent] | None = None
        self._following: asyncio.Task[None] | None = None
        self._loop = loop
        self._losses = LossWatch()
        self._viewers = 0
        self._taker.start()

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Server]:
        """Follow the graph while a viewer is there; give what the front connects it to."""
        self._viewers += 1
        if self._viewers == 1:
            self._begin()
        try:
            yield self._server
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._rest()

    async def stop(self) -> None:
        """End the server, its subscriptions and its threads."""
        self._rest()
        await self._loop.run_in_executor(None, self._sdk.stop)
        await self._loop.run_in_executor(None, self._taker.stop)

    def _begin(self) -> None:
        self._update()
        if self._sim_time:
            self._sim_time.follow(True)
        self._following = self._loop.create_task(self._follow())

    def _rest(self) -> None:
        if self._following is not None:
            self._following.cancel()
            self._following = None
        if self._sim_time:
            self._sim_time.follow(False)

    async def _follow(self) -> None:
        graph_at = 0.0
        while True:
            await asyncio.sleep(_PERIOD_S)
            self._update()
            news = self._losses.news(self._topics.lost_by_dds(), self._topics.left_out())
            if news:
                _log.warning(news)
                self._sdk.publish_status(news, StatusLevel.Warning, 'twinsight-bridge')
            now = self._loop.time()
            if self._graph.is_watched and now >= graph_at:
                graph_at = now + _GRAPH_PERIOD_S
                self._graph.publish(await self._loop.run_in_executor(None, self._read_graph))

    def _handlers(self) -> dict[str, Handler]:
        has, parameters, graph = self._settings.capabilities, self._parameters, self._graph
        handlers: dict[str, Handler] = {}
        if 'parameters' in has:
            handlers |= {'getParameters': parameters.get, 'setParameters': parameters.set}
        if 'parametersSubscribe' in has:
            handlers |= {
                'subscribeParameterUpdates': parameters.subscribe,
                'unsubscribeParameterUpdates': parameters.unsubscribe,
            }
        if 'connectionGraph' in has:
            handlers |= {
                'subscribeConnectionGraph': graph.subscribe,
                'unsubscribeConnectionGraph': graph.unsubscribe,
            }
        return handlers

    def _leave(self, viewer: Viewer) -> None:
        self._parameters.leave(viewer)
        self._graph.leave(viewer)

    def _read_graph(self) -> ConnectionGraph:
        return read_graph(self._node, self._settings.include_hidden)

    def _update(self) -> None:
        self._topics.update()
        if 'services' in self._settings.capabilities:
            self._services.update(self._sdk)

    def _follow_parameters(self) -> None:
        wanted = self._parameters.is_watched
        if wanted and self._events is None:
            self._events = self._node.create_subscription(
                ParameterEvent, '/parameter_events', self._parameter_event,
                qos_profile_parameter_events,
            )
        elif not wanted and self._events is not None:
            self._node.destroy_subscription(self._events)
            self._events = None

    def _parameter_event(self, event: ParameterEvent) -> None:
        """Bring what the executor got into the event loop."""
        self._loop.call_soon_threadsafe(self._parameters.changed, event)

    def _tell_time(self, now_ns: int) -> None:
        self._sdk.broadcast_time(now_ns)

    def _tell(self, text: str) -> None:
        self._sdk.publish_status(text, StatusLevel.Warning)


def _unchanged(receive_ns: int) -> int:
    return receive_ns
