"""Publishers of the robot's topics: the bytes of a message are published and entered."""

from __future__ import annotations

from collections.abc import Callable
import time

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from twinsight_sim.ledger import Ledger
from twinsight_sim.settings import Rates
from twinsight_sim.topics import Delivery, TOPICS, type_name

QOS = {
    Delivery.SENSOR: QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT),
    Delivery.RELIABLE: QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE),
    Delivery.LATCHED: QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                                 durability=DurabilityPolicy.TRANSIENT_LOCAL),
}

POLL_S = 0.05
SETTLE_S = 0.5
"""After the last subscriber appeared: its side may learn of the publisher a little later."""


class Outbox:
    """Advertises the topics whose sensor has a rate, and publishes on them."""

    def __init__(self, node: Node, rates: Rates, ledger: Ledger) -> None:
        self._ledger = ledger
        self._publishers: dict[str, tuple[Publisher, str, str]] = {}
        for key, topic in TOPICS.items():
            if topic.sensor is None or getattr(rates, topic.sensor) > 0.0:
                publisher: Publisher = node.create_publisher(
                    topic.type, topic.name, QOS[topic.delivery])
                self._publishers[key] = publisher, publisher.topic_name, type_name(topic)

    def send(self, key: str, data: bytes) -> None:
        """Publish the bytes of a message on the topic with this key in ``TOPICS``."""
        publisher, name, kind = self._publishers[key]
        publish_ns = time.time_ns()
        publisher.publish(data)
        self._ledger.add(name, kind, publish_ns, data)

    def lonely(self) -> list[str]:
        """Return the topics without a matched subscriber."""
        return [name for publisher, name, _ in self._publishers.values()
                if publisher.get_subscription_count() == 0]

    def wait_for_subscribers(self, seconds: float, stopped: Callable[[], bool]) -> list[str]:
        """Wait at most so long until every topic has a subscriber; return the lonely ones."""
        deadline = time.monotonic() + seconds
        while (lonely := self.lonely()) and time.monotonic() < deadline and not stopped():
            time.sleep(POLL_S)
        if not lonely:
            time.sleep(SETTLE_S)
        return lonely

    def flush(self, seconds: float) -> None:
        """Wait at most so long until reliable subscribers have what was sent."""
        deadline = time.monotonic() + seconds
        for key, (publisher, _, _) in self._publishers.items():
            if TOPICS[key].delivery is not Delivery.SENSOR:
                left = max(0.0, deadline - time.monotonic())
                publisher.wait_for_all_acked(Duration(seconds=left))
