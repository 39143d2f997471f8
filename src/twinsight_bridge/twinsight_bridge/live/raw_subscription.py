"""One ROS subscription whose serialized messages go onto a channel as they are."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from foxglove import Channel
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile

from twinsight_bridge.live.kept import Kept
from twinsight_store.ros_qos import is_latched
from twinsight_store.taken_directly import never_called, TakenDirectly

_MOST_IN_ONE_TURN = 100

LogTime = Callable[[int], int]
"""Gives the time (ns) under which viewers see a message that was received at a time (Unix ns)."""


class RawSubscription:
    """
    Takes the messages of one topic when it is told to, in one thread.

    handle  what a wait set waits for
    """

    def __init__(
        self,
        node: Node,
        channel: Channel,
        cls: type,
        qos: QoSProfile,
        group: TakenDirectly,
        log_time: LogTime,
    ) -> None:
        """Subscribe to the topic of the channel."""
        self.channel = channel
        self.qos = qos
        self.kept = Kept(channel.schema_name() or '') if is_latched(qos) else None
        self._node = node
        self._log_time = log_time
        self._last_ns = 0
        self._subscription = node.create_subscription(
            cls, channel.topic(), never_called, qos, raw=True, callback_group=group,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    @property
    def handle(self) -> Any:
        """Return the subscription as rclpy's wait sets know it."""
        return self._subscription.handle

    def end(self) -> None:
        """End the subscription, once nobody is taking from it."""
        self._node.destroy_subscription(self._subscription)

    def take_waiting(self) -> None:
        """Pass on what waits, up to a bound that lets others have their turn."""
        take, cls = self._subscription.handle.take_message, self._subscription.msg_type
        channel, kept, log_time = self.channel, self.kept, self._log_time
        for _ in range(_MOST_IN_ONE_TURN):
            taken: Any = take(cls, True)  # bytes, and a mapping of what DDS says
            if taken is None:
                return
            data, info = taken
            log_ns = log_time(info['received_timestamp'] or time.time_ns())
            if kept is not None:
                log_ns = max(log_ns, self._last_ns + 1)  # a viewer tells them apart by it
                self._last_ns = log_ns
                gid = info.get('publisher_gid')
                kept.add(gid['data'] if gid else b'', log_ns, data)
            channel.log(data, log_time=log_ns)

    def repeat(self) -> None:
        """Pass on again what late subscribers of a latched topic get."""
        for log_ns, data in self.kept or ():
            self.channel.log(data, log_time=log_ns)
