"""Which topics viewers see, and the subscriptions to those that a viewer looks at."""

from __future__ import annotations

import logging

from foxglove import Channel, Context, Schema
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from twinsight_bridge.bridge_settings import BridgeSettings
from twinsight_bridge.live.allowed import Allowed
from twinsight_bridge.live.distribution import Distribution
from twinsight_bridge.live.raw_subscription import LogTime, RawSubscription
from twinsight_bridge.live.taker import Taker
from twinsight_store.message_definition import definition
from twinsight_store.message_types import message_class, UnknownTypeError
from twinsight_store.ros_channel import offered_qos
from twinsight_store.ros_qos import is_latched, is_too_strict, request_for
from twinsight_store.taken_directly import TakenDirectly

_UNKNOWN_DEPTH = 1000  # Fast DDS does not tell what its publishers keep

_log = logging.getLogger(__name__)


class LiveTopics:
    """Has a channel for each topic and type on the ROS graph, subscribed to while it is wanted."""

    def __init__(
        self,
        node: Node,
        context: Context,
        settings: BridgeSettings,
        taker: Taker,
        distribution: Distribution,
        log_time: LogTime,
    ) -> None:
        """Make one with no channel; update() looks at the graph."""
        self._node = node
        self._context = context
        self._settings = settings
        self._allowed = Allowed(
            'topic_whitelist', settings.topic_whitelist, settings.include_hidden
        )
        self._best_effort = Allowed(
            'best_effort_qos_topic_whitelist', settings.best_effort_qos_topic_whitelist
        )
        self._taker = taker
        self._distribution = distribution
        self._log_time = log_time
        self._group = TakenDirectly()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._unknown: set[tuple[str, str]] = set()
        self._viewers: dict[int, int] = {}
        self._subscriptions: dict[int, RawSubscription] = {}

    def update(self) -> None:
        """Look at the graph once: topics come and go, and publishers with other QoS join."""
        there = {
            (name, type_name)
            for name, types in self._node.get_topic_names_and_types()
            if name in self._allowed and self._node.count_publishers(name)
            for type_name in types
        }
        for gone in self._channels.keys() - there:
            self._remove(gone)
        for new in sorted(there - self._channels.keys() - self._unknown):
            self._add(*new)
        for channel_id, subscription in tuple(self._subscriptions.items()):
            channel = self._by_id(channel_id)
            assert channel is not None  # its subscription ended with it
            wanted = self._qos(channel)
            if is_too_strict(subscription.qos, wanted):
                self._end(channel)
                self._begin(channel, wanted)

    def lost_by_dds(self) -> dict[str, int]:
        """Return how many messages of each topic did not arrive, since it is subscribed to."""
        return {each.topic: each.loss.lost for each in self._subscriptions.values()}

    def left_out(self) -> dict[str, int]:
        """Return how many messages of each topic arrived and no viewer got."""
        left_out = self._distribution.left_out
        return {
            channel.topic(): left_out[channel.id()] for channel in self._channels.values()
            if channel.id() in left_out
        }

    def watch(self, channel_id: int) -> None:
        """Begin, or go on, to pass on a channel: one viewer more looks at it."""
        channel = self._by_id(channel_id)
        if channel is None:
            return
        self._viewers[channel_id] = self._viewers.get(channel_id, 0) + 1
        if channel_id not in self._subscriptions:
            self._begin(channel, self._qos(channel))

    def leave(self, channel_id: int) -> None:
        """End the subscription where the viewer who leaves was the last."""
        left = self._viewers.pop(channel_id, 0) - 1
        if left > 0:
            self._viewers[channel_id] = left
        elif channel_id in self._subscriptions:
            channel = self._by_id(channel_id)
            assert channel is not None
            self._end(channel)

    def _add(self, name: str, type_name: str) -> None:
        try:
            encoding, text = definition(type_name)
            message_class(type_name)
        except UnknownTypeError as error:
            self._unknown.add((name, type_name))
            _log.warning(f'topic {name} is not shown: {error}')
            return
        channel = self._channels[name, type_name] = Channel(
            name, message_encoding='cdr', context=self._context,
            schema=Schema(name=type_name, encoding=encoding, data=text),
        )
        self._distribution.open(channel.id())

    def _remove(self, key: tuple[str, str]) -> None:
        channel = self._channels.pop(key)
        self._viewers.pop(channel.id(), None)
        if channel.id() in self._subscriptions:
            self._end(channel)
        self._distribution.close(channel.id())
        channel.close()

    def _begin(self, channel: Channel, qos: QoSProfile) -> None:
        type_name = channel.schema_name() or ''
        self._distribution.keep(channel.id(), type_name if is_latched(qos) else '')
        subscription = RawSubscription(
            self._node, channel.topic(), channel.id(), message_class(type_name), qos, self._group,
            self._distribution, self._log_time,
        )
        self._subscriptions[channel.id()] = subscription
        self._taker.add(subscription)

    def _end(self, channel: Channel) -> None:
        self._taker.remove(self._subscriptions.pop(channel.id()))
        self._distribution.keep(channel.id(), '')

    def _qos(self, channel: Channel) -> QoSProfile:
        """Return what suits all publishers, as deep as they are together, within the bounds."""
        topic, settings = channel.topic(), self._settings
        offered = offered_qos(
            channel.schema_name() or '', self._node.get_publishers_info_by_topic(topic)
        )
        qos = request_for(offered)
        depth = sum(each.depth or _UNKNOWN_DEPTH for each in offered)
        qos.depth = min(max(depth, settings.min_qos_depth), settings.max_qos_depth)
        if topic in self._best_effort:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        return qos

    def _by_id(self, channel_id: int) -> Channel | None:
        return next(
            (each for each in self._channels.values() if each.id() == channel_id), None
        )
