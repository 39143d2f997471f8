"""One ROS subscription whose serialized messages go to viewers as they are."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile

from twinsight_bridge.live.distribution import Arrived, Distribution
from twinsight_store.loss_count import LossCount
from twinsight_store.ros_qos import is_latched
from twinsight_store.taken_directly import never_called, TakenDirectly

_MOST_IN_ONE_TURN = 100

LogTime = Callable[[int], int]
"""Gives the time (ns) under which viewers see a message that was received at a time (Unix ns)."""


class RawSubscription:
    """
    Takes the messages of one topic when it is told to, in one thread.

    loss  counts what DDS lost
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        channel_id: int,
        cls: type,
        qos: QoSProfile,
        group: TakenDirectly,
        distribution: Distribution,
        log_time: LogTime,
    ) -> None:
        """Subscribe to a topic; its messages go to the viewers of the channel."""
        self.topic = topic
        self.qos = qos
        self.loss = LossCount()
        self._channel_id = channel_id
        self._node = node
        self._distribution = distribution
        self._log_time = log_time
        self._subscription = node.create_subscription(
            cls, topic, never_called, qos, raw=True, callback_group=group,
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
        """Offer what waits, up to a bound that lets others have their turn."""
        take, cls = self._subscription.handle.take_message, self._subscription.msg_type
        offer, see, log_time = self._distribution.offer, self.loss.see, self._log_time
        channel_id, latched = self._channel_id, is_latched(self.qos)
        for _ in range(_MOST_IN_ONE_TURN):
            taken: Any = take(cls, True)  # bytes, and a mapping of what DDS says
            if taken is None:
                return
            data, info = taken
            gid = info.get('publisher_gid')
            publisher = gid['data'] if gid else b''
            see(publisher, info.get('publication_sequence_number'))
            log_ns = log_time(info['received_timestamp'] or time.time_ns())
            offer(Arrived(channel_id, publisher, log_ns, data), latched)
