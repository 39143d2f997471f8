"""A subscription that takes bytes as fast as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from twinsight_store.message_types import message_class

_MOST_IN_ONE_CALLBACK = 1000


class RawSubscription:
    """Hands the bytes of each message on; a callback takes all that waits, up to a bound."""

    def __init__(
        self, node: Node, topic: str, type_name: str, qos: QoSProfile,
        take: Callable[[bytes, Mapping[str, Any]], None],
    ) -> None:
        """
        Subscribe.

        take  is given a message's bytes and what the middleware tells of it
        """
        self._take = take
        self._subscription: Subscription = node.create_subscription(
            message_class(type_name), topic, self._call, qos, raw=True
        )

    def _call(self, data: bytes, info: Mapping[str, Any]) -> None:
        self._take(data, info)
        self.take_waiting()

    def take_waiting(self) -> None:
        """Take what waits in the subscription, up to a bound."""
        subscription = self._subscription
        with subscription.handle:
            for _ in range(_MOST_IN_ONE_CALLBACK):
                taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    return
                self._take(*taken)
